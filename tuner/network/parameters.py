"""What the numbers of every kind of network have in common, as plain arrays.

The edge between the parts of the library: a fit produces parameters, a representation evaluates them, the codec turns
them into bytes. No torch here, so that reading a file needs none. All weights are in effective units, sin(W s + b):
the factor omega_hidden of the published code is already inside.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tuner.errors import ConfigError
from tuner.shapes import FloatArray, IntArray

# Quantisation step of a whole tensor, or one for each of its rows.
Step = float | tuple[float, ...]
# Quantisation steps of all tensors, in the order of the file.
Steps = tuple[Step, ...]


@runtime_checkable
class Parameters(Protocol):
    """All numbers of one network, of whatever kind."""

    @property
    def kind(self) -> str:
        """Kind of network, in a word: sines or wavelets."""

    @property
    def dimensions(self) -> int:
        """Number of coordinates of a point, D."""

    @property
    def channels(self) -> int:
        """Number of values at a point, C."""

    @property
    def weight_count(self) -> int:
        """Number of scalars that a fit may change, latents among them."""

    @property
    def latent_count(self) -> int:
        """Number of latents, the integer coefficients of wavelets; 0 if the network has none."""

    @property
    def period(self) -> float:
        """Length after which the input sines repeat, p, in units of the coordinates."""

    @property
    def frequencies(self) -> IntArray:
        """Input frequencies K, int32 (M, D), in cycles per period."""

    @property
    def hidden(self) -> "tuple[HiddenLayer, ...]":
        """Hidden sine layers, first to last, at least one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HiddenLayer:
    """One hidden layer h = sin(W s + b).

    Attributes:
        weight: matrix W, float32 (H, M), with one column for each input of the layer.
        bias: phases b of the neurons, float32 (H,), in radians.
        bounds: largest magnitude c[j] that each column of W may have, float32 (M,); None if the columns are free.

    Raises:
        ConfigError: if the shapes or the dtypes do not fit together.
    """

    weight: FloatArray
    bias: FloatArray
    bounds: FloatArray | None = None

    def __post_init__(self) -> None:
        expect_array("hidden weight", self.weight, (self.weight.shape[0], self.weight.shape[-1]), np.float32)
        expect_array("hidden bias", self.bias, self.weight.shape[:1], np.float32)
        if self.bounds is not None:
            expect_array("bounds", self.bounds, self.weight.shape[1:], np.float32)


def are_same(one: Any, other: Any) -> bool:
    """Whether two networks hold the same numbers, so that they have the same values everywhere.

    Args:
        one: parameters of a network of any kind, or a part of them.
        other: what they are held against.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(are_same, one, other))
    if is_dataclass(one):
        return all(are_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    return bool(one == other)


def expect_array(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    """Hold an array to a shape and a dtype.

    Raises:
        ConfigError: if it has another one.
    """
    if array.shape != shape or array.dtype != dtype:
        raise ConfigError(
            f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}: "
            "the arrays of one network must fit together"
        )
