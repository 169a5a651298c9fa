"""The whole road in one command: upload a photograph, watch the fit, download the file, decode it, measure.

Everything goes through the HTTP API, like any client's work. The decoded picture comes from `tuner decode`, a process
that gets the downloaded file and nothing else.
"""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from skimage import data

from standalone.errors import StandaloneError
from standalone.rival import Picture, jpeg_bytes
from tuner.metrics import psnr_db
from tuner.shapes import FloatArray
from tuner.spectrum import log_spectrum

SSE_TIMEOUT_SECONDS = 60.0  # the stream sends a keep-alive more often than this

TARGET_PSNR_DB = 31.1


class DemoFailed(StandaloneError):
    """The service did not deliver; the message says what it answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What `report.json` holds."""

    psnr_db: float
    bytes: int
    bits_per_sample: float
    fit_seconds: float
    total_seconds: float
    fit_id: str
    ratio_to_raw: float
    ratio_to_png: float
    jpeg_bytes: int | None
    smaller_than_jpeg: float | None


def photograph() -> Picture:
    """The astronaut of scikit-image, 512 x 512, 8-bit RGB."""
    picture: Picture = data.astronaut()
    return picture


def run_demo(
    api_url: str, original: Picture, out: Path, console: Console, *, started: float, effort: str = "balanced"
) -> Report:
    """Run the main job against a service and leave its results in a folder.

    Args:
        api_url: address of a running service.
        original: photograph to compress, uint8 (height, width, 3).
        out: gets original.png, compressed.tnr, decoded.png, comparison.png and report.json.
        console: terminal that shows the progress.
        started: `time.monotonic()` at the moment from which total_seconds counts.
        effort: preset of the fit.

    Raises:
        DemoFailed: if the fit does not succeed.
    """
    out.mkdir(parents=True, exist_ok=True)
    source, compressed, decoded = out / "original.png", out / "compressed.tnr", out / "decoded.png"
    source.write_bytes(_png(original))
    with httpx.Client(base_url=api_url, timeout=30.0) as client:
        signal = _checked(client.post("/signals", files={"file": (source.name, source.read_bytes(), "image/png")}))
        request = {"signal_id": signal["id"], "preset": effort, "target": {"psnr_db": TARGET_PSNR_DB}}
        fit = _checked(client.post("/fits", json=request))
        console.print(f"[bold]{fit['id']}[/bold]  {source.name}, {original.shape[1]} x {original.shape[0]}")
        _watch(client, fit["id"], console)
        fit = _checked(client.get(f"/fits/{fit['id']}"))
        if fit["status"] != "succeeded":
            raise DemoFailed(f"the fit ended as {fit['status']}: {fit['error']}")
        compressed.write_bytes(client.get(f"/fits/{fit['id']}/representation").raise_for_status().content)
    subprocess.run([sys.executable, "-m", "tuner.cli", "decode", compressed, "-o", decoded], check=True)
    picture = np.asarray(Image.open(decoded))
    _compare(original, picture).save(out / "comparison.png")
    size, quality_db = compressed.stat().st_size, psnr_db(_unit(original), _unit(picture))
    rival = jpeg_bytes(original, quality_db, lambda decoded: psnr_db(_unit(original), _unit(decoded)))
    report = Report(
        psnr_db=round(quality_db, 3),
        bytes=size,
        bits_per_sample=round(8 * size / (original.shape[0] * original.shape[1]), 4),
        fit_seconds=fit["result"]["facts"]["fit_seconds"],
        total_seconds=round(time.monotonic() - started, 2),
        fit_id=fit["id"],
        ratio_to_raw=round(original.nbytes / size, 2),
        ratio_to_png=round(source.stat().st_size / size, 2),
        jpeg_bytes=round(rival) if isfinite(rival) else None,
        smaller_than_jpeg=round(1.0 - size / rival, 4) if isfinite(rival) else None,
    )
    (out / "report.json").write_text(json.dumps(asdict(report), indent=2) + "\n")
    console.print(_table(report, out))
    return report


def _watch(client: httpx.Client, fit_id: str, console: Console) -> None:
    """Show the service's own events as a progress bar until the last one."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[quality]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("queued", total=None, quality="")
        for kind, payload in _events(client, fit_id):
            if kind not in {"progress", "phase"}:
                progress.update(task, description=kind)
                continue
            quality = "" if payload.get("psnr_db") is None else f"{payload['psnr_db']:.2f} dB PSNR"
            done, left = payload.get("seconds") or 0.0, payload["eta_seconds"]
            progress.update(
                task,
                completed=done,
                total=None if left is None else done + left,
                quality=quality,
                description=payload["phase"],
            )
        progress.update(task, total=1, completed=1)


def _events(client: httpx.Client, fit_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events of a fit: each kind with its data."""
    headers = {"Accept": "text/event-stream"}
    with client.stream("GET", f"/fits/{fit_id}/events", headers=headers, timeout=SSE_TIMEOUT_SECONDS) as stream:
        stream.raise_for_status()
        for line in stream.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                yield event["kind"], event["data"]


def _checked(response: httpx.Response) -> dict[str, Any]:
    """The answer's JSON, or what the service had to say instead."""
    answer: dict[str, Any] = response.json()
    if response.is_error:
        raise DemoFailed(f"{response.request.method} {response.request.url.path}: {answer.get('detail', answer)}")
    return answer


def _unit(picture: Picture) -> FloatArray:
    return (picture / 255.0).astype(np.float32)


def _png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _compare(original: Picture, picture: Picture) -> Image.Image:
    """Original, reconstruction and the reconstruction's spectrum side by side."""
    spectrum = np.rint(255.0 * log_spectrum(_unit(picture))).astype(np.uint8)
    return Image.fromarray(np.hstack([original, picture, np.repeat(spectrum[..., None], 3, axis=2)]))


def _beside_jpeg(report: Report) -> str:
    """How the file compares with the best JPEG that looks as good, optimised and progressive."""
    if report.jpeg_bytes is None or report.smaller_than_jpeg is None:
        return "there is none so good"
    word = "smaller" if report.smaller_than_jpeg >= 0.0 else "larger"
    return f"{report.jpeg_bytes:,} bytes: this file is {100.0 * abs(report.smaller_than_jpeg):.1f} % {word}"


def _table(report: Report, out: Path) -> Table:
    table = Table(title="From upload to download", show_header=False)
    for name, value in (
        ("PSNR of the decoded picture", f"{report.psnr_db:.2f} dB"),
        ("compressed file", f"{report.bytes:,} bytes"),
        ("bits per sample", f"{report.bits_per_sample:.3f}"),
        ("smaller than raw pixels", f"{report.ratio_to_raw:.1f} times"),
        ("smaller than the PNG", f"{report.ratio_to_png:.1f} times"),
        ("a JPEG of the same PSNR", _beside_jpeg(report)),
        ("training", f"{report.fit_seconds:.1f} s"),
        ("in all", f"{report.total_seconds:.1f} s"),
        ("results", str(out)),
    ):
        table.add_row(name, value)
    return table
