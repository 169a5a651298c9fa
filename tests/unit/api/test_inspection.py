"""The process that looks into uploads: what it is told, and what each of its ends means."""

import contextlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

from api.errors import ApiError, DamagedSignal, UndecodableSignal
from api.services.inspection import INSPECTOR, PICTURE_INSPECTOR, Inspector
from api.settings import ApiSettings
from cage.limits import JobBroken
from cage.pictures import may_be_picture
from tests.signals import SIGNALS
from tuner.signal.formats import encode_signal
from tuner.signal.kind import SignalKind

SETTINGS = ApiSettings(inspection_cpu_seconds=2, inspection_memory_bytes=512 << 20, max_pixels=77, max_points=88)


def inspect(
    folder: Path, way: str, settings: ApiSettings = SETTINGS, module: str = "tests.unit.api.inspectors"
) -> dict[str, Any]:
    path = folder / "upload"
    path.write_text(way)
    inspector = Inspector(settings, module)
    try:
        return anyio.run(inspector.inspect, "local", path)
    finally:
        inspector.close()


def test_it_gets_a_file_and_a_limit_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_S3_SECRET_KEY", "secret")
    facts = inspect(tmp_path, "good")
    assert facts["request"] == {"max_pixels": 77, "max_points": 88}
    assert not [name for name in facts["environment"] if name.startswith(("TUNER", "AWS"))]
    assert "secret" not in json.dumps(facts)


def test_a_digest_comes_with_the_facts(tmp_path: Path) -> None:
    assert inspect(tmp_path, "attest") == {"decoded_sha256": "0a" * 32}


def test_a_refusal_keeps_its_reason(tmp_path: Path) -> None:
    with pytest.raises(DamagedSignal, match="torn"):
        inspect(tmp_path, "refuse")


@pytest.mark.parametrize("way", ["greedy", "busy", "crash", "chatty", "invent", "babble", "nothing", "attest nonsense"])
def test_a_file_that_takes_too_much_or_breaks_the_decoder_is_refused(tmp_path: Path, way: str) -> None:
    with pytest.raises(UndecodableSignal):
        inspect(tmp_path, way)


def test_time_on_the_wall_is_limited_too(tmp_path: Path) -> None:
    with pytest.raises(UndecodableSignal):
        inspect(tmp_path, "asleep", ApiSettings(inspection_timeout_seconds=1))


def test_an_inspector_at_fault_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(JobBroken, match="no decoder here"):
        inspect(tmp_path, "broken")


@pytest.mark.parametrize("module", ["tests.unit.api.no_such_module", "tests.unit.api.test_errors"])
def test_an_inspector_that_cannot_start_says_why(tmp_path: Path, module: str) -> None:
    with pytest.raises(JobBroken, match="cannot work"):
        inspect(tmp_path, "good", module=module)


def test_files_that_take_all_their_time_leave_a_process_to_other_tenants(tmp_path: Path) -> None:
    settings = ApiSettings(inspection_processes=2, inspection_timeout_seconds=3, require_keys=True)
    inspector = Inspector(settings, "tests.unit.api.inspectors")
    for way in ("asleep", "good"):
        (tmp_path / way).write_text(way)

    async def race() -> list[str]:
        ended: list[str] = []

        async def hold() -> None:
            with contextlib.suppress(UndecodableSignal):
                await inspector.inspect("greedy", tmp_path / "asleep")
            ended.append("greedy")

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(hold)
            await anyio.wait_all_tasks_blocked()
            await inspector.inspect("modest", tmp_path / "good")
            ended.append("modest")
        return ended

    try:
        assert anyio.run(race)[0] == "modest"
    finally:
        inspector.close()


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "a torn PNG", "a mesh that begins like one", "a head alone"])
def test_what_looks_into_pictures_says_what_the_inspector_of_all_files_says(tmp_path: Path, name: str) -> None:
    """And whatever only begins like a picture is passed on to that."""
    mesh = next(signal for signal in SIGNALS.values() if signal.kind is SignalKind.DISTANCE)
    head = b"\x89PNG\r\n\x1a\n"
    files = {
        "a head alone": head,
        "a mesh that begins like one": head.ljust(80, b"\0") + encode_signal(mesh, "x.stl")[80:],
    }
    for file_format in ("PNG", "JPEG", "WEBP"):
        file = BytesIO()
        Image.linear_gradient("L").convert("RGB").save(file, file_format)
        files[file_format] = file.getvalue()
    files["a torn PNG"] = files["PNG"][:-100]
    content = files[name]
    assert may_be_picture(content)
    (tmp_path / "upload").write_bytes(content)

    def told(picture_module: str) -> Any:
        inspector = Inspector(ApiSettings(), picture_module=picture_module)
        try:
            return anyio.run(inspector.inspect, "local", tmp_path / "upload")
        except ApiError as refusal:
            return refusal.code, str(refusal)
        finally:
            inspector.close()

    assert told(PICTURE_INSPECTOR) == told(INSPECTOR)


def test_pictures_are_looked_into_by_what_knows_nothing_else(tmp_path: Path) -> None:
    """The inspector of all files is a stand-in here that knows no picture."""
    path = tmp_path / "upload"
    inspector = Inspector(ApiSettings(), "tests.unit.api.inspectors")
    try:
        path.write_bytes(encode_signal(SIGNALS["image"], "x.png"))
        assert anyio.run(inspector.inspect, "local", path)["format"] == "png"
        path.write_bytes(b"good")
        assert "request" in anyio.run(inspector.inspect, "local", path)
    finally:
        inspector.close()
