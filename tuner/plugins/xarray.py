"""xarray opens .tnr files, `xarray.open_dataset("scan.tnr")`.

Samples have names of their axes, and positions where the file knows them. They are computed where they are asked for,
and with `chunks=` by dask.
"""

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from xarray import Dataset, Variable
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from tuner.codec.encode import EXTENSION
from tuner.codec.file.header import MAGIC
from tuner.plugins.glance import Glance
from tuner.plugins.lazy_samples import LazySamples
from tuner.signal.details import AudioDetails, DistanceDetails, VideoDetails, VolumeDetails, details_to_map
from tuner.signal.kind import SignalKind

NAME: Final = "samples"
_CHANNEL: Final = "channel"
_AXES: Final = {
    SignalKind.IMAGE: ("y", "x"),
    SignalKind.AUDIO: ("time",),
    SignalKind.VIDEO: ("time", "y", "x"),
    SignalKind.DISTANCE: ("x", "y", "z"),
}


class TunerBackend(BackendEntrypoint):
    """Opens a .tnr file as a data set with one variable, `samples`."""

    description: ClassVar[str] = "Compressed neural representations (.tnr)"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", "drop_variables")

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None) -> Dataset:
        """Open a file; its network is not decoded yet.

        Args:
            filename_or_obj: path of the file, its bytes, or an open binary file.
            drop_variables: names of variables to leave out.

        Returns:
            The samples, their coordinates, and what else the file says as attributes.

        Raises:
            FormatError: if the file cannot be read.
        """
        source = fspath(filename_or_obj) if isinstance(filename_or_obj, PathLike) else filename_or_obj
        samples = LazySamples(source)
        facts = samples.facts
        axes = _axes(facts)
        names = axes if facts.channels == 1 else (*axes, _CHANNEL)
        variables = {NAME: Variable(names, indexing.LazilyIndexedArray(_Samples(samples)), _attributes(facts))}
        dropped = {drop_variables} if isinstance(drop_variables, str) else set(drop_variables or ())
        coordinates = {name: Variable((name,), places) for name, places in _coordinates(facts, axes).items()}
        return Dataset(
            {name: one for name, one in variables.items() if name not in dropped},
            {name: one for name, one in coordinates.items() if name not in dropped},
        )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this is a .tnr file, by its name or its first bytes."""
        if isinstance(filename_or_obj, str | PathLike):
            return Path(filename_or_obj).suffix == EXTENSION
        return isinstance(filename_or_obj, bytes) and filename_or_obj.startswith(MAGIC)


class _Samples(BackendArray):
    """What xarray asks for samples through."""

    def __init__(self, samples: LazySamples) -> None:
        self.samples, self.shape, self.dtype = samples, samples.shape, samples.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        ask = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, ask, self.samples.__getitem__)


def _axes(facts: Glance) -> tuple[str, ...]:
    count = len(facts.grid_shape)
    if len(_AXES.get(facts.kind, ())) == count:
        return _AXES[facts.kind]
    # Of a volume with a place in space the axes of voxels go by i, j, k: they may lie at any angle to x, y and z.
    if facts.kind is SignalKind.VOLUME:
        return ("i", "j", "k", "time")[:count]
    return tuple(f"axis_{axis}" for axis in range(count))


def _coordinates(facts: Glance, axes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Positions along those axes where the file knows them."""
    details, shape = facts.metadata.details, facts.grid_shape
    if isinstance(details, AudioDetails):
        return {"time": np.arange(shape[0]) / details.sample_rate}
    if isinstance(details, VideoDetails):
        if len(details.times) == shape[0] > 1:
            return {"time": np.array(details.times) * (details.tick[0] / details.tick[1])}
        return {"time": np.arange(shape[0]) * (details.rate[1] / details.rate[0])}
    if isinstance(details, DistanceDetails):
        return {
            axis: first + step * np.arange(count)
            for axis, first, step, count in zip(axes, details.origin, details.spacing, shape, strict=True)
        }
    if isinstance(details, VolumeDetails) and len(shape) == 4:
        return {"time": details.time_offset + details.time_step * np.arange(shape[3])}
    return {}


def _attributes(facts: Glance) -> dict[str, Any]:
    """What the file says beside its samples, flat, so that it can be written to other files."""
    details = facts.metadata.details
    attributes: dict[str, Any] = {"kind": facts.kind.value, "sample_format": facts.sample_format.value}
    if details is not None:
        attributes |= {name: list(v) if isinstance(v, tuple) else v for name, v in details_to_map(details).items()}
    return attributes | {f"report_{name}": value for name, value in facts.metadata.report.items()}
