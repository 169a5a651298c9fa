"""Which views may be asked for, and how large they are."""

import pytest

from store.render_spec import MAX_PRODUCTS, MAX_SAMPLES, RenderFormat, RenderSpec, View

PICTURE = (20, 30)  # height, width


def spec(view: View = View.RECONSTRUCTION, **more: object) -> RenderSpec:
    return RenderSpec.model_validate({"view": view, "format": RenderFormat.PNG, **more})


@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ({}, (20, 30)),
        ({"scale": 2.5}, (50, 75)),
        ({"scale": 0.001}, (1, 1)),
        ({"region": (1.5, 2.0, 10.0, 4.0)}, (4, 10)),
        ({"region": (0.0, 0.0, 30.0, 0.25), "scale": 4.0}, (1, 120)),
    ],
)
def test_the_size_of_a_view(asked: dict[str, object], shape: tuple[int, ...]) -> None:
    assert spec(View.RECONSTRUCTION, **asked).shape(PICTURE) == shape


def test_a_region_is_named_x_first() -> None:
    assert spec(region=(1.0, 2.0, 10.0, 4.0)).spans(PICTURE) == [(2.0, 4.0), (1.0, 10.0)]


@pytest.mark.parametrize("region", [(0, 0, 31, 20), (0, 0, 0, 1), (25, 0, 6, 1), (0, 19.5, 1, 1), (0, 1), (1, 2, 3)])
def test_a_region_lies_within_the_signal(region: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="region"):
        spec(region=region).spans(PICTURE)


def test_cost_is_bounded_by_samples_and_by_weights() -> None:
    side = int(MAX_SAMPLES[View.RECONSTRUCTION] ** 0.5)
    spec().check_cost((side, side), products=1)
    with pytest.raises(ValueError, match="at most"):
        spec().check_cost((side + 1, side), products=1)
    with pytest.raises(ValueError, match="at most"):
        spec(View.GRADIENT).check_cost((side, side), products=1)
    with pytest.raises(ValueError, match="at most 1024 "):
        spec().check_cost((side, side), products=MAX_PRODUCTS // 1024)
