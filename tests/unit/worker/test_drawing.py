"""A view that is drawn in the cage is the one that the library draws; what costs too much is refused by name."""

import pytest

from store.render_spec import RenderFormat, RenderSpec, View
from tests.golden.make import small_files
from tests.hostile.lies import LIE_NAMES, LIES
from tests.networks import random_representation
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from worker.draw_caged import ViewRefused, draw_caged, drawn_of
from worker.settings import WorkerSettings
from worker.views import draw

SETTINGS = WorkerSettings(drawing_memory_bytes=512 << 20, drawing_cpu_seconds=20)
FILES = small_files("v1", "v1-scaled", "v1-kinds", "v1-core")
NUMBERS = RenderSpec(view=View.RECONSTRUCTION, format=RenderFormat.NPY)


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_view_is_the_same_in_the_cage(number: int) -> None:
    view = list(View)[number % len(View)]
    spec = RenderSpec(view=view, format=RenderFormat.NPY)
    assert draw_caged(FILES[number], spec, SETTINGS) == draw(decode(FILES[number]), spec)


@pytest.mark.parametrize("view", View)
def test_a_picture_is_the_same_in_the_cage(view: View) -> None:
    content = next(data for data in FILES if len(decode(data).grid_shape) == 2)
    spec = RenderSpec(view=view, format=RenderFormat.PNG)
    assert draw_caged(content, spec, SETTINGS) == draw(decode(content), spec)


@pytest.mark.parametrize("name", LIE_NAMES)
def test_a_file_that_lies_is_refused_by_the_name_of_its_error(name: str) -> None:
    data, error, _ = LIES[name]
    with pytest.raises(error) as expected:
        decode(data)
    with pytest.raises(ViewRefused) as caught:
        draw_caged(data, NUMBERS, SETTINGS)
    assert (caught.value.code, str(caught.value)) == (error.code, str(expected.value))


def test_a_view_that_does_not_fit_the_signal_is_refused_by_name() -> None:
    spec = NUMBERS.model_copy(update={"region": (0.0, 0.0, 1e6, 1e6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)})
    with pytest.raises(ViewRefused) as caught:
        draw_caged(FILES[0], spec, SETTINGS)
    assert caught.value.code == "invalid_view"


LARGE = encode(random_representation((1000, 1000)))


def test_memory_beyond_the_budget_is_refused_by_name() -> None:
    spec = NUMBERS.model_copy(update={"scale": 4.0})
    with pytest.raises(ViewRefused, match="smaller") as caught:
        draw_caged(LARGE, spec, WorkerSettings(drawing_memory_bytes=128 << 20))
    assert caught.value.code == "out_of_memory"


def test_time_beyond_the_budget_is_refused_by_name() -> None:
    spec = RenderSpec(view=View.GRADIENT, format=RenderFormat.NPY, scale=2.0)
    with pytest.raises(ViewRefused, match="smaller") as caught:
        draw_caged(LARGE, spec, WorkerSettings(drawing_seconds=0.05))
    assert caught.value.code == "view_too_costly"


@pytest.mark.parametrize(
    "lie", [b"", b"x", b"-", b"-[]", b"-{}", b'-{"code": "A b", "message": ""}', b"-\xff", b"-" + b"[" * 99_999]
)
def test_a_drawer_that_was_taken_over_is_not_believed(lie: bytes) -> None:
    with pytest.raises(ViewRefused) as caught:
        drawn_of(memoryview(lie), NUMBERS)
    assert caught.value.code == "view_too_costly"


def test_no_control_characters_come_out() -> None:
    with pytest.raises(ViewRefused, match=r"^ab$"):
        drawn_of(memoryview(b'-{"code": "corrupt_file", "message": "a\\u001b\\u0000b"}'), NUMBERS)
