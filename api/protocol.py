"""What never becomes a request: bytes that are no HTTP, and headers without end, answered like every other error."""

from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.errors import MEDIA_TYPE
from api.problems import MALFORMED_HTTP, problem_document


class ProblemProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, with a problem document where it has a line of text."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  as uvicorn calls it
        """Answer and hang up."""
        kind = MALFORMED_HTTP
        body = problem_document(
            status=kind.status,
            title=kind.title,
            code=str(kind.code),
            detail=str(kind.detail),
            instance="",
            request_id="",
        )
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        answer = h11.Response(status_code=400, headers=headers, reason=HTTPStatus.BAD_REQUEST.phrase.encode())
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
