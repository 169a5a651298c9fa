"""The client against a real server, behind a connection that breaks."""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from api.services.access import LOCAL_TENANT
from store.repositories.fits import Claim, Fits
from tests.chaos.proxy import Proxy, Weather
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.images import png
from tests.integration.api.test_large_uploads import large_png
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World
from tuner.cli import app
from tuner_client import AsyncClient, Client, ConnectionFailed, Event, FitEnded, InvalidRequest, NotFound, WaitedTooLong

CONTENT = os.urandom(5 << 20)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.address[1]) as running:
        yield running


@pytest.fixture
def tuner(proxy: Proxy) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{proxy.port}") as client:
        yield client


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "garden party.png"
    path.write_bytes(png())
    return path


def started(world: World) -> Claim:
    return world.start(world.add_fit(world.add_signal(), priority=90))


def test_upload_and_submit(tuner: Client, world: World, picture: Path) -> None:
    signal = tuner.upload(picture)
    assert (signal.filename, signal.sha256) == ("garden party.png", hashlib.sha256(picture.read_bytes()).hexdigest())
    assert tuner.upload(picture).id == signal.id
    fit = tuner.submit(signal, target="psnr=35", idempotency_key=f"key-{time.monotonic_ns()}")
    assert (fit.status, fit.signal_id) == ("queued", signal.id)
    assert tuner.cancel(fit.id).status == "cancelled"
    with pytest.raises(FitEnded, match="cancelled"):
        tuner.wait(fit.id)


def test_errors_say_what_the_service_says(tuner: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as found:
        tuner.get_fit(f"fit_{'0' * 32}")
    assert found.value.code == "fit_not_found"
    assert found.value.request_id.startswith("req_")
    nothing = tmp_path / "nothing.png"
    nothing.write_bytes(b"")
    with pytest.raises(InvalidRequest, match="empty"):
        tuner.upload(nothing)


def test_a_submission_whose_answer_is_lost_is_one_fit(tuner: Client, proxy: Proxy, world: World, picture: Path) -> None:
    signal = tuner.upload(picture)
    before = world.counts()[1]
    with proxy.under(Weather(resets=True)):
        calmer = threading.Timer(0.5, lambda: setattr(proxy, "_weather", Weather()))
        calmer.start()
        fit = tuner.submit(signal)
        calmer.join()
    assert world.counts()[1] == before + 1
    tuner.cancel(fit.id)


def test_a_server_that_is_busy_for_a_while(tuner: Client, proxy: Proxy, picture: Path) -> None:
    with proxy.under(Weather(http_status=503)):
        calmer = threading.Timer(0.5, lambda: setattr(proxy, "_weather", Weather()))
        calmer.start()
        assert tuner.upload(picture).id.startswith("sig_")
        calmer.join()


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ConnectionFailed):
        client.get_fit("fit_1")


def test_an_interrupted_download_goes_on_and_is_verified(
    tuner: Client, proxy: Proxy, world: World, tmp_path: Path
) -> None:
    claim = started(world)
    world.succeed(claim, CONTENT)
    target = tmp_path / "result.tnr"
    with proxy.under(Weather(resets=True)):
        calmer = threading.Timer(1.0, lambda: setattr(proxy, "_weather", Weather()))
        calmer.start()
        sha256 = tuner.download(claim.fit_id, target)
        calmer.join()
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["result.tnr"]


def test_a_download_that_fails_leaves_what_was_there(tuner: Client, world: World, tmp_path: Path) -> None:
    target = tmp_path / "result.tnr"
    target.write_bytes(b"before")
    with pytest.raises(NotFound):
        tuner.download(f"fit_{'0' * 32}", target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_events_survive_a_restart_of_the_api(environment: dict[str, str], world: World, tmp_path: Path) -> None:
    """Two servers, one after the other, behind one address: no event is lost and none comes twice."""
    claim = started(world)
    seen: list[int] = []
    with (
        running_api(environment, tmp_path / "first") as first,
        Proxy(first.address[1]) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}") as client,
    ):
        reader = threading.Thread(target=lambda: seen.extend(event.seq for event in client.events(claim.fit_id)))
        reader.start()
        world.report(claim, 1)
        eventually(lambda: seen == [1, 2, 3])
        with running_api(environment, tmp_path / "second") as second:
            proxy._target = second.address[1]
            first.process.terminate()
            first.process.wait(20)
            for step in (2, 3):
                world.report(claim, step)
            world.succeed(claim, b"done")
            reader.join(30)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_waiting(tuner: Client, world: World) -> None:
    claim = started(world)
    with pytest.raises(WaitedTooLong):
        tuner.wait(claim.fit_id, timeout=0)
    kinds: list[str] = []
    finisher = threading.Timer(0.3, world.succeed, [claim, b"done"])
    finisher.start()
    fit = tuner.wait(claim.fit_id, on_event=lambda event: kinds.append(event.kind))
    finisher.join()
    assert fit.result is not None
    assert fit.result.sha256 == hashlib.sha256(b"done").hexdigest()
    assert kinds == ["queued", "running", "succeeded"]


def test_without_streams_waiting_asks_now_and_then(
    environment: dict[str, str], world: World, tmp_path: Path, server: Server
) -> None:
    async def nothing(*_: object, **__: object) -> AsyncIterator[Event]:
        for event in list[Event]():
            yield event

    claim = started(world)
    world.succeed(claim, b"done")
    with Client(server.url) as client:
        behind = client._thread.client
        behind.events = nothing  # a proxy that passes no streams on
        assert client.wait(claim.fit_id).status == "succeeded"


def test_the_same_with_asyncio(proxy: Proxy, world: World, picture: Path, tmp_path: Path) -> None:
    claim = started(world)

    async def story() -> list[str]:
        async with AsyncClient(f"http://127.0.0.1:{proxy.port}") as client:
            signal = await client.upload(picture)
            queued = await client.submit(signal, target="psnr=20")
            assert (await client.cancel(queued.id)).status == "cancelled"
            with pytest.raises(NotFound):
                await client.get_fit(f"fit_{'0' * 32}")
            kinds: list[str] = []
            waiting = asyncio.create_task(client.wait(claim.fit_id, on_event=lambda event: kinds.append(event.kind)))
            await asyncio.to_thread(world.succeed, claim, CONTENT)
            assert (await waiting).result is not None
            with proxy.under(Weather(resets=True)):
                calmer = threading.Timer(1.0, lambda: setattr(proxy, "_weather", Weather()))
                calmer.start()
                await client.download(claim.fit_id, tmp_path / "async.tnr")
                await asyncio.to_thread(calmer.join)
            return kinds

    assert asyncio.run(story())[-1] == "succeeded"
    assert (tmp_path / "async.tnr").read_bytes() == CONTENT


def test_the_command(server: Server, world: World, picture: Path, tmp_path: Path) -> None:
    queued = CliRunner().invoke(app, ["submit", str(picture), "--server", server.url, "--target", "psnr=30"])
    assert queued.exit_code == 0, queued.output
    fit_id = queued.output.split()[0]
    with world.database.unit_of_work() as session:
        assert Fits(session).get(LOCAL_TENANT, fit_id).spec["target"]["psnr_db"] == 30
        Fits(session).request_cancel(LOCAL_TENANT, fit_id)
    wrong = CliRunner().invoke(app, ["submit", str(picture), "--server", server.url, "--target", "speed=3"])
    assert (wrong.exit_code, "the target is" in wrong.output) == (1, True)
    for options, complaint in (
        (("--target", "psnr=500"), "tuner: --target is 'psnr=500': expected less than or equal to 120"),
        (("--preset", "slow"), "tuner: --preset is 'slow': expected 'fast', 'balanced' or 'best'"),
    ):
        refused = CliRunner().invoke(app, ["submit", str(picture), "--server", server.url, *options])
        assert (refused.exit_code, refused.stderr) == (1, f"{complaint}\n")
    nowhere = ["submit", str(picture), "--server", "http://127.0.0.1:1"]
    early = CliRunner().invoke(app, [*nowhere, "--target", "psnr=-3"])
    assert early.stderr == "tuner: the target is 'psnr=-3', expected a number above 0 after psnr=\n"
    away = CliRunner().invoke(app, nowhere)
    assert (away.exit_code, "does not answer" in away.output) == (1, True)


def test_a_file_too_large_for_one_request_goes_in_parts_and_goes_on(
    environment: dict[str, str], tmp_path: Path, world: World
) -> None:
    limits = {"TUNER_UPLOAD_PART_BYTES": str(5 << 20), "TUNER_MAX_UPLOAD_BYTES": str(2 << 20)}
    path = tmp_path / "large.png"
    path.write_bytes(large_png())
    with running_api(environment, tmp_path / "api", **limits) as small, Client(small.url) as client:
        upload = client.create_upload(path.stat().st_size, filename="begun.png")
        first = path.read_bytes()[: upload.parts[0].bytes]
        assert httpx2.put(upload.parts[0].url, content=first, trust_env=False).status_code == 200
        with pytest.raises(WaitedTooLong) as late:
            client.upload(path, upload_id=upload.id, timeout=0)
        assert late.value.upload_id == upload.id
        signal = client.upload(path, upload_id=upload.id)
        assert (signal.filename, signal.sha256) == ("begun.png", hashlib.sha256(path.read_bytes()).hexdigest())
        assert client.upload(path, upload_id=upload.id).id == signal.id
        assert client.upload(path).id == signal.id  # announced, sent in parts and found to be the same bytes
        found = client.get_signal_content(signal.id, tmp_path / "back.png")
        assert (found.sha256, found.bytes) == (signal.sha256, path.stat().st_size)
        assert (tmp_path / "back.png").read_bytes() == path.read_bytes()
        assert client.head_signal_content(signal.id).sha256 == signal.sha256


def test_what_the_service_says_is_what_the_client_reads(tuner: Client, world: World, picture: Path) -> None:
    """Each document once, as the real service writes it."""
    signal = tuner.upload(picture)
    assert tuner.list_signals(limit=1).next_cursor is not None
    assert tuner.get_signal(signal.id) == signal
    estimate = tuner.estimate_fit({"signal_id": signal.id, "preset": "fast"})
    assert (estimate.bytes is None) == (estimate.unforeseen is not None)
    wanted = tuner.estimate_fit({"signal_id": signal.id, "preset": "fast", "target": {"psnr_db": 30.0}})
    assert (wanted.bytes or 0) > 0
    fit = tuner.create_fit(
        {"signal_id": signal.id, "labels": {"of": "a test"}}, idempotency_key=f"key-{os.urandom(9).hex()}"
    )
    assert tuner.pause_fit(fit.id, wait_seconds=1).status == "paused"
    assert tuner.resume_fit(fit.id).status == "queued"
    assert tuner.list_fits(
        signal_id=signal.id, labels={"of": "a test"}, status="queued", created_after=fit.created_at
    ).data
    assert tuner.get_fit(fit.id, wait_seconds=1).status == "queued"
    assert tuner.cancel_fit(fit.id).status == "cancelled"
    assert [event.kind for event in tuner.list_fit_events(fit.id).data][-1] == "cancelled"
    again = tuner.retry_fit(fit.id)
    clone = tuner.clone_fit(again.id, {"preset": "fast"})
    assert clone.spec["preset"] == "fast"
    for one in (again, clone):
        tuner.cancel_fit(one.id)
        tuner.delete_fit(one.id)
    claim = started(world)
    checkpoint = world.add_checkpoint(claim, b"state")
    assert [one.id for one in tuner.list_checkpoints(claim.fit_id).data] == [checkpoint]
    target = picture.with_name("state.safetensors")
    assert tuner.get_checkpoint(claim.fit_id, checkpoint, target).bytes == 5
    assert tuner.head_checkpoint(claim.fit_id, checkpoint).bytes == 5
    world.succeed(claim, b"done")
    assert tuner.get_metrics(claim.fit_id).bytes == 4
    assert tuner.head_representation(claim.fit_id).sha256 == hashlib.sha256(b"done").hexdigest()
    assert tuner.head_spectrum(claim.fit_id) is None  # asked for, and to be drawn by a worker that is not there
    with pytest.raises(WaitedTooLong):
        tuner.get_reconstruction(claim.fit_id, target, timeout=0.5)
    hook = tuner.create_webhook("https://example.com/hook", description="a test")
    assert tuner.change_webhook(hook.id, enabled=False).enabled is False
    assert tuner.change_webhook(hook.id, enabled=True).description == "a test"
    assert tuner.get_webhook(hook.id).url == hook.url
    assert hook.id in [one.id for one in tuner.list_webhooks().data]
    assert tuner.rotate_webhook_secret(hook.id).secret != hook.secret
    message = tuner.test_webhook(hook.id)
    assert tuner.get_webhook_delivery(hook.id, message.id).log == []
    assert tuner.list_webhook_deliveries(hook.id).data[0].id == message.id
    tuner.delete_webhook(hook.id)
    tuner.delete_signal(signal.id)
    assert tuner.welcome().max_upload_bytes > 0
    assert (tuner.livez().status, tuner.readyz().status) == ("alive", "ready")
    assert "# TYPE" in tuner.metrics()
    assert tuner.get_problem(tuner.list_problems().data[0].code).meaning


def test_all_fits_are_followed_until_the_connection_breaks(proxy: Proxy, tuner: Client, world: World) -> None:
    changes = tuner.follow_fits(timeout=30)
    assert next(changes) is None  # whatever is listed from here on is told when it changes
    fit_id = world.add_fit(world.add_signal())
    # Fits of the tests before may still change.
    told = next(change for change in changes if change is not None and change.id == fit_id)
    assert told.status == "queued"
    with proxy.under(Weather(resets=True)), pytest.raises(ConnectionFailed):
        list(changes)


def test_a_result_is_kept_as_a_page(tuner: Client, world: World, tmp_path: Path) -> None:
    claim = started(world)
    world.succeed(claim, b"file")
    page = tuner.get_view_page(claim.fit_id, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!doctype html>")
    head = tuner.head_view_page(claim.fit_id)
    assert (head.bytes, head.sha256, head.media_type) == (page.bytes, page.sha256, "text/html; charset=utf-8")
