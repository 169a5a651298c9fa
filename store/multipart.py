"""Large objects that a client sends to the bucket itself, part by part, with URLs that are signed for it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from store.blobs import BlobStore, translated

MOST_SENDINGS = 4  # of a whole file: some servers keep each sending of a part until the upload ends


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    etag: str
    byte_count: int
    modified: datetime


class MultipartUploads:
    """The multipart verbs of a bucket; like `BlobStore`, they raise BlobsUnavailable, and BlobMissing if it is gone."""

    def __init__(self, blobs: BlobStore) -> None:
        self._client, self._signer, self._bucket = blobs.client, blobs.signer, blobs.bucket

    def begin(self, key: str) -> str:
        """Open an upload; returns the id by which storage knows it."""
        with translated(key):
            return self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]

    def part_url(self, key: str, upload_id: str, number: int, *, byte_count: int, seconds: int) -> str:
        """Where to PUT part `number` (1, 2, 3 …) within the next `seconds`; signed here, storage is not asked.

        The length is signed, too: storage refuses a body of any other, before it has read it.
        """
        where = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        where |= {"ContentLength": byte_count}
        return self._signer.generate_presigned_url("upload_part", Params=where, ExpiresIn=seconds)

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """What has arrived, by number; a part that was sent twice may be there twice.

        Raises:
            BlobMissing: if the upload was completed or given up.
        """
        with translated(key):
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return [
                Part(part["PartNumber"], part["ETag"], part["Size"], part["LastModified"])
                for page in pages
                for part in page.get("Parts", [])
            ]

    def complete(self, key: str, upload_id: str, parts: list[Part]) -> None:
        """Make one object of the parts.

        Raises:
            BlobMissing: if the upload was completed or given up.
        """
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with translated(key):
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
            )

    def abort(self, key: str, upload_id: str) -> None:
        """Give the upload up and free its parts; one that is gone is fine."""
        with translated(key), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)


def part_sizes(byte_count: int, part_bytes: int) -> list[int]:
    """Bytes of each part: all alike but the last."""
    whole, rest = divmod(byte_count, part_bytes)
    return [part_bytes] * whole + [rest] * bool(rest)


def newest_parts(parts: Iterable[Part]) -> list[Part]:
    """One of each number: what was sent again counts as it came last."""
    newest: dict[int, Part] = {}
    for part in sorted(parts, key=lambda part: part.modified):
        newest[part.number] = part
    return [newest[number] for number in sorted(newest)]


def is_overrun(parts: Iterable[Part], byte_count: int, part_bytes: int) -> bool:
    """Whether more has arrived than can come from sending the announced parts, each a few times."""
    sizes = dict(enumerate(part_sizes(byte_count, part_bytes), start=1))
    arrived = list(parts)
    too_large = any(part.byte_count > sizes.get(part.number, 0) for part in arrived)
    return too_large or sum(part.byte_count for part in arrived) > MOST_SENDINGS * byte_count
