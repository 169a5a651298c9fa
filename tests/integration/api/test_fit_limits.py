"""A fit that no worker can hold, or end in time, is refused when it is submitted, by any route, and leaves nothing."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from store.models import Signal
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.world import World

MOST_BYTES = 64 << 20
# No network of wavelets has four axes, and sines are held as a whole.
HUGE = {"kind": "array", "format": "npy", "shape": [64, 64, 64, 128], "channels": 1, "sample_format": "f32"}
LARGE = {"kind": "image", "format": "png", "width": 2048, "height": 16384, "channels": 3, "sample_format": "u8"}


@pytest.fixture(scope="module")
def narrow(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api whose workers have little memory."""
    limits = {"TUNER_FIT_MEMORY_BYTES": str(MOST_BYTES)}
    with running_api(environment, tmp_path_factory.mktemp("narrow"), **limits) as running:
        yield running


@pytest.fixture(scope="module")
def for_tiles(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api whose workers have the memory of a tile."""
    limits = {"TUNER_FIT_MEMORY_BYTES": str(320 << 20)}
    with running_api(environment, tmp_path_factory.mktemp("tiles"), **limits) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api whose workers have a minute for a fit."""
    limits = {"TUNER_FIT_SECONDS": "60", "TUNER_FIT_MEMORY_BYTES": str(64 << 30)}
    with running_api(environment, tmp_path_factory.mktemp("hasty"), **limits) as running:
        yield running


def grow(world: World, signal_id: str) -> None:
    """Make a signal as large as none of these machines holds."""
    with world.database.unit_of_work() as session:
        session.get_one(Signal, signal_id).facts = dict(HUGE)


@pytest.fixture
def ended(world: World) -> tuple[str, str]:
    """A signal, and a fit of it that was cancelled; the signal is too large only afterwards."""
    signal = world.add_signal()
    fit = world.add_fit(signal)
    world.cancel(fit)
    grow(world, signal)
    return signal, fit


ROUTES: dict[str, Callable[[httpx.Client, str, str], httpx.Response]] = {
    "submit": lambda client, signal, _: client.post("/fits", json={"signal_id": signal, "preset": "fast"}),
    "batch": lambda client, signal, _: client.post("/fits/batch", json={"fits": [{"signal_id": signal}]}),
    "clone": lambda client, _, fit: client.post(f"/fits/{fit}/clone", json={}),
    "retry": lambda client, _, fit: client.post(f"/fits/{fit}/retry"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_what_no_worker_can_hold_is_refused(narrow: Server, world: World, ended: tuple[str, str], route: str) -> None:
    before = world.counts()
    with httpx.Client(base_url=narrow.url, trust_env=False) as client:
        answer = ROUTES[route](client, *ended)
    assert (answer.status_code, answer.json()["code"]) == (422, "fit_too_large")
    assert "64x64x64x128" in answer.json()["detail"]
    assert "64 MiB" in answer.json()["detail"]
    assert world.counts() == before


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 422),
        ({"target": {"psnr_db": 30}}, 422),
        ({"network": {"kind": "wavelets"}}, 422),
        ({"network": {"kind": "sines"}}, 202),
        ({"target": {"max_error": 0.1}}, 202),
        ({"codec": {"max_loss_db": 0.5}}, 202),
    ],
)
def test_wavelets_take_more_than_sines(narrow: Server, world: World, asked: dict[str, object], status: int) -> None:
    """A picture of 512 x 256 takes 94 MiB with wavelets; sines are trained in parts that shrink."""
    signal = world.add_signal()
    with world.database.unit_of_work() as session:
        session.get_one(Signal, signal).facts = LARGE | {"width": 512, "height": 256}
    with httpx.Client(base_url=narrow.url, trust_env=False) as client:
        assert client.post("/fits", json={"signal_id": signal} | asked).status_code == status


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 202),
        ({"target": {"bytes": 2_000_000}}, 202),
        ({"network": {"kind": "wavelets"}}, 202),
        ({"network": {"tiles": 256}}, 202),
        ({"network": {"tiles": 1024}}, 422),
        ({"network": {"kind": "sines"}}, 422),
        ({"target": {"max_error": 0.1}}, 422),
    ],
)
def test_tiles_take_no_more_for_a_larger_signal(
    for_tiles: Server, world: World, asked: dict[str, object], status: int
) -> None:
    signal = world.add_signal()
    with world.database.unit_of_work() as session:
        session.get_one(Signal, signal).facts = dict(LARGE)
    with httpx.Client(base_url=for_tiles.url, trust_env=False) as client:
        assert client.post("/fits", json={"signal_id": signal} | asked).status_code == status


def test_what_a_worker_can_hold_is_taken(narrow: Server, world: World) -> None:
    with httpx.Client(base_url=narrow.url, trust_env=False) as client:
        assert client.post("/fits", json={"signal_id": world.add_signal()}).status_code == 202


@pytest.mark.parametrize("route", ROUTES)
def test_what_takes_too_long_is_refused(hasty: Server, world: World, ended: tuple[str, str], route: str) -> None:
    before = world.counts()
    with httpx.Client(base_url=hasty.url, trust_env=False) as client:
        answer = ROUTES[route](client, *ended)
    assert (answer.status_code, answer.json()["code"]) == (422, "fit_too_large")
    assert "64x64x64x128" in answer.json()["detail"]
    assert "60 s for one (TUNER_FIT_SECONDS): ask for max_seconds" in answer.json()["detail"]
    assert world.counts() == before


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 422),
        ({"max_seconds": 59.0}, 202),
        ({"max_seconds": 4000.0}, 422),
        ({"target": {"seconds": 30}}, 202),
        ({"target": {"seconds": 61}}, 422),
        ({"max_steps": 1, "preset": "fast"}, 202),
        ({"network": {"hidden": [2048, 2048]}, "max_steps": 1}, 422),
    ],
    ids=str,
)
def test_what_is_advised_helps(hasty: Server, world: World, asked: dict[str, object], status: int) -> None:
    signal = world.add_signal()
    with world.database.unit_of_work() as session:
        session.get_one(Signal, signal).facts = LARGE | {"width": 1024, "height": 2048}
    with httpx.Client(base_url=hasty.url, trust_env=False) as client:
        answer = client.post("/fits", json={"signal_id": signal} | asked)
    assert answer.status_code == status, answer.text


def test_the_speed_of_the_workers_counts(hasty: Server, world: World) -> None:
    signal = world.add_signal()
    with world.database.unit_of_work() as session:
        session.get_one(Signal, signal).facts = LARGE | {"width": 256, "height": 512}
    body = {"signal_id": signal, "target": {"bytes": 9000}}
    with httpx.Client(base_url=hasty.url, trust_env=False) as client:
        assert client.post("/fits", json=body).status_code == 202
        world.succeed(
            world.start(world.add_fit(world.add_signal(), priority=99)), b"x", {"work": 1.0, "fit_seconds": 40.0}
        )
        assert client.post("/fits", json=body).status_code == 422


def test_parts_that_do_not_fit_together_are_refused(hasty: Server, world: World) -> None:
    """What only the library knows: wavelets have at most three axes."""
    signal = world.add_signal()
    grow(world, signal)
    before = world.counts()
    with httpx.Client(base_url=hasty.url, trust_env=False) as client:
        answer = client.post("/fits", json={"signal_id": signal, "network": {"kind": "wavelets"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "three" in answer.json()["detail"]
    assert world.counts() == before
