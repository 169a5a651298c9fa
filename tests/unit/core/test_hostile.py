"""Bytes that no encoder wrote: a documented error within the limits, or integers; never anything else."""

import numpy as np
import pytest

from tests.unit.core.layouts import random_integers, random_layout
from tuner.core.host import LARGEST_VALUE, Layout, Limits, decode, encode
from tuner.errors import ConfigError, CorruptFile, LimitExceeded

_LIMITS = Limits(work=10_000_000, memory=64 << 20)


def _decode(coded: bytes, layout: Layout) -> str:
    try:
        decode(coded, layout, _LIMITS)
    except (CorruptFile, LimitExceeded) as error:
        return type(error).__name__
    return "decoded"


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_random_bytes_give_integers_or_an_error(axes: int) -> None:
    random = np.random.default_rng(axes)
    found = {_decode(random.bytes(int(random.integers(200))), random_layout(random, axes)) for _ in range(40)}
    assert "CorruptFile" in found


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_mutated_bytes_give_integers_or_an_error(axes: int) -> None:
    random = np.random.default_rng([axes, 1])
    for _ in range(15):
        layout = random_layout(random, axes)
        coded = bytearray(encode(random_integers(random, layout), layout))
        for _ in range(4):
            mutated = coded.copy()
            for _ in range(int(random.integers(1, 4))):
                if mutated:
                    mutated[int(random.integers(len(mutated)))] = int(random.integers(256))
            _decode(bytes(mutated), layout)
            _decode(bytes(mutated), random_layout(random, axes))


def test_missing_bytes_are_noticed() -> None:
    layout = Layout((40, 40), colours=3, scales=3)
    coded = encode(np.random.default_rng(0).integers(-9, 10, size=layout.integers(), dtype=np.int32), layout)
    with pytest.raises(CorruptFile, match="end before the last integer"):
        decode(coded[: len(coded) // 2], layout)


def test_bytes_too_many_are_noticed() -> None:
    layout = Layout((40, 40), colours=3, scales=3)
    coded = encode(np.random.default_rng(0).integers(-9, 10, size=layout.integers(), dtype=np.int32), layout)
    with pytest.raises(CorruptFile, match="left over"):
        decode(coded + b"\x00", layout)


def test_integers_too_large_are_noticed() -> None:
    """The largest integer is the last one of its step: some change of its code is one step more."""
    layout = Layout((4,), colours=1, scales=1)
    integers = np.zeros(layout.integers(), dtype=np.int32)
    integers[0] = LARGEST_VALUE
    coded, found = encode(integers, layout), set()
    for place in range(len(coded)):
        for byte in range(256):
            try:
                assert np.abs(decode(coded[:place] + bytes([byte]) + coded[place + 1 :], layout)).max() <= LARGEST_VALUE
            except CorruptFile as error:
                found.add(str(error).partition(":")[0])
    assert "an integer is larger than 2^29" in found


@pytest.mark.parametrize(
    "layout",
    [
        Layout((), 1, 1),
        Layout((2,) * 5, 1, 1),
        Layout((8, 0), 1, 1),
        Layout((8, -1), 1, 1),
        Layout((8, 1 << 29), 1, 1),
        Layout((1 << 40,), 1, 1),
        Layout((8, 8), 0, 1),
        Layout((8, 8), 256, 1),
        Layout((8, 8), 1, 0),
        Layout((8, 8), 1, 17),
        Layout((1 << 14,) * 4, 255, 2),
        Layout((1 << 28, 1 << 28), 1, 1),
    ],
)
def test_layouts_out_of_range_are_refused(layout: Layout) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 4 axes"):
        decode(b"", layout, Limits(memory=64 << 20))


@pytest.mark.parametrize("samples", [(1 << 27,), (1 << 13, 1 << 13), (1 << 9, 1 << 9, 1 << 9), (1 << 20, 2, 2, 2)])
def test_more_memory_than_allowed_is_refused_before_it_is_taken(samples: tuple[int, ...]) -> None:
    with pytest.raises(LimitExceeded, match="memory"):
        decode(b"\x00" * 80, Layout(samples, 1, 1), Limits(memory=16 << 20))


def test_memory_too_small_for_the_module_is_a_limit_too() -> None:
    with pytest.raises(LimitExceeded, match="memory"):
        decode(b"", Layout((8, 8), 1, 1), Limits(memory=1 << 10))


def test_more_work_than_allowed_is_stopped() -> None:
    layout = Layout((64, 64), colours=1, scales=3)
    coded = encode(np.ones(layout.integers(), dtype=np.int32), layout)
    with pytest.raises(LimitExceeded, match="work"):
        decode(coded, layout, Limits(work=10_000))
    with pytest.raises(LimitExceeded, match="work"):
        encode(np.ones(layout.integers(), dtype=np.int32), layout, Limits(work=10_000))


def test_work_is_that_of_the_layout_even_where_next_to_nothing_is_coded() -> None:
    """Each row counts by its nodes, of which 32 are told at once."""
    layout = Layout((4, 1 << 17), colours=1, scales=1)
    coded = encode(np.zeros(layout.integers(), dtype=np.int32), layout)
    with pytest.raises(LimitExceeded, match="work"):
        decode(coded, layout, Limits(work=layout.integers() // 2))
    assert not decode(coded, layout, Limits(work=2 * layout.integers())).any()


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_limits_by_default_are_enough_for_any_integers(axes: int) -> None:
    """Of the dearest kind: large, without order, none zero."""
    layout = Layout({1: (6000,), 2: (70, 80), 3: (18, 17, 19), 4: (8, 9, 8, 9)}[axes], colours=2, scales=2)
    random = np.random.default_rng(axes)
    for largest in (2, 200, 1 << 29):
        integers = random.integers(-largest, largest, size=layout.integers(), dtype=np.int32)
        assert np.array_equal(decode(encode(integers, layout), layout), integers)
