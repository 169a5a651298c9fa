"""A representation as named arrays and a few facts: what all exports are made of.

Arrays of a plain network: frequencies, phases, then `hidden.0.weight`, `hidden.0.bias`, ..., `readout.weight`,
`readout.bias`. Of a line cut into windows it is the network that they share, and the outputs of all windows stand one
after the other. A modulated one has no phases, but `latents.0`, ... (channels, *nodes), the nodes of
cubic splines, and `skip.weight`; if it sees differences, also `gains` (M), `stencils` (V, offsets) and `offsets`
(offsets, D) as in `tuner.network.wavelets.differences`.
"""

import json

import numpy as np
from safetensors.numpy import save

from tuner.network.sines.windows import WindowedParameters
from tuner.network.wavelets.differences import offsets, stencils
from tuner.network.wavelets.fields import spline_fields
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation


def named_arrays(representation: Representation) -> dict[str, np.ndarray]:
    """All numbers of the network; float32, the frequencies int32."""
    parameters = representation.parameters
    arrays: dict[str, np.ndarray] = {"frequencies": parameters.frequencies}
    if isinstance(parameters, WaveletParameters):
        arrays |= {f"latents.{number}": field.nodes for number, field in enumerate(spline_fields(parameters))}
        arrays["skip.weight"] = parameters.skip
        if parameters.sees_differences:
            arrays["gains"] = parameters.gains
            arrays["stencils"] = stencils(parameters.dimensions)
            arrays["offsets"] = np.array(offsets(parameters.dimensions), dtype=np.int32)
    else:
        parameters = representation.sine_parameters
        arrays["phases"] = parameters.phases
    for number, layer in enumerate(parameters.hidden):
        arrays[f"hidden.{number}.weight"] = layer.weight
        arrays[f"hidden.{number}.bias"] = layer.bias
    arrays["readout.weight"] = parameters.readout_weight
    arrays["readout.bias"] = parameters.readout_bias
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def facts(representation: Representation) -> dict[str, object]:
    """What the arrays do not say: period, grid, kind, spacings and colours of the latents, how windows make a line."""
    parameters = representation.parameters
    return {
        "architecture": "modulated" if isinstance(parameters, WaveletParameters) else "sine",
        "kind": representation.kind.value,
        "grid_shape": list(representation.grid_shape),
        "sample_format": representation.sample_format.value,
        "period": parameters.period,
        "spacings": [field.spacing for field in spline_fields(parameters)]
        if isinstance(parameters, WaveletParameters)
        else [],
        "colours": parameters.colours
        if isinstance(parameters, WaveletParameters) and parameters.sees_differences
        else None,
        "windows": {"count": parameters.windows, "length": parameters.window, "samples": parameters.samples}
        if isinstance(parameters, WindowedParameters)
        else None,
    }


def to_safetensors(representation: Representation) -> bytes:
    """A .safetensors file: the arrays, and the facts as JSON under the key `tuner` of its metadata."""
    data: bytes = save(named_arrays(representation), metadata={"tuner": json.dumps(facts(representation))})
    return data
