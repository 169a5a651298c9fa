"""A representation as named arrays and a few facts: what all exports are made of.

Arrays of a plain network: frequencies, phases, then `hidden.0.weight`, `hidden.0.bias`, ..., `readout.weight`,
`readout.bias`. Of a line cut into windows it is the network that they share, and the outputs of all windows stand one
after the other. A wavelet network has no phases, but `latents` (channels, *grid), the nodes of the cubic splines
through the samples of its fields, `skip.weight`, and `gains` (M), `stencils` (V, offsets) and `offsets` (offsets, D) as
in `tuner.network.wavelets.differences`.
"""

import json
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from safetensors.numpy import save

from tuner.errors import ConfigError
from tuner.network.parameters import Parameters
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import WindowedParameters
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets.differences import offsets, stencils
from tuner.network.wavelets.fields import spline_nodes
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation


def named_arrays(representation: Representation) -> dict[str, np.ndarray]:
    """All numbers of the network; float32, the frequencies int32."""
    own, network = _own(representation.parameters)
    arrays: dict[str, np.ndarray] = {"frequencies": network.frequencies, **own.arrays}
    for number, layer in enumerate(network.hidden):
        arrays[f"hidden.{number}.weight"] = layer.weight
        arrays[f"hidden.{number}.bias"] = layer.bias
    arrays["readout.weight"] = network.readout_weight
    arrays["readout.bias"] = network.readout_bias
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def facts(representation: Representation) -> dict[str, object]:
    """What the arrays do not say: period, grid, kind, colours of the latents, how windows make a line."""
    own, _ = _own(representation.parameters)
    return {
        "architecture": own.architecture,
        "kind": representation.kind.value,
        "grid_shape": list(representation.grid_shape),
        "sample_format": representation.sample_format.value,
        "period": representation.parameters.period,
        "colours": own.colours,
        "windows": own.windows,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Own:
    """What one kind of network has beside the layers.

    Attributes:
        architecture: name of the kind of network.
        arrays: arrays that only this kind has.
        colours: number of colours of the latents; None where there are none.
        windows: number, length and samples of the windows of a line; None where it is not cut.
    """

    architecture: str
    arrays: dict[str, np.ndarray]
    colours: int | None = None
    windows: dict[str, int] | None = None


@singledispatch
def _own(parameters: Parameters) -> tuple[_Own, SineParameters | WaveletParameters]:
    """What the kind of a network has of its own, and the network that holds the layers."""
    raise ConfigError(f"the parameters are {type(parameters).__name__}, which no export writes")


@_own.register
def _(parameters: SineParameters) -> tuple[_Own, SineParameters]:
    return _Own(architecture="sines", arrays={"phases": parameters.phases}), parameters


@_own.register
def _(parameters: WindowedParameters) -> tuple[_Own, SineParameters | WaveletParameters]:
    own, network = _own(parameters.network)
    windows = {"count": parameters.windows, "length": parameters.window, "samples": parameters.samples}
    return replace(own, windows=windows), network


@_own.register
def _(parameters: TiledParameters) -> tuple[_Own, WaveletParameters]:
    raise ConfigError(
        f"the signal is in {parameters.grid.tiles} tiles, each with a network of its own, expected a signal of one "
        "network: cut it first, and export the fit of a part"
    )


@_own.register
def _(parameters: WaveletParameters) -> tuple[_Own, WaveletParameters]:
    arrays = {
        "latents": spline_nodes(parameters),
        "skip.weight": parameters.skip,
        "gains": parameters.gains,
        "stencils": stencils(parameters.dimensions),
        "offsets": np.array(offsets(parameters.dimensions), dtype=np.int32),
    }
    return _Own(architecture="wavelets", arrays=arrays, colours=parameters.layout.colours), parameters


def to_safetensors(representation: Representation) -> bytes:
    """A .safetensors file: the arrays, and the facts as JSON under the key `tuner` of its metadata."""
    data: bytes = save(named_arrays(representation), metadata={"tuner": json.dumps(facts(representation))})
    return data
