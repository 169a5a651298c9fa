"""The service's page, on the real service: a file becomes a fit, its curve grows, and the browser decodes the file."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from store.api_keys import Scope
from store.blobs import BlobStore
from store.database import Database
from store.repositories.fits import Fits, StoredObject
from store.repositories.keys import Keys
from store.repositories.workers import Workers
from store.settings import StoreSettings
from tests.browser.conftest import CHROMIUM, HAS_PLAYWRIGHT
from tests.engines import fresh_corner, settings_of
from tests.integration.api.world import World
from tuner.codec.decode import decode, load
from tuner.signal.image import write_image
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FilePayload, Page

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or not HAS_PLAYWRIGHT, reason="not run: chromium or playwright (the extra `browser`) is missing"
)

NASTY = "<img src=x onerror=alert(1)>"
WAIT = 90_000
VERY_LONG = 45.0
GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = {"sound": "audio", "volume": ".slices", "video": ".frame", "mesh": ".surface"}
# In the colour of the page, which the wave has no part in while it is not in the page.
WAVE_IS_COLOURED = """(() => {
  const canvas = document.querySelector(".wave");
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const at = data.findIndex((value, index) => index % 4 === 3 && value === 255) - 3;
  return at >= 0 && `rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})` === getComputedStyle(canvas).color;
})()"""
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : Array.from(
  document.querySelectorAll("body *")).filter((one) => one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.outerHTML.slice(0, 80))"""


@dataclass
class Service:
    """An api that can be restarted at its address, and a worker.

    Attributes:
        environment: variables that lead to the engines.
        folder: where logs and the spool go.
        port: port of the api, the same after a restart.
        api: process of the api; None while there is none.
    """

    environment: Mapping[str, str]
    folder: Path
    port: int
    api: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a process of the service."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", *arguments]
            return subprocess.Popen(command, env=os.environ | dict(self.environment), stdout=log, stderr=log)

    def start_api(self) -> None:
        self.api = self.run("api", "api", "--port", str(self.port))
        deadline = time.monotonic() + VERY_LONG
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if client.get(f"{self.url}/livez").status_code == 200:
                        return
                time.sleep(0.05)
        raise AssertionError((self.folder / "api.log").read_text())

    def stop_api(self) -> None:
        if self.api is not None:
            _end(self.api)
        self.api = None


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(engines: Mapping[str, str], folder: Path, **settings: str) -> Iterator[Service]:
    """An api on a corner of the engines of its own."""
    (folder / "spool").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with fresh_corner(engines) as corner:
        migrate = [sys.executable, "-m", "standalone.migrate"]
        subprocess.run(migrate, env=os.environ | dict(corner), check=True, capture_output=True)
        service = Service(dict(corner) | settings | {"TUNER_SPOOL_DIR": str(folder / "spool")}, folder, port)
        try:
            service.start_api()
            yield service
        finally:
            service.stop_api()


@pytest.fixture(scope="module")
def service(engines: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An api that takes small files only, and a worker that reports often."""
    settings = {
        "TUNER_MAX_UPLOAD_BYTES": "200000",
        "TUNER_WORKER_DEVICE": "cpu",
        "TUNER_WORKER_PROGRESS_EVERY_SECONDS": "0.2",
    }
    with running(engines, tmp_path_factory.mktemp("page"), **settings) as service:
        worker = service.run("worker", "celery", "-A", "worker.app", "worker")
        try:
            yield service
        finally:
            _end(worker)


@dataclass
class Tabs:
    """Tabs of one browser with the same storage.

    Attributes:
        context: what they share.
        errors: what went wrong in any of them; a request that found no service is none of the page's.
        expected: words of messages that a test provokes.
    """

    context: "BrowserContext"
    expected: list[str] = field(default_factory=lambda: ["net::ERR_"])
    errors: list[str] = field(default_factory=list)

    def new(self, address: str) -> "Page":
        tab = self.context.new_page()
        tab.set_default_timeout(WAIT)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("console", self._note)
        tab.goto(address)
        return tab

    def _note(self, message: "ConsoleMessage") -> None:
        if message.type == "error" and not any(words in message.text for words in self.expected):
            self.errors.append(message.text)


@pytest.fixture
def tabs(browser: "Browser") -> Iterator[Tabs]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
    tabs = Tabs(context)
    yield tabs
    context.close()
    assert tabs.errors == []


def picture(side: int = 96) -> bytes:
    """A smooth colour picture."""
    y, x = np.mgrid[0:side, 0:side] / side
    values = np.stack([np.sin(9 * x * y), np.cos(7 * x), np.sin(5 * y + 3 * x)], axis=-1).astype(np.float32) * 0.9
    return write_image(Signal(values=values, sample_format=SampleFormat.U8))


def payload(name: str, content: bytes) -> "FilePayload":
    """A file as it is chosen in a form."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def until(tab: "Page", true: str) -> None:
    """Wait for an expression to be true; playwright's own way needs what the page's policy does not allow."""
    deadline = time.monotonic() + WAIT / 1000
    while not tab.evaluate(true):
        assert time.monotonic() < deadline, f"never came true: {true}"
        time.sleep(0.1)


def serious(tab: "Page") -> list[object]:
    """What axe finds against the page, light on a desk and dark on a phone, where it must not be too wide either."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="not run: the extra `browser` is missing")
    found: list[object] = []
    looks: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1200), ("dark", 390))
    for scheme, width in looks:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate(TOO_WIDE) == [], f"wider than {width}"
        found += [
            (scheme, width, violation["id"], [node["html"] for node in violation["nodes"]])
            for violation in axe.Axe().run(tab).response["violations"]
            if violation["impact"] in {"serious", "critical"}
        ]
    tab.set_viewport_size({"width": 1200, "height": 900})
    return found


def test_a_file_becomes_a_fit_that_two_tabs_follow_across_a_restart(tabs: Tabs, service: Service) -> None:
    tab = tabs.new(f"{service.url}/page")
    tab.get_by_text("There are no fits yet").wait_for()
    assert serious(tab) == []
    tab.get_by_role("link", name="New fit").first.click()
    tab.locator("#file").set_input_files(payload(f"{NASTY}.png", picture()))
    tab.locator("#kind").select_option("seconds")
    tab.locator("#value").fill("6")
    tab.locator("#labels").fill("album=garden")
    tab.get_by_text("Time on a worker").wait_for()
    assert serious(tab) == []
    tab.get_by_role("button", name="Fit", exact=True).click()
    tab.wait_for_url("**/page#/fits/fit_*")
    fit_id = tab.url.rpartition("/")[2]

    second = tabs.new(f"{service.url}/page")
    second.get_by_role("link", name=NASTY).wait_for()

    points = "Number(document.querySelector('.curve svg')?.dataset.points ?? 0)"
    until(tab, f"{points} >= 2")
    before = tab.evaluate(points)
    service.stop_api()
    tab.get_by_text("No connection").wait_for()
    second.get_by_text("No connection").wait_for()
    service.start_api()
    tab.locator("#line", has_text="Live").wait_for()
    until(tab, f"{points} > {before}")
    assert tab.evaluate("performance.getEntriesByType('navigation').length") == 1

    tab.locator(".badge.succeeded").first.wait_for()
    second.locator(f"#{fit_id} .badge.succeeded").wait_for()
    until(tab, "document.querySelector('tnr-image')?.complete")
    assert tab.locator("h1").inner_text() == f"{NASTY}.png"
    assert tab.locator("main img").count() == 0
    assert tab.get_by_text("Phase: training").count() >= 1
    assert serious(tab) == []
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download").click()
    decoded = decode(Path(download.value.path()).read_bytes())
    assert decoded.grid_shape == (96, 96)

    second.locator("#status").select_option("failed")
    second.get_by_text("No fit is like that").wait_for()
    second.locator("#status").select_option("")
    second.get_by_role("link", name=NASTY).wait_for()
    assert serious(second) == []


def test_a_large_file_goes_to_the_storage_in_parts(tabs: Tabs, service: Service) -> None:
    noise = np.random.default_rng(3).random((300, 300, 3), dtype=np.float32)
    content = write_image(Signal(values=noise, sample_format=SampleFormat.U8))
    assert len(content) > 200_000
    sent: list[str] = []
    tab = tabs.new(f"{service.url}/page#/new")
    tab.on("request", lambda request: sent.append(request.method) if request.method == "PUT" else None)
    tab.locator("#file").set_input_files(payload("noise.png", content))
    tab.get_by_text("noise.png is there").wait_for()
    assert sent == ["PUT"]
    tabs.expected.append("status of 4")  # browsers log every answer that refuses
    tab.locator("#file").set_input_files(payload("text.png", b"no picture"))
    tab.get_by_role("alert").get_by_text("unsupported_format").wait_for()


@pytest.fixture(scope="module")
def guarded(engines: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, World]]:
    """An api that asks for keys, without a worker: the tests say what a worker did."""
    with running(engines, tmp_path_factory.mktemp("guarded"), TUNER_REQUIRE_KEYS="1") as service:
        known = {f"TUNER_{name.upper()}" for name in StoreSettings.model_fields}
        settings = settings_of({name: value for name, value in service.environment.items() if name in known})
        database = Database(settings)
        yield service, World(database, BlobStore(settings))
        database.close()


def test_a_key_stays_in_memory_and_a_lost_worker_shows(tabs: Tabs, guarded: tuple[Service, World]) -> None:
    service, world = guarded
    with world.database.unit_of_work() as session:
        token = str(Keys(session).create("garden")[1])
    fit_id = world.add_fit(world.add_signal(tenant="garden", filename=NASTY), tenant="garden")
    asked: list[str] = []
    tab = tabs.new(f"{service.url}/page#/fits/{fit_id}")
    tab.on("request", lambda request: asked.append(request.url))
    tabs.expected += ["401", "403"]  # a wrong key, and one that may not see keys
    tab.get_by_label("API key").fill("wrong")
    tab.keyboard.press("Enter")
    tab.get_by_role("alert").wait_for()
    assert serious(tab) == []
    tab.get_by_label("API key").fill(token)
    tab.keyboard.press("Enter")
    tab.locator("#where", has_text="next in the queue").wait_for()
    assert [url for url in asked if token in url] == []
    assert (
        tab.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])").count(token) == 0
    )

    with world.database.unit_of_work() as session:
        claimed = Fits(session).claim_next("first", lease_seconds=0.01)
    assert claimed is not None
    with world.database.unit_of_work() as session:
        Fits(session).add_checkpoint(claimed.claim, step=400, stored=StoredObject(key="x", sha256="0", byte_count=1))
    with world.database.unit_of_work() as session:
        assert Fits(session).reap_expired_leases(max_tries=3) == [fit_id]
    claim = world.start(fit_id)
    world.report(claim, 420)
    tab.get_by_text("The worker was lost; back in the queue").wait_for()
    tab.get_by_text("Attempt 2: resumed at step 400").wait_for()
    with world.database.unit_of_work() as session:
        Fits(session).fail(claim, code="out_of_memory", message="it needs more memory than there is")
    tab.get_by_text("it needs more memory than there is").wait_for()
    assert tab.get_by_text("code out_of_memory").count() == 1
    assert serious(tab) == []
    tab.get_by_role("button", name="Retry").click()
    tab.locator("#where", has_text="next in the queue").wait_for()
    tab.get_by_role("button", name="Cancel").click()
    tab.locator(".badge.cancelled").wait_for()
    tab.get_by_role("button", name="Clone").click()
    tab.get_by_text(f"Like the fit of {NASTY}").wait_for()
    tab.locator("#kind").select_option("bytes")
    tab.locator("#value").fill("4000")
    tab.get_by_role("button", name="Fit", exact=True).click()
    tab.get_by_text("4000 bytes at most").wait_for()
    tab.get_by_role("button", name="Cancel").click()
    tab.locator(".badge.cancelled").wait_for()

    tab.get_by_role("link", name="Fits", exact=True).click()
    tab.locator(".fits li").nth(2).wait_for()
    assert serious(tab) == []
    tab.get_by_label("All shown").check()
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Delete").click()
    tab.get_by_text("There are no fits yet").wait_for()
    tab.get_by_role("link", name="Usage").click()
    tab.get_by_text("Time of workers").wait_for()
    assert serious(tab) == []
    tab.get_by_role("button", name="Sign out").click()
    tab.get_by_label("API key").wait_for()


def signed_in(tabs: Tabs, guarded: tuple[Service, World], tenant: str, address: str) -> "Page":
    """A tab of a tenant's own at an address of the page."""
    service, world = guarded
    with world.database.unit_of_work() as session:
        token = str(Keys(session).create(tenant)[1])
    tab = tabs.new(f"{service.url}/page{address}")
    tab.get_by_label("API key").fill(token)
    tab.keyboard.press("Enter")
    tab.locator("#leave").wait_for()
    return tab


def test_a_fit_is_seen_beside_other_formats_of_its_size_in_one_view(tabs: Tabs, guarded: tuple[Service, World]) -> None:
    _, world = guarded
    path = GOLDEN / "v1-core" / "colour.tnr"
    content = write_image(Signal(values=load(path).render().values, sample_format=SampleFormat.U8))
    fit_id = world.add_fit(world.add_signal(content, tenant="museum"), tenant="museum")
    world.succeed(world.start(fit_id), path.read_bytes())
    tab = signed_in(tabs, guarded, "museum", f"#/fits/{fit_id}")
    tab.get_by_role("link", name="Beside JPEG, WebP and AVIF").click()
    tab.locator("#rivals").wait_for()
    told = "(one) => [one.dataset.format, Number(one.dataset.bytes)]"
    figures = tab.evaluate(f"Array.from(document.querySelectorAll('#rivals figure'), {told})")
    assert [name for name, _ in figures] == ["Sent", "JPEG", "WebP"]
    assert all(0.7 * path.stat().st_size < size <= path.stat().st_size for _, size in figures[1:]), figures
    assert tab.locator("#rivals figcaption", has_text=" dB").count() == 2
    # What the browser answers instead, a PNG, is not passed off as what was asked for.
    assert "AVIF" in tab.locator("#unwritten").inner_text()
    assert serious(tab) == []
    webp = "document.querySelectorAll('#rivals canvas')[2].toDataURL()"
    before = tab.evaluate(webp)
    tab.locator("#rivals canvas").nth(1).press("+")
    assert tab.evaluate("document.querySelector('tnr-image').view.zoom") > 0
    assert tab.evaluate(webp) != before
    tab.locator("tnr-image").press("0")
    assert tab.evaluate(webp) == before
    # Beside a picture of another size, too, and on a phone.
    other = world.add_fit(world.add_signal(tenant="museum"), tenant="museum")
    world.succeed(world.start(other), (GOLDEN / "v1-core" / "deep.tnr").read_bytes())
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.evaluate("(ids) => void (location.hash = `#/compare/${ids}`)", f"{fit_id},{other}")
    until(tab, "document.querySelectorAll('tnr-image').length === 2 && document.querySelector('#rivals')")
    until(tab, "Array.from(document.querySelectorAll('#rivals canvas')).every(({ width }) => width > 200)")  # laid out
    assert tab.evaluate(TOO_WIDE) == []
    tab.evaluate("(id) => void (location.hash = `#/fits/${id}`)", fit_id)
    tab.get_by_role("button", name="Download").wait_for()
    assert tab.evaluate(TOO_WIDE) == []


def test_sounds_solids_videos_and_distance_fields_are_shown_too(tabs: Tabs, guarded: tuple[Service, World]) -> None:
    _, world = guarded
    fits = {}
    for name in KINDS:
        fits[name] = world.add_fit(world.add_signal(tenant="library"), tenant="library")
        world.succeed(world.start(fits[name]), (GOLDEN / "v1-kinds" / f"{name}.tnr").read_bytes())
    tab = signed_in(tabs, guarded, "library", "#/new")
    for name, part in KINDS.items():
        tab.evaluate("(id) => void (location.hash = `#/fits/${id}`)", fits[name])
        tab.locator(f"#{fits[name]} .viewer[data-shown]").wait_for()
        assert tab.locator(f".viewer {part}").count() == 1, name
        assert tab.get_by_role("alert").count() == 0, name
        if name == "sound":
            until(tab, WAVE_IS_COLOURED)
    assert serious(tab) == []


def test_the_fleet_has_the_worker_that_runs(tabs: Tabs, service: Service) -> None:
    tab = tabs.new(f"{service.url}/page#/fleet")
    row = tab.locator(".workers li").first
    row.get_by_text("CPU").wait_for()
    assert row.locator("meter").count() == 1
    tab.get_by_role("heading", name="Queues").wait_for()
    assert tab.locator("nav a[aria-current]").inner_text() == "Fleet"
    assert serious(tab) == []


def test_the_fleet_tells_of_anothers_fit_only_that_its_worker_is_busy(
    tabs: Tabs, guarded: tuple[Service, World]
) -> None:
    _, world = guarded
    tab = signed_in(tabs, guarded, "harbour", "#/fleet")
    tab.get_by_text("No worker has been heard of").wait_for()
    assert serious(tab) == []

    # Fits of the tests before would be claimed first.
    fits = {
        name: world.add_fit(world.add_signal(tenant=name, filename=NASTY), tenant=name, priority=100)
        for name in ("harbour", "stranger")
    }
    for number, (name, fit_id) in enumerate(fits.items()):
        with world.database.unit_of_work() as session:
            claimed = Fits(session).claim_next(f"process-{name}", lease_seconds=600)
            assert claimed is not None
            assert claimed.claim.fit_id == fit_id
            facts = {"device": "cuda:1", "device_name": NASTY, "memory_bytes": 8 << 30, "used_bytes": number << 30}
            Workers(session).describe(f"host-{name}:1", process=f"process-{name}", facts=facts)
        world.report(claimed.claim, 25)
    with world.database.unit_of_work() as session:
        Workers(session).describe("older:1", process="older:2", facts={"of_a_newer_release": []})
        Workers(session).describe("lost:1", process="lost:2", facts={"device": "cpu", "threads": 1})
        session.execute(text("UPDATE workers SET seen_at = seen_at - interval '10 minutes' WHERE name = 'lost:1'"))
    tab.reload()
    tab = signed_in(tabs, guarded, "harbour", "#/fleet")
    rows = tab.locator(".workers li")
    own, foreign, older, lost = (rows.filter(has_text=name) for name in ("host-h", "host-s", "older:1", "lost:1"))
    own.get_by_role("link", name=NASTY).wait_for()
    own.get_by_text("step 25, 20.50 dB").wait_for()
    assert own.locator(".badge").inner_text() == "busy"
    assert own.get_by_text("GPU:1").count() == 1
    assert own.get_by_text("0 bytes of 8.59 GB").count() == 1
    assert foreign.get_by_text("with a fit of somebody else").count() == 1
    assert foreign.locator(".badge").inner_text() == "busy"
    assert foreign.locator("a:visible").count() == 0
    assert fits["stranger"] not in tab.content()
    assert (older.locator(".badge").inner_text(), older.get_by_text("device unknown").count()) == ("idle", 1)
    assert (lost.locator(".badge").inner_text(), lost.get_by_text("heard 10 min ago").count()) == ("silent", 1)
    assert tab.locator("main img").count() == 0
    assert serious(tab) == []

    # What is there stays there while the service cannot be asked, and the focus stays where it is.
    own.get_by_role("link").focus()
    tab.route("**/fleet", lambda route: route.abort())
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    tab.get_by_role("alert").get_by_text("the service does not answer").wait_for()
    assert rows.count() == 4
    assert tab.evaluate("document.activeElement.closest('li')?.textContent.includes('host-harbour')")
    assert serious(tab) == []
    tab.unroute("**/fleet")
    tab.get_by_role("button", name="Try again").click()
    tab.get_by_role("alert").wait_for(state="detached")
    own.get_by_role("link").click()
    tab.wait_for_url(f"**/page#/fits/{fits['harbour']}")


def test_keys_are_seen_by_who_may_see_them(tabs: Tabs, guarded: tuple[Service, World]) -> None:
    service, world = guarded
    tabs.expected.append("403")
    tab = signed_in(tabs, guarded, "locksmith", "#/usage")
    tab.get_by_text("takes the scope keys:read").wait_for()
    assert serious(tab) == []
    with world.database.unit_of_work() as session:
        keys = Keys(session)
        token = str(keys.create("locksmith", name=NASTY, scopes=tuple(Scope))[1])
        revoked, _ = keys.create("locksmith", name="old camera")
        session.flush()
        keys.revoke_own("locksmith", revoked.id)
    tab = tabs.new(f"{service.url}/page#/usage")
    tab.get_by_label("API key").fill(token)
    tab.keyboard.press("Enter")
    panel = tab.get_by_role("region", name="Keys")
    panel.get_by_text(NASTY).wait_for()
    assert panel.locator("li").count() == 3
    assert panel.locator("li").filter(has_text="old camera").locator(".badge").inner_text() == "revoked"
    assert token.rpartition("_")[2] not in tab.content()
    assert tab.locator("main img").count() == 0
    assert serious(tab) == []
