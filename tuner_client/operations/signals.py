"""Signals, and the uploads that become signals."""

from pathlib import Path

from tuner_client.both import Both, operation
from tuner_client.calls import Call, at, chunks_of, document, file_head, nothing
from tuner_client.models import FileHead, Signal, SignalPage, Upload
from tuner_client.transfers import fetch_signal, upload

READING_BACK_SECONDS = 600.0  # the service reads a large file once more before it answers


class SignalOperations:
    """What is done with signals."""

    upload = Both(upload)
    get_signal_content = Both(fetch_signal)

    @operation
    def create_signal(
        self, path: Path | str, *, filename: str | None = None, timeout: float | None = None
    ) -> Call[Signal]:
        """Send a file in one request, read as it is sent; `upload` also sends those that are too large for one."""
        path = Path(path)
        size = path.stat().st_size
        return Call(
            method="POST",
            path="/signals",
            read=document(Signal),
            query={"filename": filename or path.name},
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
            body=lambda: chunks_of(path, 0, size, of=size),
            thinking_seconds=READING_BACK_SECONDS,
            timeout=float("inf") if timeout is None else timeout,
        )

    @operation
    def list_signals(
        self, *, limit: int | None = None, cursor: str | None = None, timeout: float | None = None
    ) -> Call[SignalPage]:
        """Signals, newest first, a page at a time."""
        query = {"limit": limit, "cursor": cursor}
        return Call(method="GET", path="/signals", read=document(SignalPage), query=query, timeout=timeout)

    @operation
    def get_signal(self, signal_id: str, *, timeout: float | None = None) -> Call[Signal]:
        """One signal."""
        path = at("/signals/{signal_id}", signal_id=signal_id)
        return Call(method="GET", path=path, read=document(Signal), timeout=timeout)

    @operation
    def delete_signal(self, signal_id: str, *, timeout: float | None = None) -> Call[None]:
        """Delete a signal and its bytes; representations that were made of it stay."""
        path = at("/signals/{signal_id}", signal_id=signal_id)
        return Call(method="DELETE", path=path, read=nothing, timeout=timeout)

    @operation
    def head_signal_content(self, signal_id: str, *, timeout: float | None = None) -> Call[FileHead]:
        """Size and SHA-256 of an uploaded file."""
        path = at("/signals/{signal_id}/content", signal_id=signal_id)
        return Call(method="HEAD", path=path, read=file_head, timeout=timeout)

    @operation
    def create_upload(self, size: int, *, filename: str | None = None, timeout: float | None = None) -> Call[Upload]:
        """Announce a file of so many bytes that is sent in parts; `upload` does it all by itself."""
        json = {"bytes": size, "filename": filename}
        return Call(method="POST", path="/uploads", read=document(Upload), json=json, repeatable=False, timeout=timeout)

    @operation
    def get_upload(self, upload_id: str, *, timeout: float | None = None) -> Call[Upload]:
        """Which parts of a large upload have arrived, with fresh addresses for the others."""
        path = at("/uploads/{upload_id}", upload_id=upload_id)
        return Call(method="GET", path=path, read=document(Upload), timeout=timeout)

    @operation
    def delete_upload(self, upload_id: str, *, timeout: float | None = None) -> Call[None]:
        """Give a large upload up, and free its parts."""
        path = at("/uploads/{upload_id}", upload_id=upload_id)
        return Call(method="DELETE", path=path, read=nothing, timeout=timeout)

    @operation
    def complete_upload(self, upload_id: str, *, size: int, sha256: str, timeout: float | None = None) -> Call[Signal]:
        """Make a signal of the parts, if they are the file that has this size in bytes and this SHA-256."""
        return Call(
            method="POST",
            path=at("/uploads/{upload_id}/complete", upload_id=upload_id),
            read=document(Signal),
            json={"bytes": size, "sha256": sha256},
            thinking_seconds=READING_BACK_SECONDS,
            timeout=float("inf") if timeout is None else timeout,
        )
