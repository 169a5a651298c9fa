"""napari opens .tnr files, each as one layer.

Pictures, volumes, videos and distance fields are computed as they are looked at. The manifest beside this file says to
napari that they are read: where the library is installed, a file dropped on the window, `napari scan.tnr` and
`viewer.open("scan.tnr", plugin="tuner-neural")` work.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tuner.codec.encode import EXTENSION
from tuner.errors import FormatError
from tuner.plugins.glance import Glance
from tuner.plugins.lazy_samples import LazySamples
from tuner.signal.details import DistanceDetails, VideoDetails, VolumeDetails, details_to_map
from tuner.signal.kind import SignalKind
from tuner.signal.samples import Storage

Layer = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[Layer]] | None:
    """A reader, or None if this is no file of ours, or a sound, which is nothing to look at.

    Args:
        path: path of a file, or a list of paths.
    """
    paths = [path] if isinstance(path, str) else path
    try:
        kinds = [LazySamples(one).facts for one in paths if Path(one).suffix == EXTENSION]
    except (FormatError, OSError):
        return None
    if len(kinds) < len(paths) or any(len(facts.grid_shape) < 2 for facts in kinds):
        return None
    return read_layers


def read_layers(path: str | list[str]) -> list[Layer]:
    """One image layer for each file; nothing is decoded before it is shown.

    Args:
        path: path of a file, or a list of paths.

    Returns:
        Samples, what napari is told of them, and the kind of layer.

    Raises:
        FormatError: if a file cannot be read.
    """
    return [_layer(Path(one)) for one in ([path] if isinstance(path, str) else path)]


def _layer(path: Path) -> Layer:
    samples = LazySamples(path)
    facts = samples.facts
    shown: dict[str, Any] = {"name": path.stem, "scale": _steps(facts)}
    details = facts.metadata.details
    shown["metadata"] = {"kind": facts.kind.value, "report": dict(facts.metadata.report)}
    if details is not None:
        shown["metadata"] |= details_to_map(details)
    if isinstance(details, DistanceDetails):
        shown["translate"] = details.origin
    colours = facts.kind in {SignalKind.IMAGE, SignalKind.VIDEO} and facts.channels in {3, 4}
    if facts.channels > 1:
        shown |= {"rgb": True} if colours else {"channel_axis": len(facts.grid_shape)}
    elif len(facts.grid_shape) > 2:
        shown["rgb"] = False  # or a last axis of three samples would be taken for colours
    if not colours and (limits := _limits(facts)) is not None:
        shown["contrast_limits"] = limits  # or napari would compute samples to find them
    # Channels are cut apart by napari, which needs them as they are.
    return (samples[()] if "channel_axis" in shown else samples), shown, "image"


def _steps(facts: Glance) -> tuple[float, ...]:
    """Distances between samples along each axis, 1 where nothing is known."""
    details, axes = facts.metadata.details, len(facts.grid_shape)
    steps = [1.0] * axes
    if isinstance(details, DistanceDetails):
        steps = list(details.spacing)
    elif isinstance(details, VideoDetails):
        steps[0] = details.rate[1] / details.rate[0]
    elif isinstance(details, VolumeDetails) and details.affine is not None:
        lengths = np.linalg.norm(np.array(details.affine).reshape(4, 4)[:3, :3], axis=0).tolist()
        steps = [*lengths, details.time_step][:axes]
    return tuple(step if step > 0 else 1.0 for step in steps)


def _limits(facts: Glance) -> tuple[float, float] | None:
    """Stored samples to be shown as black and as white, or None if only the samples could say."""
    storage = Storage(facts.sample_format, facts.metadata.scaling)
    if facts.metadata.scaling is None and not facts.sample_format.is_integer:
        return None
    low = storage.effective.offset
    if facts.metadata.scaling is None and facts.sample_format.least < 0:
        low = float(facts.sample_format.least)
    return low, storage.effective.offset + storage.effective.scale
