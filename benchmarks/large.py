"""One large signal through the service, by some workers of one thread each: `make bench-large`, build/bench/large.json.

    python -m benchmarks.large picture:8192 --workers 2 --kill helper
    python -m benchmarks.large volume:512
    python -m benchmarks.large sound:3600

A real stack gets a signal of one megasample first, fitted as a whole, and then the large one, with the same quality and
the same number of steps, so that processor seconds of a megasample can be compared. While the large one is fitted, the
memory of each worker with all its children is looked at, and a worker may be killed with SIGKILL in the middle. Then a
region of the result is read by ranges of its bytes. Pictures are PNG, volumes .npy, sounds FLAC in stereo; all are made
up, the same every time.
"""

import argparse
import hashlib
import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import psutil
import soundfile
from PIL import Image
from sqlalchemy import Engine, create_engine, text

from benchmarks.crops import made_up, small_pictures
from benchmarks.load import machine
from benchmarks.serve import SETTINGS, worker_number
from benchmarks.served import FINAL, submit, upload, wait_for
from standalone.stack import stack
from standalone.supervise import Supervisor
from tests.engines import throwaway_home
from tuner import Ranges, open_tiles
from tuner_client import Client

RATE = 44_100  # samples of a sound a second
SQUARE, CUBE = 1024, 128  # sides of what a picture and a volume are put together from
PSNR_DB = {"picture": 30.0, "volume": 35.0, "sound": 40.0}
REFERENCE = {"picture": "picture:1024", "volume": "volume:100", "sound": "sound:22"}  # a megasample, nearly
TILE = {"picture": 512, "volume": 72, "sound": 1 << 17}
REGION = {"picture": (256, 256), "volume": (32, 32, 32), "sound": (RATE,)}
LOOK_SECONDS, TELL_SECONDS = 0.25, 60.0


def main() -> None:
    """Measure, and write the report."""
    options = _options()
    os.environ.update(SETTINGS | {"TUNER_INSPECTION_TIMEOUT_SECONDS": "600", "TUNER_WORKER_READING_SECONDS": "1200"})
    kind = options.signal.split(":")[0]
    ask = {"target": {"psnr_db": PSNR_DB[kind]}, "preset": "fast", "max_steps": options.steps}
    report: dict[str, Any] = {"machine": machine(), "signal": options.signal, "workers": options.workers, "ask": ask}
    with (
        throwaway_home() as home,
        TemporaryDirectory(prefix="tuner-large-") as folder,
        stack(home, with_worker=False) as running,
    ):
        running.start(*(worker_number(running, home, number) for number in range(options.workers)))
        with httpx.Client(base_url=running.api_url, timeout=600, trust_env=False) as http:
            # Imports, pools and caches of all workers are paid for before anything is measured.
            pictures = [upload(http, picture) for picture in small_pictures(4 * options.workers, None, 1000)]
            wait_for(http, submit(http, pictures, {"target": {"psnr_db": 30.0}, "preset": "fast"}))
        for name, wanted, also in (
            ("reference", REFERENCE[kind], {}),
            ("large", options.signal, {"network": {"tiles": TILE[kind]}}),
        ):
            path = write(wanted, Path(folder))
            killed = options.kill if name == "large" else None
            report[name] = _fitted(running, path, ask | also, wanted, killed)
            path.unlink()
            _keep(options.out, report)
    each, alone = (report[name]["processor_seconds_per_megasample"] for name in ("large", "reference"))
    report["processor_seconds_per_megasample_by_those_of_one"] = round(each / alone, 3)
    _keep(options.out, report)
    print(json.dumps(report, indent=2))  # noqa: T201


def _keep(path: Path, report: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


def write(name: str, folder: Path) -> Path:
    """Make a signal up, and return the place of its file.

    Args:
        name: kind and size: `picture:SIDE` and `volume:SIDE` in samples, `sound:SECONDS`.
        folder: folder for the file.
    """
    kind, size = name.split(":")
    random = np.random.default_rng(7)
    if kind == "picture":
        return _write_picture(folder / "large.png", int(size), random)
    if kind == "volume":
        return _write_volume(folder / "large.npy", int(size), random)
    return _write_sound(folder / "large.flac", float(size), random)


def _write_picture(path: Path, side: int, random: np.random.Generator) -> Path:
    pixels = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, SQUARE):
        for left in range(0, side, SQUARE):
            height, width = min(SQUARE, side - top), min(SQUARE, side - left)
            pixels[top : top + height, left : left + width] = made_up(random, SQUARE)[:height, :width]
    Image.fromarray(pixels).save(path, "PNG", compress_level=1)
    return path


def _write_volume(path: Path, side: int, random: np.random.Generator) -> Path:
    """Cubes whose spectrum falls as that of a scan does, roughly."""
    voxels = np.lib.format.open_memmap(path, "w+", np.uint8, (side,) * 3)
    axes = np.meshgrid(np.fft.fftfreq(CUBE), np.fft.fftfreq(CUBE), np.fft.rfftfreq(CUBE), indexing="ij")
    falling = (np.sqrt(sum(np.square(axis) for axis in axes)) + 1.0 / CUBE) ** -2.0
    for corner in np.ndindex(*(-(-side // CUBE),) * 3):
        cube = np.fft.irfftn(np.fft.rfftn(random.normal(size=(CUBE,) * 3)) * falling, (CUBE,) * 3, (0, 1, 2))
        stored = np.clip(127.5 + 40.0 * cube / cube.std(), 0, 255).astype(np.uint8)
        place = tuple(slice(CUBE * each, min(CUBE * (each + 1), side)) for each in corner)
        voxels[place] = stored[tuple(slice(0, each.stop - each.start) for each in place)]
    voxels.flush()
    return path


def _write_sound(path: Path, seconds: float, random: np.random.Generator) -> Path:
    """Plucked strings at the left and at the right, a new one four times a second, and a little noise."""
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16", format="FLAC") as file:
        for _ in range(round(4 * seconds)):
            t = np.arange(RATE // 4) / RATE
            pitch = 110.0 * 2.0 ** (random.integers(0, 36) / 12.0)
            string = sum(np.sin(2 * np.pi * n * pitch * t) / n**2 for n in (1, 2, 3, 4))
            sides = random.uniform(0.2, 0.8) * np.array([1.0, -1.0]) + np.array([0.0, 1.0])
            values = 0.5 * (np.exp(-6.0 * t) * string)[:, None] * sides + 0.002 * random.normal(size=(len(t), 2))
            file.write(np.clip(32767 * values, -32768, 32767).astype(np.int16))
    return path


@dataclass
class Watch:
    """What workers take, from one look at them to the next; those that were killed count as they were seen last.

    Attributes:
        resident: most bytes of memory of each worker and its children, what is mapped from files included, by name.
        private: the same without what is mapped from files.
        spent: processor seconds by the number of each first process.
    """

    resident: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    private: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    spent: dict[int, float] = field(default_factory=dict)

    def look(self, running: Supervisor) -> None:
        """Once."""
        for record in running.records():
            if not record.name.startswith("worker"):
                continue
            resident = private = 0
            seconds = 0.0
            for process in _family(record.pid):
                with suppress(psutil.Error):
                    memory, times = process.memory_info(), process.cpu_times()
                    resident += memory.rss
                    private += memory.rss - memory.shared
                    seconds += times.user + times.system + times.children_user + times.children_system
            self.resident[record.name] = max(self.resident[record.name], resident)
            self.private[record.name] = max(self.private[record.name], private)
            self.spent[record.pid] = max(self.spent.get(record.pid, 0.0), seconds)

    @property
    def seconds(self) -> float:
        """Processor seconds of all workers so far."""
        return sum(self.spent.values())


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


@dataclass
class Parts:
    """The parts of a fit as the database has had them last.

    Attributes:
        engine: database of the stack.
        fit_id: id of the fit.
        rows: number, tiles, attempts, worker, whether it is the holder's, and whether it is done, of each part.
    """

    engine: Engine
    fit_id: str
    rows: Sequence[Any] = ()

    def look(self) -> None:
        """Once; parts of a fit that has ended are forgotten, and stay as they were."""
        statement = text(
            "SELECT number, work, attempt, worker, lead IS NOT NULL AS is_holders, done_at IS NOT NULL AS is_done "
            "FROM fit_parts WHERE fit_id = :fit ORDER BY number"
        )
        with self.engine.connect() as connection:
            self.rows = connection.execute(statement, {"fit": self.fit_id}).all() or self.rows

    def under_way(self, *, holder: bool) -> list[Any]:
        """Those that somebody has, the holder of the fit or a helper."""
        return [row for row in self.rows if row.worker and not row.is_done and row.is_holders == holder]


def _fitted(running: Supervisor, path: Path, ask: dict[str, Any], name: str, kill: str | None) -> dict[str, Any]:
    """Upload, fit, download, and read a region."""
    kind, watch = name.split(":")[0], Watch()
    engine = create_engine(running.environment["TUNER_DATABASE_URL"])
    began = time.monotonic()
    with (
        Client(running.api_url) as client,
        httpx.Client(base_url=running.api_url, timeout=600, trust_env=False) as http,
    ):
        signal_id = client.upload(path).id
        facts = http.get(f"/signals/{signal_id}").raise_for_status().json()["facts"]
        uploaded = time.monotonic()
        watch.look(running)
        before = watch.seconds
        fit_id = http.post("/fits", json={"signal_id": signal_id, **ask}).raise_for_status().json()["id"]
        parts, lost, told = Parts(engine, fit_id), None, 0.0
        while True:
            watch.look(running)
            parts.look()
            fit = http.get(f"/fits/{fit_id}").raise_for_status().json()
            if fit["status"] in FINAL:
                break
            done = sum(row.is_done for row in parts.rows)
            if kill and lost is None and done >= len(parts.rows) // 3 > 0:
                lost = _kill(running, parts, holder=kill == "holder")
            if time.monotonic() > told + TELL_SECONDS:
                told = time.monotonic()
                print(f"{told - began:.0f} s: {fit['progress']}, {done} of {len(parts.rows)} parts", flush=True)  # noqa: T201
            time.sleep(LOOK_SECONDS)
        ended = time.monotonic()
        watch.look(running)
        if fit["status"] != "succeeded":
            raise SystemExit(f"{name} ended as {fit['status']}: {fit['error']}")
        with engine.connect() as connection:
            attempts = connection.scalar(text("SELECT attempt FROM fits WHERE id = :fit"), {"fit": fit_id})
        content = http.get(f"/fits/{fit_id}/representation", follow_redirects=True).raise_for_status().content
        region = _region(http, fit_id, kind, facts["shape"]) if "network" in ask else None
    engine.dispose()
    megasamples = float(np.prod(facts["shape"])) / 2**20
    return {
        "name": name,
        "shape": facts["shape"],
        "channels": facts["channels"],
        "upload_bytes": path.stat().st_size,
        "seconds_of_upload": round(uploaded - began, 1),
        "seconds": round(ended - uploaded, 1),
        "processor_seconds": round(watch.seconds - before, 1),
        "processor_seconds_per_megasample": round((watch.seconds - before) / megasamples, 3),
        "most_resident_mebibytes": {worker: round(most / 2**20) for worker, most in watch.resident.items()},
        "most_private_mebibytes": {worker: round(most / 2**20) for worker, most in watch.private.items()},
        "parts": len(parts.rows),
        "parts_by_worker": _by_worker(parts),
        "parts_taken_more_than_once": [[row.number, row.attempt] for row in parts.rows if row.attempt > 1],
        "lost": lost,
        "attempts": attempts,
        "result": fit["result"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "region": region,
    }


def _by_worker(parts: Parts) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in parts.rows:
        found[str(row.worker).rpartition(":")[2]] += 1
    return dict(found)


def _kill(running: Supervisor, parts: Parts, *, holder: bool) -> dict[str, Any] | None:
    """Kill a worker that holds a part, with everything below it; None if none does just now."""
    for row in parts.under_way(holder=holder):
        pid = int(row.worker.rpartition(":")[2])
        for record in running.records():
            family = _family(record.pid)
            if record.name.startswith("worker") and pid in {process.pid for process in family}:
                for process in family:
                    with suppress(psutil.Error):
                        process.send_signal(signal.SIGKILL)
                return {
                    "worker": record.name,
                    "process": pid,
                    "part": row.number,
                    "tiles": len(row.work["tiles"]),
                    "parts_done": sum(each.is_done for each in parts.rows),
                }
    return None


def _region(http: httpx.Client, fit_id: str, kind: str, shape: Sequence[int]) -> dict[str, Any]:
    """A region in the middle, asked for by ranges of the file."""

    def read(offset: int, count: int) -> bytes:
        asked = {"Range": f"bytes={offset}-{offset + count - 1}"}
        answer = http.get(f"/fits/{fit_id}/representation", headers=asked, follow_redirects=True)
        return answer.content if answer.status_code == httpx.codes.PARTIAL_CONTENT else b""

    ranges = Ranges(read)
    sides = REGION[kind]
    starts = [(n - side) // 2 for n, side in zip(shape, sides, strict=True)]
    began = time.process_time()
    values = open_tiles(ranges).crop([(start, start + side) for start, side in zip(starts, sides, strict=True)]).values
    return {
        "samples": list(values.shape),
        "bytes_read": ranges.bytes_read,
        "requests": ranges.requests,
        "processor_seconds": round(time.process_time() - began, 3),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("signal", nargs="?", default="picture:8192", help="picture:SIDE, volume:SIDE or sound:SECONDS")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="steps of each fit, of the reference, too")
    parser.add_argument("--kill", choices=["helper", "holder"], help="whom to kill once a third of the parts is done")
    parser.add_argument("--out", type=Path, default=Path("build/bench/large.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
