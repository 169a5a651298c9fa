"""Objects that are gone or changed: what the service says of each kind, and that its own advice brings them back."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from api.services.downloads import WHOLE_BYTES
from store.queue import FitQueue
from store.repositories.renders import Renders
from tests.damage import code_of, damage
from tests.engines import settings_of
from tests.integration.api.world import World
from tests.networks import random_representation
from tuner.codec.encode import encode
from worker.render import draw_next_view
from worker.resources import Resources
from worker.settings import WorkerSettings

FILE = encode(random_representation((10, 14)))
FACTS = {"grid_shape": [10, 14], "weights": 200}
DAMAGES = ["deleted", "truncated", "swapped"]


@pytest.fixture(scope="module")
def worker(world: World, environment: dict[str, str]) -> Iterator[Resources]:
    """The interactive worker's resources, used from this process."""
    queue = FitQueue(settings_of(environment))
    drawing = Resources(settings=WorkerSettings(), database=world.database, blobs=world.blobs, queue=queue)
    while draw_next_view(drawing):
        pass  # what other tests asked for and did not wait for
    yield drawing
    queue.close()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_result_can_be_made_again_in_one_call(client: httpx.Client, world: World, how: str) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    stored = world.succeed(world.start(fit_id), FILE)
    whole = client.post(f"/fits/{fit_id}/retry")
    assert (whole.status_code, whole.json()["code"]) == (409, "illegal_move")
    damage(world.blobs, stored.key, how)
    for headers in ({}, {"Range": "bytes=0-3"}):
        answer = client.get(f"/fits/{fit_id}/representation", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (500, code_of(how))
        assert "/retry" in answer.json()["detail"]
        assert stored.key not in answer.text
    # HEAD asks storage how much is there; it reads nothing.
    assert client.head(f"/fits/{fit_id}/representation").status_code == (200 if how == "swapped" else 500)
    again = client.post(f"/fits/{fit_id}/retry")
    assert again.status_code == 202
    assert again.json()["id"] != fit_id
    assert client.post(f"/fits/{fit_id}/retry").json()["id"] == again.json()["id"]
    world.cancel(again.json()["id"])


@pytest.mark.parametrize("how", DAMAGES)
def test_a_view_is_drawn_again(client: httpx.Client, world: World, worker: Resources, how: str) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    world.succeed(world.start(fit_id), FILE, facts=FACTS)
    url = f"/fits/{fit_id}/reconstruction?scale=0.{DAMAGES.index(how) + 5}"
    view = client.get(url).json()["id"]
    draw_next_view(worker)
    good = client.get(url).content
    with world.database.unit_of_work() as session:
        render = Renders(session).get(view)
        assert render is not None
        key = render.object_key
    assert key is not None
    damage(world.blobs, key, how)
    answer = client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (500, code_of(how))
    assert client.get(url).status_code == 202
    draw_next_view(worker)
    assert client.get(url).content == good


@pytest.mark.parametrize("how", DAMAGES)
def test_a_view_of_a_damaged_result_says_so_and_is_not_remembered(
    client: httpx.Client, world: World, worker: Resources, how: str
) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    stored = world.succeed(world.start(fit_id), FILE, facts=FACTS)
    url = f"/fits/{fit_id}/gradient?scale=0.{DAMAGES.index(how) + 5}"
    damage(world.blobs, stored.key, how)
    assert client.get(url).status_code == 202
    draw_next_view(worker)
    answer = client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (500, "blob_damaged")
    assert "fits/fit_" not in answer.text.replace(answer.json()["instance"], "")
    world.blobs.put(stored.key, FILE)
    assert client.get(url).status_code == 202
    draw_next_view(worker)
    assert client.get(url).status_code == 200


def test_a_large_file_that_is_wrong_never_ends_cleanly(client: httpx.Client, world: World) -> None:
    content = bytes(WHOLE_BYTES + 1)
    fit_id = world.add_fit(world.add_signal(), priority=90)
    stored = world.succeed(world.start(fit_id), content)
    assert hashlib.sha256(client.get(f"/fits/{fit_id}/representation").content).hexdigest() == stored.sha256
    damage(world.blobs, stored.key, "swapped")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"/fits/{fit_id}/representation")
