"""Objects in a bucket behind few verbs, on anything that speaks S3."""

import hashlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header
from botocore.response import StreamingBody

from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, BucketMissing, ObjectBrokenOff, ObjectRefused
from store.keys import PROBES
from store.settings import StoreSettings
from store.small_objects import MOST_BYTES, SmallObjects
from store.synced_folder import SyncedFolder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RETRY_SECONDS = (0.3, 1.0)  # pauses between tries of a read that got no answer, or only a part of it
Answer = TypeVar("Answer")
PART = 1 << 20  # bytes read at a time when an object is streamed
BUCKET_GONE = (
    "the bucket is gone, and trying again does not bring it back: expected was TUNER_S3_BUCKET at "
    "TUNER_S3_ENDPOINT_URL. See whether they lead where they should; if it was deleted, restore it from a backup, or "
    "make an empty one of that name and count its objects as lost"
)


@dataclass(frozen=True, slots=True)
class BlobSlice:
    """A stretch of an object: `content` yields `length` of its `total` bytes, from `start` on."""

    content: Iterator[bytes]
    start: int
    length: int
    total: int


class BlobStore:
    """One bucket. Make it after the process has started: connections do not survive a fork.

    Every method raises BlobsUnavailable when storage does not answer within the time-out and its retries, and
    BucketMissing, which is one, when the bucket is gone: then a later try helps no more, and the message says so.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.bucket = settings.s3_bucket
        self._folder = SyncedFolder(settings.s3_sync_folder) if settings.s3_sync and settings.s3_sync_folder else None
        self._refused_seconds = settings.s3_refused_seconds
        self._client = self._connect(settings, tries=4)
        self._small = SmallObjects(settings)
        # Some servers try for many seconds before they answer 500, so nobody multiplies that by tries of the SDK.
        self._reader = self._connect(settings, tries=1)
        # The name of the server is signed: whoever is sent elsewhere needs an address that was signed for there.
        public = settings.s3_public_endpoint_url
        self._signer = self._client if public is None else self._connect(settings, tries=1, endpoint_url=public)

    def _connect(self, settings: StoreSettings, *, tries: int, endpoint_url: str | None = None) -> "S3Client":
        checksums: Literal["when_supported", "when_required"] = (
            "when_supported" if settings.s3_request_checksums else "when_required"
        )
        client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint_url or settings.s3_endpoint_url,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key.get_secret_value(),
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            config=Config(
                signature_version="s3v4",
                # Buckets as paths: embedded and self-hosted servers have no name per bucket.
                s3={"addressing_style": "path"},
                connect_timeout=settings.s3_timeout_seconds,
                read_timeout=settings.s3_timeout_seconds,
                retries={"mode": "standard", "total_max_attempts": tries},
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
                # Else botocore puts together what it knows of itself and of the machine, twice for each request.
                user_agent="tuner",
            ),
        )

        # Without "Expect: 100-continue": when a connection breaks within the answer to it, botocore reads the end of
        # the stream for ever, on a full core, and no time-out ends it.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        return client

    @property
    def client(self) -> "S3Client":
        """For verbs that only `store.multipart` needs."""
        return self._client

    @property
    def signer(self) -> "S3Client":
        """For addresses that clients are given; it connects to nothing."""
        return self._signer

    def put(self, key: str, content: bytes | Path, *, media_type: str = "application/octet-stream") -> None:
        """Store bytes, or the content of a file, under a key; what was there before is replaced.

        With a folder to sync they are on the disk when this returns, so that a row may name them.
        """
        with translated(key):
            small = _small(content)
            if small is None or not self._small.put(key, small, media_type):
                self._put(key, content, media_type)
            if self._folder is not None:
                self._folder.sync()

    def _put(self, key: str, content: bytes | Path, media_type: str) -> None:
        if isinstance(content, Path):
            self._client.upload_file(str(content), self.bucket, key, ExtraArgs={"ContentType": media_type})
        else:
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=media_type)

    def read(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """A whole object.

        Args:
            key: name of the object in the bucket.
            sha256: hexadecimal hash that the bytes must have.
            max_bytes: refuse a larger object before it is read.

        Raises:
            BlobMissing: if there is no such object.
            BlobDamaged: if the hash differs, the object is larger than allowed, or storage cannot read it.
        """
        content = None if max_bytes is None else self._small.read(key, max_bytes)
        if content is None:
            content = self._insist(key, lambda: self._read(key, max_bytes))
        if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise BlobDamaged(f"object {key} has SHA-256 {found}, expected {sha256}")
        return content

    def _insist(self, key: str, look: Callable[[], Answer]) -> Answer:
        """Tell an outage, which passes, from an object that storage cannot read, which no waiting heals.

        Each time that storage answers 500, it has to prove with a probe that it can write and read others. Only the
        object that is refused again after that, and for some seconds, is damaged.
        """
        begun, refusals, pauses = time.monotonic(), 0, list(RETRY_SECONDS)
        while True:
            try:
                return look()
            except ObjectRefused as error:
                self.self_test()
                refusals += 1
                if refusals > 1 and time.monotonic() - begun >= self._refused_seconds:
                    raise BlobDamaged(f"storage answers, and cannot read object {key}") from error
                time.sleep(min(RETRY_SECONDS[-1], self._refused_seconds))
            except BucketMissing:
                raise
            except BlobsUnavailable:
                if not pauses:
                    raise
                time.sleep(pauses.pop(0))

    def _read(self, key: str, max_bytes: int | None) -> bytes:
        with translated(key):
            answer = self._reader.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                if max_bytes is not None and answer["ContentLength"] > max_bytes:
                    raise BlobDamaged(f"object {key} is larger than the {max_bytes} bytes that were recorded for it")
                # Read as a whole: only then is a connection that broke in the middle told from a damaged object.
                content: bytes = body.read()
                return content

    def verify(
        self, key: str, *, sha256: str, byte_count: int, on_bytes: Callable[[int], object] = lambda _: None
    ) -> None:
        """Read an object part by part, to see whether it is what was recorded.

        Args:
            key: name of the object in the bucket.
            sha256: hexadecimal hash that the bytes must have.
            byte_count: number of bytes that there must be.
            on_bytes: told how many bytes were read, after each part; it may wait.

        Raises:
            BlobMissing: if there is no such object.
            BlobDamaged: if size or hash differ, or storage cannot read it. That is also what reading means that
                breaks off behind the same part each time, while storage reads others.
        """
        broken_at: list[int] = []
        while True:
            try:
                return self._insist(key, lambda: self._verify(key, sha256, byte_count, on_bytes))
            except ObjectBrokenOff as error:
                self.self_test()
                if error.position in broken_at:
                    raise BlobDamaged(f"storage answers, and object {key} breaks off at {error.position}") from error
                if broken_at:
                    raise
                broken_at.append(error.position)

    def _verify(self, key: str, sha256: str, byte_count: int, on_bytes: Callable[[int], object]) -> None:
        digest, position = hashlib.sha256(), 0
        with translated(key):
            answer = self._reader.get_object(Bucket=self.bucket, Key=key)
        if answer["ContentLength"] != byte_count:
            answer["Body"].close()
            raise BlobDamaged(f"object {key} has {answer['ContentLength']} bytes, expected {byte_count}")
        try:
            with translated(key):
                for part in _parts(answer["Body"]):
                    digest.update(part)
                    position += len(part)
                    on_bytes(len(part))
        except BlobsUnavailable as error:
            raise ObjectBrokenOff(str(error), position) from error
        if (found := digest.hexdigest()) != sha256:
            raise BlobDamaged(f"object {key} has SHA-256 {found}, expected {sha256}")

    def slice(self, key: str, byte_range: tuple[int, int] | None = None) -> BlobSlice:
        """Stream an object, or its bytes from the first to the last (inclusive) of `byte_range`.

        Raises:
            BlobMissing: if there is no such object.
            BlobDamaged: if storage cannot read it, or it ends before the range does.
        """
        return self._insist(key, lambda: self._slice(key, byte_range))

    def _slice(self, key: str, byte_range: tuple[int, int] | None) -> BlobSlice:
        with translated(key):
            if byte_range is None:
                answer = self._reader.get_object(Bucket=self.bucket, Key=key)
                start, total = 0, answer["ContentLength"]
            else:
                answer = self._reader.get_object(
                    Bucket=self.bucket, Key=key, Range=f"bytes={byte_range[0]}-{byte_range[1]}"
                )
                start, total = byte_range[0], int(answer["ContentRange"].rpartition("/")[2])
        return BlobSlice(_parts(answer["Body"]), start, answer["ContentLength"], total)

    def size(self, key: str) -> int:
        """Bytes of an object.

        Raises:
            BlobMissing: if there is no such object.
        """
        try:
            with translated(key):
                return self._client.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
        except BlobMissing:
            self.ping()  # the answer to HEAD has no body to say whether it is the bucket that is missing
            raise

    def media_type(self, key: str) -> str:
        """Kind of an object's bytes, as it was stored with them.

        Raises:
            BlobMissing: if there is no such object.
        """
        with translated(key):
            return self._client.head_object(Bucket=self.bucket, Key=key)["ContentType"]

    def keys(self, prefix: str = "", *, changed_before: datetime | None = None) -> Iterator[str]:
        """Keys under a prefix, in order; only those of older objects if so wished."""
        with translated(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    if changed_before is None or item["LastModified"] < changed_before:
                        yield item["Key"]

    def abort_uploads(self, *, begun_before: datetime, keep: Collection[str] = ()) -> int:
        """Give up multipart uploads whose sender must be gone, but not those in `keep`; returns how many."""
        aborted = 0
        with translated(self.bucket):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < begun_before and upload["UploadId"] not in keep:
                        self._client.abort_multipart_upload(
                            Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        aborted += 1
        return aborted

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        with translated(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def create_bucket(self) -> None:
        """Make the bucket if it does not exist."""
        with translated(self.bucket):
            try:
                self._client.head_bucket(Bucket=self.bucket)
            except ClientError:
                self._client.create_bucket(Bucket=self.bucket)

    def ping(self) -> None:
        """Ask whether the bucket is there."""
        try:
            with translated(self.bucket):
                self._client.head_bucket(Bucket=self.bucket)
        except BlobMissing as error:
            raise BucketMissing(BUCKET_GONE) from error

    def self_test(self) -> None:
        """Put, get and delete a probe, so that wrong keys or rights show at the start and not in the first upload.

        Raises:
            BlobDamaged: if the probe comes back changed.
        """
        key, content = f"{PROBES}{uuid4().hex}", b"tuner"
        self.put(key, content)
        self.read(key, sha256=hashlib.sha256(content).hexdigest())
        self.delete(key)


def sha256_hex(content: bytes) -> str:
    """The hash under which objects are recorded."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Turn the SDK's errors into the store's."""
    try:
        yield
    except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, OSError) as error:
        code = _code(error)
        if code in {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}:
            raise BlobMissing(f"there is no object {key}") from error
        if code == "NoSuchBucket":
            raise BucketMissing(BUCKET_GONE) from error
        if code == "InvalidRange":
            raise BlobDamaged(f"object {key} is shorter than recorded") from error
        if code in {"InternalError", "500"}:
            raise ObjectRefused(f"object storage cannot give {key}: {error}") from error
        how = "refused" if code else "does not answer for"
        raise BlobsUnavailable(f"object storage {how} {key}: {error}") from error


def _small(content: bytes | Path) -> bytes | None:
    """The bytes of what is small; None of what is not, which is sent part by part."""
    if isinstance(content, bytes):
        return content
    return content.read_bytes() if content.stat().st_size <= MOST_BYTES else None


def _code(error: BaseException) -> str | None:
    """What storage answered, if it answered at all; the transfer of files wraps that in an error of its own."""
    answer = error if isinstance(error, ClientError) else error.__context__
    return answer.response.get("Error", {}).get("Code") if isinstance(answer, ClientError) else None


def _parts(body: StreamingBody) -> Iterator[bytes]:
    with closing(body):
        while part := body.read(PART):
            yield part
