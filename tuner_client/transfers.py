"""Files to the service and back, over any number of connections: told once for both clients."""

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tuner_client.calls import CHUNK, Call, Query, at, chunks_of, given_up, prefer, told_to_wait, whatever
from tuner_client.deadline import Deadline
from tuner_client.downloading import Downloading
from tuner_client.errors import (
    ApiError,
    ConnectionFailed,
    NotAllowed,
    ServerError,
    UploadBroken,
    WaitedTooLong,
)
from tuner_client.models import Download, Part, Signal, Upload

if TYPE_CHECKING:
    from tuner_client.aio import AsyncClient

ONE_REQUEST_BYTES: Final = 1 << 20  # a file up to this size is sent without asking what the service takes
DRAWING_SECONDS: Final = 20  # the service is asked to answer when a view is drawn, or so much later


async def upload(
    client: "AsyncClient",
    path: Path | str,
    *,
    filename: str | None = None,
    upload_id: str | None = None,
    timeout: float | None = None,
) -> Signal:
    """Send a file of any size, read as it is sent: in one request, or in parts if the service takes no larger ones.

    Args:
        client: what is asked.
        path: the file.
        filename: name that the service shall know, or None for the file's own.
        upload_id: id of an upload in parts of the same file that broke off, to go on with it; the error that it ended
            in has it.
        timeout: time that all of it may take in seconds, or None for as long as it takes.

    Raises:
        ValueError: if the upload that broke off was of a file of another size.
        ApiError: if the service refuses.
        UploadBroken: if an upload in parts breaks off for good.
        ConnectionFailed: if the service does not answer.
        WaitedTooLong: if time is up.
    """
    path = Path(path)
    begun: list[str] = [] if upload_id is None else [upload_id]
    try:
        async with Deadline(timeout, f"the upload of {path.name}").holds():
            size = path.stat().st_size
            small = size <= ONE_REQUEST_BYTES
            if upload_id is None and (small or size <= (await client.welcome()).max_upload_bytes):
                return await client.create_signal(path, filename=filename)
            if upload_id is None:
                under_way = await client.create_upload(size, filename=filename or path.name)
                begun.append(under_way.id)
            else:
                under_way = await client.get_upload(upload_id)
            return await _in_parts(client, path, size, under_way)
    except WaitedTooLong as error:
        error.upload_id = begun[-1] if begun else None
        raise


async def _in_parts(client: "AsyncClient", path: Path, size: int, under_way: Upload) -> Signal:
    if under_way.bytes != size:
        raise ValueError(f"{path} has {size} bytes, the upload {under_way.id} is of {under_way.bytes}")
    if under_way.signal_id is not None:
        return await client.get_signal(under_way.signal_id)
    try:
        start = 0
        for part in under_way.parts:
            if not part.received:
                await _send_part(client, path, start, part, under_way)
            start += part.bytes
        sha256 = await asyncio.to_thread(_sha256, path)
        return await client.complete_upload(under_way.id, size=size, sha256=sha256)
    except (ConnectionFailed, ServerError) as error:
        raise UploadBroken(under_way.id, error) from error


async def _send_part(client: "AsyncClient", path: Path, start: int, part: Part, under_way: Upload) -> None:
    def put(url: str) -> Call[None]:
        return Call(
            method="PUT",
            path=url,
            read=whatever,
            headers={"Content-Length": str(part.bytes)},
            body=lambda: chunks_of(path, start, part.bytes, of=under_way.bytes),
            timeout=float("inf"),
        )

    try:
        await client.send(put(part.url))
    except NotAllowed:  # the address has grown too old
        fresh = {one.number: one.url for one in (await client.get_upload(under_way.id)).parts}
        await client.send(put(fresh[part.number]))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def download(client: "AsyncClient", fit_id: str, target: Path | str, *, timeout: float | None = None) -> str:
    """Write the compressed file, whole and verified or not at all; interrupted downloads go on.

    Args:
        client: what is asked.
        fit_id: id of the fit.
        target: path of the file to write.
        timeout: time that all of it may take in seconds, or None for as long as it takes.

    Returns:
        Its SHA-256, hexadecimal.

    Raises:
        DownloadDamaged: if what arrived is not what was promised.
        ApiError: if there is no file.
        ConnectionFailed: if the service stays away.
        WaitedTooLong: if time is up.
    """
    return (await fetch_representation(client, fit_id, target, timeout=timeout)).sha256


async def fetch_representation(
    client: "AsyncClient", fit_id: str, target: Path | str, *, timeout: float | None = None
) -> Download:
    """Write the compressed file to a path, whole and verified or not at all."""
    return await _fetch(client, at("/fits/{fit_id}/representation", fit_id=fit_id), target, timeout)


async def fetch_view_page(
    client: "AsyncClient", fit_id: str, target: Path | str, *, timeout: float | None = None
) -> Download:
    """Write a page of HTML that holds the compressed file and its decoder, and opens in any browser, offline."""
    return await _fetch(client, at("/fits/{fit_id}/view.html", fit_id=fit_id), target, timeout)


async def fetch_signal(
    client: "AsyncClient", signal_id: str, target: Path | str, *, timeout: float | None = None
) -> Download:
    """Write an uploaded file to a path, byte for byte, whole and verified or not at all."""
    return await _fetch(client, at("/signals/{signal_id}/content", signal_id=signal_id), target, timeout)


async def fetch_checkpoint(
    client: "AsyncClient", fit_id: str, checkpoint_id: str, target: Path | str, *, timeout: float | None = None
) -> Download:
    """Write a state of training, in the safetensors format, to a path, whole and verified or not at all."""
    path = at("/fits/{fit_id}/checkpoints/{checkpoint_id}", fit_id=fit_id, checkpoint_id=checkpoint_id)
    return await _fetch(client, path, target, timeout)


async def fetch_reconstruction(
    client: "AsyncClient",
    fit_id: str,
    target: Path | str,
    *,
    scale: float | None = None,
    region: str | None = None,
    format: str | None = None,  # noqa: A002  the service's word
    timeout: float | None = None,
) -> Download:
    """Have the signal drawn as the compressed file holds it, and write it to a path.

    Args:
        client: what is asked.
        fit_id: id of the fit.
        target: path of the file to write.
        scale: samples drawn per sample of the signal.
        region: corner, then extent, in samples of the signal, such as "128,64,100.5,80"; all of it if None.
        format: "png" or "npy"; what suits the signal if None.
        timeout: time that all of it may take in seconds, the drawing included.
    """
    query = {"scale": scale, "region": region, "format": format}
    return await _fetch(client, at("/fits/{fit_id}/reconstruction", fit_id=fit_id), target, timeout, query)


async def fetch_gradient(
    client: "AsyncClient",
    fit_id: str,
    target: Path | str,
    *,
    scale: float | None = None,
    region: str | None = None,
    format: str | None = None,  # noqa: A002  the service's word
    timeout: float | None = None,
) -> Download:
    """Have the magnitude of the exact derivative drawn, and write it to a path; arguments as of get_reconstruction."""
    query = {"scale": scale, "region": region, "format": format}
    return await _fetch(client, at("/fits/{fit_id}/gradient", fit_id=fit_id), target, timeout, query)


async def fetch_spectrum(
    client: "AsyncClient",
    fit_id: str,
    target: Path | str,
    *,
    format: str | None = None,  # noqa: A002  the service's word
    timeout: float | None = None,
) -> Download:
    """Have the Fourier transform of the reconstruction drawn, and write it to a path."""
    return await _fetch(client, at("/fits/{fit_id}/spectrum", fit_id=fit_id), target, timeout, {"format": format})


async def _fetch(
    client: "AsyncClient", path: str, target: Path | str, timeout: float | None, query: Query | None = None
) -> Download:
    call: Call[Any] = Call(
        method="GET",
        path=path,
        read=whatever,
        query=query or {},
        # Bytes and their hash are those of the file, so nothing may be packed on the way.
        headers={"Accept-Encoding": "identity"} | ({} if query is None else prefer(DRAWING_SECONDS)),
        thinking_seconds=0 if query is None else DRAWING_SECONDS,
    )
    async with Deadline(timeout, f"the download of {path}").holds():
        with Downloading.to(Path(target)) as downloading:
            while True:
                try:
                    async with client.opened(call, headers=downloading.headers()) as answer:
                        if query is None or answer.status_code != httpx2.codes.ACCEPTED:
                            downloading.begin(answer)
                            async for chunk in answer.aiter_raw(CHUNK):
                                downloading.take(chunk)
                            return downloading.finish()
                        pause = max(told_to_wait(answer.headers) or 0.0, 0.2)  # still being drawn
                except (httpx2.TransportError, ApiError) as error:
                    if (again := downloading.pause_after(error, call)) is None:
                        raise given_up(error) from error
                    pause = again
                await asyncio.sleep(pause)
