"""What tests of the library lean on: no call of it gets by with what its annotations do not allow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float32, Int64, TypeCheckError

from tests.annotations import with_checks
from tuner.metrics import psnr_db
from tuner.signal.grid import Grid

Row = Float32[np.ndarray, " n"]
ROW = np.zeros(3, np.float32)


@with_checks
def summed(first: Row, second: Row | None = None, scale: float = 1.0) -> Float32[np.ndarray, " n"]:
    """Right unless the scale is zero, when it gives back too much."""
    total = scale * (first if second is None else first + second)
    return total if scale else np.zeros(1 + len(first), np.float32)


@with_checks
def named(number: int) -> str:
    """Right unless the number is below zero."""
    return str(number) if number >= 0 else number  # type: ignore[return-value]


@with_checks
def counted(shape: tuple[int, ...]) -> Iterator[Int64[np.ndarray, "..."]]:
    """Right for every shape."""
    yield np.zeros(shape, np.int64)


@with_checks
@dataclass(frozen=True)
class Pair:
    first: Row
    second: Row


def test_what_is_as_annotated_goes_through() -> None:
    assert summed(ROW, ROW, scale=2).shape == (3,)
    assert summed(np.zeros(4, np.float32)).shape == (4,), "names of dimensions are those of one call"
    assert (named(3), next(counted((2,))).shape, Pair(ROW, ROW).first.shape) == ("3", (2,), (3,))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (summed, (np.zeros(3), None)),
        (summed, (np.zeros((3, 1), np.float32), None)),
        (summed, (ROW, np.zeros(4, np.float32))),
        (summed, (ROW, None, 0.0)),
        (summed, (ROW, None, "twice")),
        (named, ("3",)),
        (named, (3.0,)),
        (named, (-1,)),
        (Pair, (ROW, np.zeros(4, np.float32))),
        (Pair, (ROW, None)),
        (psnr_db, (ROW, np.zeros(3))),
        (Grid, ((3.5,), 2.0)),
    ],
)
def test_what_is_not_is_refused(function: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeCheckError):
        function(*arguments)
