import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.unit.core.layouts import random_integers, random_layout
from tuner.core.host import LARGEST_VALUE, Layout, decode, encode, subbands
from tuner.errors import ConfigError
from tuner.network.wavelets.layout import Layout as NetworkLayout


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(12))
def test_integers_come_back(axes: int, seed: int) -> None:
    random = np.random.default_rng([axes, seed])
    layout = random_layout(random, axes)
    integers = random_integers(random, layout)
    assert np.array_equal(decode(encode(integers, layout), layout), integers)


@pytest.mark.parametrize("value", [0, 1, -1, 4, 5, -6, 7, 126, 127, 128, -129, 2047, -2048, 1 << 20, LARGEST_VALUE])
def test_every_size_of_an_integer_comes_back_alone(value: int) -> None:
    layout = Layout((8, 8), colours=1, scales=1)
    for place in (0, 15, 16, 63):
        integers = np.zeros(layout.integers(), dtype=np.int32)
        integers[place] = value
        assert np.array_equal(decode(encode(integers, layout), layout), integers)


def test_codes_longer_than_the_first_room_come_back() -> None:
    layout = Layout((180, 200), colours=1, scales=2)
    integers = np.random.default_rng(3).integers(-(1 << 28), 1 << 28, size=layout.integers(), dtype=np.int32)
    coded = encode(integers, layout)
    assert len(coded) > 2 << 16
    assert np.array_equal(decode(coded, layout), integers)


@pytest.mark.parametrize("shape", [(1_000_000,), (1, 3, 700_000), (2, 2, 2, 300_000), (300_000, 1, 1, 1)], ids=str)
def test_long_rows_of_next_to_nothing_have_the_memory_that_they_need(shape: tuple[int, ...]) -> None:
    """What is kept beside integers and planes; many coded bytes would hide it."""
    layout = Layout(shape, colours=1, scales=1)
    integers = np.zeros(layout.integers(), dtype=np.int32)
    integers[:: len(integers) // 50] = 3
    assert np.array_equal(decode(encode(integers, layout), layout), integers)


def test_the_same_integers_give_the_same_bytes() -> None:
    layout = Layout((33, 21), colours=3, scales=3)
    integers = random_integers(np.random.default_rng(5), layout)
    assert encode(integers, layout) == encode(integers, layout)


def test_zeros_cost_next_to_nothing() -> None:
    layout = Layout((512, 512), colours=3, scales=5)
    assert len(encode(np.zeros(layout.integers(), dtype=np.int32), layout)) < 64


def test_a_slope_in_the_low_pass_level_is_foreseen() -> None:
    layout = Layout((128, 128), colours=1, scales=2)
    slope = np.add.outer(np.arange(32) * 3, np.arange(32) * 5).reshape(-1)
    integers = np.zeros(layout.integers(), dtype=np.int32)
    integers[: slope.size] = slope
    shuffled = integers.copy()
    shuffled[: slope.size] = np.random.default_rng(0).permutation(slope)
    assert 8 * len(encode(integers, layout)) < len(encode(shuffled, layout))


@pytest.mark.parametrize(
    ("samples", "colours", "scales"), [((100,), 2, 3), ((33, 70), 3, 5), ((5, 6, 1), 1, 2), ((3, 4, 5, 6), 2, 1)]
)
def test_layouts_are_those_of_the_network(samples: tuple[int, ...], colours: int, scales: int) -> None:
    layout, network = Layout(samples, colours, scales), NetworkLayout(samples, scales, colours)
    assert layout.integers() == network.latents
    found, first = iter(subbands(layout)), 0
    for level in network.levels:
        for position in range(level.subbands):
            band = next(found)
            assert (band.level, band.spacing, band.nodes) == (level.number, level.spacing, level.nodes)
            assert (band.first, band.field) == (first, level.field)
            assert (band.colour, band.orientation) == level.subband(position)
            first += int(np.prod(level.nodes))
    assert next(found, None) is None


def test_integers_that_do_not_fit_are_refused() -> None:
    layout = Layout((8, 8), colours=1, scales=1)
    with pytest.raises(ConfigError, match="there are 3 integers, expected 64"):
        encode(np.zeros(3, dtype=np.int32), layout)
    with pytest.raises(ConfigError, match="expected at most 2\\^29"):
        encode(np.full(64, LARGEST_VALUE + 1), layout)


def test_threads_share_the_module() -> None:
    """They compile it once, and none sees the integers of another."""
    layout = Layout((40, 33), colours=2, scales=2)
    many = [random_integers(np.random.default_rng(seed), layout) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        decoded = list(pool.map(lambda integers: decode(encode(integers, layout), layout), many))
    for before, after in zip(many, decoded, strict=True):
        assert np.array_equal(before, after)


def test_the_core_runs_where_addresses_are_few() -> None:
    """Under `ulimit -v`, where the 4 GiB of addresses that make it fast cannot be had."""
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); import numpy as np\n"
        "from tuner.core.host import Layout, decode, encode\n"
        "layout = Layout((9, 9), 1, 1)\n"
        "print(decode(encode(np.arange(layout.integers()), layout), layout).sum())"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.stderr) == ("4950\n", "")
