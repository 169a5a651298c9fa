"""Object storage in memory, at the height of the SDK's client: what `store.blobs` does above it is the real code."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from store.blobs import BlobStore
from tests.simulation.engine import EPOCH
from tests.simulation.scheduler import Process, Scheduler

Line = Callable[[Process, str], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object."""

    content: bytes
    changed: datetime


class Bucket:
    """The storage server: what it shows, and what of that is on its disk."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.seen: dict[str, Stored] = {}
        self.on_disk: dict[str, Stored] = {}
        self.unreadable: set[str] = set()  # keys for which it answers 500
        self.harmed: set[str] = set()  # keys of objects that a fault has hit, whatever became of them
        self.down_since = 0.0
        self.down_until = 0.0
        self.full_until = 0.0

    def put(self, key: str, content: bytes) -> None:
        self.seen[key] = Stored(content, EPOCH + timedelta(seconds=self.scheduler.now))
        self.unreadable.discard(key)

    def delete(self, key: str) -> None:
        self.seen.pop(key, None)
        self.unreadable.discard(key)

    def sync(self) -> None:
        """All that was written is on the disk."""
        self.on_disk = dict(self.seen)

    def lose_power(self, seconds: float) -> None:
        """What was not synced is gone, and what was deleted since is back."""
        self.seen = dict(self.on_disk)
        self.down_until = self.scheduler.now + seconds


class Client:
    """The few verbs of boto3's client that the service uses."""

    def __init__(self, bucket: Bucket, process: Process, line: Line) -> None:
        self._bucket = bucket
        self._process = process
        self._line = line

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:
        self._line(self._process, f"PUT {Key}")
        if self._bucket.full_until > self._bucket.scheduler.now:
            raise _answer("InsufficientStorage")
        self._bucket.put(Key, Body)
        self._line(self._process, "answer to PUT")

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        self._line(self._process, f"GET {Key}")
        if Key in self._bucket.unreadable:
            raise _answer("InternalError")
        found = self._bucket.seen.get(Key)
        if found is None:
            raise _answer("NoSuchKey")
        return {"Body": io.BytesIO(found.content), "ContentLength": len(found.content)}

    def head_bucket(self, **_: Any) -> None:
        self._line(self._process, "HEAD bucket")

    def delete_object(self, *, Key: str, **_: Any) -> None:
        self._line(self._process, f"DELETE {Key}")
        self._bucket.delete(Key)
        self._line(self._process, "answer to DELETE")

    def get_paginator(self, verb: str) -> "Pages":
        return Pages(self, verb)

    def listed(self, prefix: str) -> dict[str, Any]:
        self._line(self._process, f"LIST {prefix}")
        found = sorted(self._bucket.seen.items())
        return {"Contents": [{"Key": key, "LastModified": one.changed} for key, one in found if key.startswith(prefix)]}


class Pages:
    """Pages of a list: all of it on one."""

    def __init__(self, client: Client, verb: str) -> None:
        self._client = client
        self._verb = verb

    def paginate(self, *, Prefix: str = "", **_: Any) -> Iterator[dict[str, Any]]:
        if self._verb == "list_objects_v2":
            yield self._client.listed(Prefix)


class Folder:
    """Stands for the synced folder of a storage server on the same machine."""

    def __init__(self, bucket: Bucket, process: Process, line: Line) -> None:
        self._bucket = bucket
        self._process = process
        self._line = line

    def sync(self) -> None:
        self._line(self._process, "fsync")
        self._bucket.sync()


class LeftToTheSdk:
    """Stands for the client of small objects, which leaves to the SDK whatever it does not see through by itself."""

    def put(self, key: str, content: bytes, media_type: str) -> bool:
        return False

    def read(self, key: str, max_bytes: int) -> None:
        return None


class Blobs(BlobStore):
    """The real store of objects on the simulated client."""

    def __init__(self, bucket: Bucket, process: Process, line: Line) -> None:
        self.bucket = "bucket"
        self._folder = Folder(bucket, process, line)  # type: ignore[assignment]
        self._refused_seconds = 5.0
        self._small = LeftToTheSdk()  # type: ignore[assignment]
        self._client = self._reader = Client(bucket, process, line)  # type: ignore[assignment]


def no_answer() -> Exception:
    """What the SDK raises when storage is away."""
    return ReadTimeoutError(endpoint_url="http://storage")


def _answer(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "GetObject")
