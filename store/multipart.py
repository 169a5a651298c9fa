"""Large objects that a client sends to the bucket itself, part by part, with URLs that are signed for it."""

from contextlib import suppress
from dataclasses import dataclass

from store.blobs import BlobStore, translated


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    etag: str
    byte_count: int


class MultipartUploads:
    """The multipart verbs of a bucket; like `BlobStore`, they raise BlobsUnavailable, and BlobMissing if it is gone."""

    def __init__(self, blobs: BlobStore) -> None:
        self._client, self._bucket = blobs.client, blobs.bucket

    def begin(self, key: str) -> str:
        """Open an upload; returns the id by which storage knows it."""
        with translated(key):
            return self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]

    def part_url(self, key: str, upload_id: str, number: int, *, seconds: int) -> str:
        """Where to PUT part `number` (1, 2, 3 …) within the next `seconds`; signed here, storage is not asked."""
        where = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._client.generate_presigned_url("upload_part", Params=where, ExpiresIn=seconds)

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """What has arrived, by number.

        Raises:
            BlobMissing: if the upload was completed or given up.
        """
        with translated(key):
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return [
                Part(part["PartNumber"], part["ETag"], part["Size"]) for page in pages for part in page.get("Parts", [])
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
