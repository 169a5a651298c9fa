"""`make docs-views`: docs/images/views/, a sheet for each view of the page with its four looks, wide ones and phones;
and the README's docs/images/page.jpg and viewer.jpg, which are of larger photographs.

The service is one of its own on a throwaway folder, with a small signal of every kind, and with fits that succeeded,
failed and were cancelled, and one that runs. It asks for keys, so that they are seen, too. All sheets are made anew, so
that none is left of a view that there is no longer; the pictures in full size stay in build/views/.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from benchmarks.signals import knot, sound, video, volume
from standalone.stack import stack
from store.api_keys import Scope
from store.database import Database
from store.repositories.keys import Keys
from store.settings import StoreSettings
from tests.browser.conftest import CHROMIUM, MISSING, OPTIONS
from tests.engines import settings_of, throwaway_home
from tuner.signal.formats import encode_signal
from tuner.signal.signal import Signal
from tuner_client import Client, FitEnded
from tuner_client import Signal as UploadedSignal

ROOT = Path(__file__).parents[2]
SHOTS, FRONTS = ROOT / "build" / "views", ROOT / "docs" / "images"
SHEETS = FRONTS / "views"
SETTINGS = {
    "TUNER_REQUIRE_KEYS": "1",
    "TUNER_WORKER_DEVICE": "cpu",
    "TUNER_WORKER_PROGRESS_EVERY_SECONDS": "0.2",  # fits are so short that a curve would have two points
}
QUICK: dict[str, Any] = {"preset": "fast", "max_steps": 60}
SECONDS = 300.0
SCALE, FRONT_SCALE = 0.4, 0.7
GAP = 10
AROUND = (128, 132, 140)  # neither of a light page nor of a dark one
MOST_BYTES, MOST_FRONT_BYTES = 105_000, 245_000
QUALITIES, FRONT_QUALITIES = range(70, 40, -4), range(90, 60, -2)
POINTS = 12  # of a curve that is still growing


def main() -> None:
    """Start a service, fill it, and take every view of it."""
    if MISSING:
        sys.exit(f"docs-views did not run: without {MISSING}")
    from playwright.sync_api import sync_playwright

    from tests.browser.screenshots import PLACES, of_file, of_service

    os.environ |= SETTINGS
    SHOTS.mkdir(parents=True, exist_ok=True)
    with (
        throwaway_home() as home,
        stack(home, say=print) as service,
        sync_playwright() as playwright,
    ):
        url, key = service.api_url, key_of(service.environment)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        tab = browser.new_page()
        of_service(tab, url, {"sign-in": ""}, SHOTS)
        of_service(tab, url, {"empty": ""}, SHOTS, key)
        with Client(url, api_key=key) as client:
            fits = filled(client, SHOTS)
            client.download(fits["picture"], SHOTS / "photograph.tnr")
        other = fits.pop("other")
        views = PLACES | {name: f"fits/{fit_id}" for name, fit_id in fits.items()}
        views |= {"target": f"new/{fits['picture']}", "compare": f"compare/{fits['picture']},{other}"}
        of_service(tab, url, views, SHOTS, key)
        of_file(tab, SHOTS / "photograph.tnr", SHOTS, "viewer")
        with Client(url, api_key=key) as client:
            coffee, astronaut = uploaded(client, "coffee", 384, 256), uploaded(client, "astronaut", 384, 384)
            cup = client.submit(coffee, target="bytes=9000", preset="fast")
            face = client.submit(astronaut, target="bits=0.3", preset="fast")
            for fit in (cup, face):
                client.wait(fit.id, timeout=SECONDS)
            client.download(face.id, SHOTS / "astronaut.tnr")
            of_service(tab, url, {"front-page": f"fits/{cup.id}"}, SHOTS, key)
            of_file(tab, SHOTS / "astronaut.tnr", SHOTS, "front-viewer")
            running = client.submit(astronaut, target="psnr=36", preset="best", labels={"album": "garden"})
            wait_for_points(client, running.id)
            of_service(tab, url, {"running": f"fits/{running.id}"}, SHOTS, key)
            client.cancel_fit(running.id)
        browser.close()
    SHEETS.mkdir(parents=True, exist_ok=True)
    for old in SHEETS.glob("*.jpg"):
        old.unlink()
    for view in ("sign-in", "empty", *views, "running", "viewer"):
        sys.stdout.write(f"{view}: {write_sheet(view, SHEETS / f'{view}.jpg')} bytes\n")
    for view in ("page", "viewer"):
        sys.stdout.write(f"README, {view}: {write_front(view, FRONTS / f'{view}.jpg')} bytes\n")


def key_of(environment: Mapping[str, str]) -> str:
    """A key that may see keys, of a tenant who has nothing yet."""
    known = {f"TUNER_{name.upper()}" for name in StoreSettings.model_fields}
    settings = settings_of({name: value for name, value in environment.items() if name in known})
    with closing(Database(settings)) as database, database.unit_of_work() as session:
        return str(Keys(session).create("garden", name="gardener", scopes=tuple(Scope))[1])


def filled(client: Client, folder: Path) -> dict[str, str]:
    """Ids of fits of every kind of signal and in every state that lasts, by the names of their views; and two keys."""
    photograph = Signal(values=(data.astronaut()[16:208, 128:320] / 255.0).astype(np.float32))
    files = {"knot.obj": knot()}
    for name, signal in (
        ("photograph.png", photograph),
        ("strings.wav", sound()),
        ("phantom.nii", volume()),
        ("ball.mp4", video()),
    ):
        files[name] = encode_signal(signal, name)
    signals = {}
    for name, content in files.items():
        (folder / name).write_bytes(content)
        signals[name] = client.upload(folder / name)
    picture = signals["photograph.png"]
    garden = {"album": "garden"}
    fits = {
        "cancelled": client.submit(picture, preset="best", labels={"album": "drafts"}),
        "picture": client.submit(picture, target="psnr=32", labels=garden, **QUICK),
        "other": client.submit(picture, labels=garden, network={"kind": "sines"}, **QUICK),
        "sound": client.submit(signals["strings.wav"], **QUICK),
        "volume": client.submit(signals["phantom.nii"], **QUICK),
        "video": client.submit(signals["ball.mp4"], **QUICK),
        "mesh": client.submit(signals["knot.obj"], **QUICK),
        "failed": client.submit(picture, preset="best", target="psnr=60", max_run_seconds=3),
    }
    client.cancel_fit(fits["cancelled"].id)
    client.create_key(name="camera")
    client.revoke_key(client.create_key(name="old camera").id)
    for fit in fits.values():
        with suppress(FitEnded):  # two of them are meant to
            client.wait(fit.id, timeout=SECONDS)
    return {name: fit.id for name, fit in fits.items()}


def uploaded(client: Client, name: str, width: int, height: int) -> UploadedSignal:
    """A photograph of scikit-image, as a signal of that size."""
    path = SHOTS / f"{name}.png"
    Image.fromarray(getattr(data, name)()).resize((width, height), Image.Resampling.LANCZOS).save(path)
    return client.upload(path)


def wait_for_points(client: Client, fit_id: str) -> None:
    """Wait until a fit that runs has told its quality often enough for a curve.

    Raises:
        RuntimeError: if it ended before.
    """
    points = 0
    for event in client.events(fit_id, timeout=SECONDS):
        points += "psnr_db" in event.data
        if points >= POINTS:
            return
    raise RuntimeError(f"fit {fit_id} ended after {points} points, expected one that runs for {POINTS}")


def write_sheet(view: str, path: Path) -> int:
    """Write the looks of a view into one picture, phones beside the wide ones; returns its bytes."""
    light, dark, phone, dark_phone = (
        shrunk(Image.open(SHOTS / f"{view}-{look}.png").convert("RGB"))
        for look in ("1200-light", "1200-dark", "390-light", "390-dark")
    )
    places = (
        (light, GAP, GAP),
        (dark, GAP, light.height + 2 * GAP),
        (phone, light.width + 2 * GAP, GAP),
        (dark_phone, light.width + phone.width + 3 * GAP, GAP),
    )
    width = max(left + picture.width for picture, left, _ in places) + GAP
    height = max(top + picture.height for picture, _, top in places) + GAP
    sheet = Image.new("RGB", (width, height), AROUND)
    for picture, left, top in places:
        sheet.paste(picture, (left, top))
    return write(sheet, path, QUALITIES, MOST_BYTES)


def write_front(view: str, path: Path) -> int:
    """Write the wide light look of a view, and the dark phone beside it as far down; returns the bytes."""
    wide, phone = (
        shrunk(Image.open(SHOTS / f"front-{view}-{look}.png").convert("RGB"), FRONT_SCALE)
        for look in ("1200-light", "390-dark")
    )
    front = Image.new("RGB", (wide.width + GAP + phone.width, wide.height), AROUND)
    front.paste(wide, (0, 0))
    front.paste(phone, (wide.width + GAP, 0))
    return write(front, path, FRONT_QUALITIES, MOST_FRONT_BYTES)


def write(picture: Image.Image, path: Path, qualities: Iterable[int], most_bytes: int) -> int:
    """Write a JPEG of the best of these qualities that is small enough, or of the last one; returns its bytes."""
    for quality in qualities:
        picture.save(path, "JPEG", quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= most_bytes:
            break
    return path.stat().st_size


def shrunk(picture: Image.Image, scale: float = SCALE) -> Image.Image:
    """A picture as small as it is shown, its words still to be read."""
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.HAMMING)


if __name__ == "__main__":
    main()
