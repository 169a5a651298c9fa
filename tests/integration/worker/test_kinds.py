"""Every kind of signal from the bytes of an upload to a file that decodes to the same kind, on real engines."""

import time
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import numpy as np
import pytest

from api.errors import ApiError
from api.services.inspection import Inspector
from api.settings import ApiSettings
from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.keys import signal_key
from store.queue import FitQueue
from store.repositories.fits import Fits
from store.repositories.signals import Signals
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.signals import SIGNALS, apart, blob, chirp, clip, npy, obj, octahedron, torus
from tuner.codec.decode import decode
from tuner.metrics import written_psnr_db
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.details import AudioDetails, VideoDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.triangles import Mesh
from tuner.targets.ask import NetworkKind
from tuner.targets.estimate import ask_from, estimate
from worker.drain import draining
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings

SPEC = FitSpec.model_validate({"max_steps": 12, "network": {"frequencies": 64, "hidden": [24]}})


def rod() -> bytes:
    """A long thin mesh: of its grid, only one side has 64 samples."""
    mesh = octahedron()
    return obj(Mesh(mesh.vertices * np.array([1.0, 0.15, 0.15]), mesh.faces))


SOUND = Signal(
    values=chirp(2000),
    kind=SignalKind.AUDIO,
    sample_format=SampleFormat.S16,
    details=AudioDetails(sample_rate=8000),
)
WAV = encode_signal(SOUND, "x.wav")
FILM = Signal(values=clip(6, 16, 16), kind=SignalKind.VIDEO, details=VideoDetails(rate=(25, 1)))

# The file, its kind, and the quality that so small a network reaches at the least.
FILES: dict[str, tuple[bytes, str, float]] = {
    "png": (encode_signal(SIGNALS["image"], "x.png"), "image", 30.0),
    "wav": (WAV, "audio", 20.0),
    "nifti": (encode_signal(SIGNALS["volume"], "x.nii.gz"), "volume", 25.0),
    "mp4": (encode_signal(FILM, "x.mp4"), "video", 20.0),
    "obj": (rod(), "sdf", 25.0),
    "npy": (npy(300.0 * blob((20, 15))[..., 0] - 40.0), "array", 30.0),
}


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    queue = FitQueue(store_settings)
    yield Resources(settings=WorkerSettings(device="cpu"), database=database, blobs=blobs, queue=queue)
    queue.close()


def inspected(content: bytes, folder: Path, settings: ApiSettings | None = None) -> dict[str, Any]:
    """What the api learns of an upload."""
    path = folder / "upload"
    path.write_bytes(content)
    inspector = Inspector(settings or ApiSettings())
    try:
        return anyio.run(inspector.inspect, "local", path)
    finally:
        inspector.close()


def submit(resources: Resources, content: bytes, facts: dict[str, Any], spec: FitSpec) -> str:
    sha256, facts = sha256_hex(content), dict(facts)
    key = signal_key("local", sha256)
    resources.blobs.put(key, content)
    with resources.database.unit_of_work() as session:
        signal, _ = Signals(session).add(
            tenant="local",
            sha256=sha256,
            byte_count=len(content),
            media_type="application/octet-stream",
            filename=None,
            facts=facts,
            object_key=key,
            decoded_sha256=facts.pop("decoded_sha256", None),
        )
        return Fits(session).submit(tenant="local", signal_id=signal.id, spec=spec)[0].id


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_every_kind_is_fitted(
    resources: Resources, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, kind, least_db = FILES[name]
    signal = read_signal(content)
    facts = inspected(content, tmp_path)
    assert (facts["kind"], facts["shape"], facts["channels"]) == (kind, list(signal.grid_shape), signal.channels)
    assert facts["sample_format"] == signal.sample_format
    assert len(facts["compaction_db"]) > 5

    assert ("decoded_sha256" in facts) is (name != "obj")
    if "decoded_sha256" in facts:
        # What the api's process made a digest of is what the worker's shared one reads.
        monkeypatch.delattr("cage.keeper.Keeper.ask_bytes")
    fit_id = submit(resources, content, facts, SPEC)
    assert run_next_fit(resources) == fit_id
    with resources.database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
        row = fit.representation
        assert fit.status is FitStatus.SUCCEEDED, fit.error_message
        assert row is not None
        file = resources.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)
        noted, quality_db = row.facts, row.psnr_db
    decoded = decode(file)
    found = decoded.render()
    assert (decoded.kind, decoded.scaling, decoded.details) == (signal.kind, signal.scaling, signal.details)
    assert quality_db == pytest.approx(written_psnr_db(signal.values, found.values, signal.storage), abs=1e-3)
    assert quality_db is not None
    assert quality_db >= least_db
    assert (noted["gradient_psnr_db"] is None) == (kind not in {"image", "array"})
    raw_bytes = signal.values.size * signal.sample_format.bits / 8
    assert noted["compression_ratio"] == pytest.approx(raw_bytes / len(file), rel=1e-3)
    again = read_signal(encode_signal(found, "x.npy"))
    assert again.values.shape[: len(signal.grid_shape)] == signal.grid_shape


@pytest.mark.parametrize("target", [{"max_error": 0.3}, {"bytes": 900}], ids=str)
def test_a_sound_is_asked_for_by_target(resources: Resources, tmp_path: Path, target: dict[str, float]) -> None:
    spec = FitSpec.model_validate({"target": target, "max_steps": 25, "preset": "fast"})
    fit_id = submit(resources, WAV, inspected(WAV, tmp_path), spec)
    run_next_fit(resources)
    with resources.database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
        assert fit.representation is not None, fit.error_message
        assert fit.representation.facts["outcome"] == "met", fit.outcome


LARGER = {
    "wav": encode_signal(replace(SOUND, values=chirp(6000)), "x.wav"),
    "nifti": encode_signal(replace(SIGNALS["volume"], values=blob((20, 18, 16))), "x.nii.gz"),
    "mkv": encode_signal(replace(FILM, values=clip(8, 24, 32)), "x.mkv"),
    "obj": obj(torus()),
    "npy": npy(300.0 * blob((60, 45))[..., 0] - 40.0),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in {"wav", "obj"} else name for name in LARGER]
)
def test_every_kind_asked_for_by_size_becomes_wavelets(resources: Resources, tmp_path: Path, name: str) -> None:
    """Chosen by the worker as by the estimate, which knows the outline only."""
    content, target = LARGER[name], {"bytes": 1300}
    facts = inspected(content, tmp_path)
    request = {name: facts[name] for name in ("kind", "channels", "compaction_db")} | {"grid_shape": facts["shape"]}
    made, forecast = ask_from(
        request | {"samples": prod(facts["shape"]), "effort": "fast", "target": target, "network_kind": None}
    )
    assert made.kind is NetworkKind.WAVELETS
    assert 15.0 < (estimate(made, forecast).psnr_db or 0.0) < 90.0
    spec = FitSpec.model_validate({"target": target, "preset": "fast", "max_steps": 6})
    fit_id = submit(resources, content, facts, spec)
    assert run_next_fit(resources) == fit_id
    with resources.database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
        row = fit.representation
        assert row is not None, fit.error_message
        file = resources.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)
        assert row.facts["outcome"] == "met", fit.outcome
    decoded, signal = decode(file), read_signal(content)
    assert isinstance(decoded.parameters, WaveletParameters)
    assert (decoded.kind, decoded.scaling, decoded.details) == (signal.kind, signal.scaling, signal.details)
    assert len(file) <= 1300


@pytest.mark.parametrize("order", ["cancel", "drain"])
def test_a_mesh_that_takes_long_to_read_can_be_left(resources: Resources, order: str) -> None:
    """Triangles that share nothing are what takes longest: with these, half a minute."""
    settings = resources.settings.model_copy(update={"heartbeat_seconds": 0.2, "lease_seconds": 5.0})
    fit_id = submit(resources, obj(apart(torus(120, 80))), {}, SPEC)
    worker = Thread(target=run_next_fit, args=(replace(resources, settings=settings),), daemon=True)
    worker.start()

    def is_reading() -> bool:
        with resources.database.unit_of_work() as session:
            return (Fits(session).get("local", fit_id).progress or {}).get("phase") == "reading"

    deadline = time.monotonic() + 10.0
    while not is_reading():
        assert time.monotonic() < deadline, "nobody has begun to read"
        time.sleep(0.02)
    with resources.database.unit_of_work() as session:
        if order == "cancel":
            Fits(session).request_cancel("local", fit_id)
    try:
        if order == "drain":
            draining.set()
        worker.join(timeout=12)
    finally:
        draining.clear()
    assert not worker.is_alive()
    with resources.database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
        expected = {"cancel": FitStatus.CANCELLED, "drain": FitStatus.QUEUED}[order]
        assert (fit.status, fit.progress) == (expected, {"phase": "reading", "eta_seconds": None})
        assert fit.tries == (1 if order == "cancel" else 0)


NAN = npy(np.array([[0.0, np.nan], [1.0, 2.0]], dtype=np.float32))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (WAV[:1000], "damaged_signal"),
        (b"\x89PNG\r\n\x1a\n" + WAV, "damaged_signal"),
        (b"RIFX" + WAV[4:], "unsupported_format"),
        (NAN, "invalid_signal"),
        (npy(np.zeros((2, 0), dtype=np.float32)), "invalid_signal"),
        (rod().partition(b"\nf ")[0], "invalid_signal"),
    ],
    ids=["cut", "sound as picture", "renamed", "nan", "empty", "no faces"],
)
def test_what_cannot_be_fitted_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        inspected(content, tmp_path)
    assert refused.value.code == code


@pytest.mark.parametrize("name", FILES)
def test_the_limit_of_points_holds_for_every_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(ApiError) as refused:
        inspected(FILES[name][0], tmp_path, ApiSettings(max_pixels=50, max_points=50))
    assert refused.value.code == "signal_too_large"
