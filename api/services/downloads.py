"""A stored object as an HTTP response: versions, ranges, HEAD, and a stream that never holds more than a part."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import headers
from api.errors import PreconditionFailed
from store.blobs import BlobStore
from store.errors import BlobDamaged


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
        BlobDamaged: if the object has not the recorded size.
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
        return Response(headers=described)
    wanted = headers.byte_range(asked.get("range"), asked.get("if-range"), etag=etag, size=file.byte_count)
    found = blobs.slice(file.key, wanted)
    if found.total != file.byte_count:
        raise BlobDamaged(f"object {file.key} has {found.total} bytes, recorded are {file.byte_count}")
    if wanted is None:
        return StreamingResponse(found.content, headers=described)
    described["Content-Length"] = str(found.length)
    described["Content-Range"] = f"bytes {wanted[0]}-{wanted[1]}/{file.byte_count}"
    return StreamingResponse(found.content, status_code=206, headers=described)


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
