"""The samples of a file as an array that is computed where it is asked for.

A network gives any sample without the others, so that a slice of a volume costs a slice. The file is decoded at the
first such question, once.
"""

from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.codec.decode import decode
from tuner.codec.limits import DecodeLimits
from tuner.plugins.glance import Glance, Readable, glance
from tuner.representation import Representation
from tuner.signal.grid import Grid
from tuner.signal.samples import Storage


class LazySamples:
    """Samples as the source stored them, (*grid_shape) or, of several channels, (*grid_shape, channels).

    Indexed by integers, slices and arrays of integers, each along its own axis; axes that are left out are whole.

    Attributes:
        facts: what the file says before it is decoded.
        shape: length of each axis.
        dtype: type of a sample.
    """

    def __init__(self, source: Path | str | bytes | Readable, limits: DecodeLimits = DecodeLimits()) -> None:  # noqa: B008
        """Read what costs no decoding.

        Args:
            source: path of a .tnr file, its bytes, or an open file, which has to stay open until samples are asked for.
            limits: what the reader is ready to spend.

        Raises:
            FormatError: if it is no such file, or over a limit.
        """
        self._source, self._limits = source, limits
        self._lock = Lock()
        self._decoded: Representation | None = None
        self._start = 0
        if isinstance(source, bytes):
            self.facts: Glance = glance(BytesIO(source), limits)
        elif isinstance(source, str | Path):
            with Path(source).open("rb") as file:
                self.facts = glance(file, limits)
        else:
            self._start = source.tell()
            self.facts = glance(source, limits)
        channels = (self.facts.channels,) if self.facts.channels > 1 else ()
        self.shape: tuple[int, ...] = (*self.facts.grid_shape, *channels)
        self.dtype: np.dtype[Any] = self.facts.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        """Other processes open the file themselves."""
        if not isinstance(self._source, str | Path | bytes):
            raise TypeError("samples of an open file cannot be sent to another process: open it by its path")
        return LazySamples, (self._source, self._limits)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def representation(self) -> Representation:
        """The file, decoded.

        Raises:
            FormatError: if it cannot be read.
        """
        with self._lock:
            if self._decoded is None:
                self._decoded = decode(self._content(), self._limits)
            return self._decoded

    def _content(self) -> bytes:
        source = self._source
        if isinstance(source, bytes):
            return source
        if isinstance(source, str | Path):
            self._limits.check("file_bytes", Path(source).stat().st_size)
            return Path(source).read_bytes()
        source.seek(self._start)
        content = source.read(self._limits.file_bytes + 1)
        self._limits.check("file_bytes", len(content))
        return content

    def __getitem__(self, key: Any) -> NDArray[Any]:
        picked = self._picked(key)
        grid_shape = self.facts.grid_shape
        # Which samples of each axis are wanted, each once and in ascending order; then their places in the answer.
        wanted = [
            np.unique(np.atleast_1d(one), return_inverse=True)
            for one, _ in zip(picked, grid_shape, strict=False)  # the channels are left
        ]
        if any(places.size == 0 for _, places in wanted):
            samples = np.empty([len(indices) for indices, _ in wanted] + [self.facts.channels], self.dtype)
        else:
            representation = self.representation
            grid = Grid(grid_shape, representation.parameters.period)
            axes = [grid.axis(dimension)[indices] for dimension, (indices, _) in enumerate(wanted)]
            values = representation.values_on_grid(axes)
            samples = Storage(representation.sample_format, representation.scaling).to_samples(values)
        for dimension, (_, places) in enumerate(wanted):
            if not np.array_equal(places, np.arange(samples.shape[dimension])):
                samples = samples.take(places, axis=dimension)
        samples = samples[..., 0] if len(self.shape) == len(grid_shape) else samples[..., picked[-1]]
        single = tuple(0 if one.ndim == 0 else slice(None) for one in picked[: len(grid_shape)])
        return np.asarray(samples[single])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("samples of a representation are computed: they cannot be given without a copy")
        return self[()].astype(dtype or self.dtype, copy=False)

    def _picked(self, key: Any) -> list[NDArray[np.int64]]:
        """Indices along every axis, each of no or of one dimension.

        Raises:
            IndexError: if there are too many, or one is out of range or of another kind.
        """
        parts = list(key) if isinstance(key, tuple) else [key]
        if places := [place for place, part in enumerate(parts) if part is Ellipsis]:
            missing = self.ndim - len(parts) + 1
            parts[places[0] : places[0] + 1] = [slice(None)] * max(0, missing)
        parts += [slice(None)] * (self.ndim - len(parts))
        if len(parts) > self.ndim or any(part is None or part is Ellipsis for part in parts):
            raise IndexError(f"the index is {key}, expected at most {self.ndim} integers, slices or arrays of integers")
        picked = [np.asarray(np.arange(length)[part]) for length, part in zip(self.shape, parts, strict=True)]
        if any(one.ndim > 1 for one in picked):
            raise IndexError(f"the index is {key}, expected arrays of one dimension at most")
        return picked
