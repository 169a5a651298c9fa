"""A stored object as an HTTP response: versions, ranges, HEAD, and only bytes whose hash is the recorded one.

A small file is hashed before its first byte leaves; a large one on its way, and it never ends cleanly if it is wrong.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import headers
from api.errors import PreconditionFailed
from store.blobs import BlobStore
from store.errors import BlobDamaged

WHOLE_BYTES = 4 << 20  # a file up to this size is read and hashed before it is sent


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """An object as its row describes it, and the name it should have on the client's disk."""

    key: str
    sha256: str
    byte_count: int
    media_type: str
    filename: str


def download(request: Request, blobs: BlobStore, file: StoredFile) -> Response:
    """Answer a GET or HEAD for a file whose bytes never change.

    Raises:
        PreconditionFailed: if the client wants another version.
        RangeNotSatisfiable: if it wants bytes beyond the end.
        BlobMissing: if the object is gone.
        BlobDamaged: if the object has not the recorded size, is small and has not the recorded hash, or cannot be
            read.
    """
    etag = f'"{file.sha256}"'
    asked = request.headers
    if headers.match_fails(asked.get("if-match"), etag):
        raise PreconditionFailed(f"the file's version is {etag}, asked was {asked['if-match']}")
    validators = {"ETag": etag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if headers.none_match(asked.get("if-none-match"), etag):
        return Response(status_code=304, headers=validators)
    described = validators | {
        "Content-Type": file.media_type,
        "Content-Length": str(file.byte_count),
        "Content-Disposition": headers.attachment(file.filename),
        "Repr-Digest": headers.digest(file.sha256),
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        if (size := blobs.size(file.key)) != file.byte_count:
            raise _other_size(file, size)
        return Response(headers=described)
    wanted = headers.byte_range(asked.get("range"), asked.get("if-range"), etag=etag, size=file.byte_count)
    if file.byte_count <= WHOLE_BYTES:
        # Before the first byte leaves, so that damage is a problem with advice and not a connection that breaks.
        content = blobs.read(file.key, sha256=file.sha256, max_bytes=file.byte_count)
        if wanted is None:
            return Response(content, headers=described)
        described |= _range(wanted, file.byte_count)
        return Response(content[wanted[0] : wanted[1] + 1], 206, headers=described)
    found = blobs.slice(file.key, wanted)
    if found.total != file.byte_count:
        raise _other_size(file, found.total)
    if wanted is None:
        return StreamingResponse(_verified(found.content, file), headers=described)
    # A range of a large file is no more than a part of what was hashed: its client checks the whole with Repr-Digest.
    described |= _range(wanted, file.byte_count)
    return StreamingResponse(found.content, status_code=206, headers=described)


def _range(wanted: tuple[int, int], total: int) -> dict[str, str]:
    first, last = wanted
    return {"Content-Length": str(last - first + 1), "Content-Range": f"bytes {first}-{last}/{total}"}


def _verified(content: Iterator[bytes], file: StoredFile) -> Iterator[bytes]:
    """The same bytes; the last of them are held back until the hash of all is right, or the connection is broken off.

    Raises:
        BlobDamaged: instead of the last part: the response is under way, so the server can only end it too soon.
    """
    digest, held = hashlib.sha256(), b""
    for part in content:
        digest.update(part)
        if held:
            yield held
        held = part
    if (found := digest.hexdigest()) != file.sha256:
        raise BlobDamaged(f"object {file.key} has SHA-256 {found}, expected {file.sha256}")
    yield held


def _other_size(file: StoredFile, found: int) -> BlobDamaged:
    return BlobDamaged(f"object {file.key} has {found} bytes, recorded are {file.byte_count}")


def file_responses(content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """What `download` answers with besides problems, for the OpenAPI document."""
    names = ("ETag", "Content-Disposition", "Repr-Digest")
    return {
        200: {
            "description": "The file",
            "content": content,
            "headers": {name: {"schema": {"type": "string"}} for name in names},
        },
        206: {"description": "The bytes that Range asked for"},
        304: {"description": "The client has it already"},
    }
