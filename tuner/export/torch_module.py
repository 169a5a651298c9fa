"""A representation as one Python file that needs torch and nothing else: `Representation().forward(coords)`.

The file carries its weights as base64. It is meant to be read, differentiated and trained further.
"""

import base64
import json

from tuner.export.tensors import facts, named_arrays
from tuner.representation import Representation

_TEMPLATE = '''"""A signal as a sinusoidal network, written by tuner: `Representation()(coords)` gives its values.

coords: (points, {dimensions}), the signal covers [-1, 1] along every axis; values: (points, {channels}),
a signal's samples lie in [0, 1]. Sample i of an axis of N is at (2 i + 1) / N - 1.
"""

import base64
import json
import math

import torch
from torch import Tensor, nn

FACTS = json.loads("""{facts}""")


class Representation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, (shape, data) in WEIGHTS.items():
            values = torch.frombuffer(bytearray(base64.b64decode(data)), dtype=torch.float32).reshape(shape)
            name = name.replace(".", "_")
            if name in ("frequencies", "gains", "stencils", "offsets"):
                self.register_buffer(name, values)
            else:
                self.register_parameter(name, nn.Parameter(values))

    def forward(self, coords: Tensor) -> Tensor:
        if FACTS["windows"] is not None:
            coords, window = self._in_window(coords)
        angles = coords @ (self.frequencies * (2.0 * math.pi / FACTS["period"])).T
        if FACTS["architecture"] == "sines":
            hidden, latents = torch.sin(angles + self.phases), None
        else:
            latents = self._splines(coords)
            hidden = torch.cat([torch.sin(angles), torch.cos(angles), self._inputs(latents, coords)], 1)
        layer = 0
        while hasattr(self, f"hidden_{{layer}}_weight"):
            weight, bias = getattr(self, f"hidden_{{layer}}_weight"), getattr(self, f"hidden_{{layer}}_bias")
            hidden, layer = torch.sin(hidden @ weight.T + bias), layer + 1
        if FACTS["windows"] is not None:
            weight = self.readout_weight.reshape(FACTS["windows"]["count"], -1, hidden.shape[1])[window]
            bias = self.readout_bias.reshape(FACTS["windows"]["count"], -1)[window]
            return (weight @ hidden[:, :, None])[:, :, 0] + bias
        values = hidden @ self.readout_weight.T + self.readout_bias
        return values if latents is None else values + latents @ self.skip_weight.T

    def _in_window(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates in the window that a point lies in, and its number; in double, for there are many windows."""
        windows = FACTS["windows"]
        position = (coords.double() + 1.0) * (windows["samples"] / (2.0 * windows["length"]))
        window = torch.floor(position + 1e-9).clamp(0, windows["count"] - 1)
        return (2.0 * (position - window) - 1.0).to(coords.dtype), window[:, 0].long()

    def _inputs(self, latents: Tensor, coords: Tensor) -> Tensor:
        """Fields of the first colour, sums of the others, and differences of the first one's sum around each point."""
        fields = latents.unflatten(1, (-1, FACTS["colours"]))
        samples = torch.tensor(FACTS["grid_shape"], dtype=coords.dtype, device=coords.device)
        last = 1.0 - 1.0 / samples
        seen = []
        for offset in self.offsets:
            moved = (coords.clamp(-last, last) + 2.0 * offset / samples).clamp(-last, last)
            seen.append(self._splines(moved)[:, :: FACTS["colours"]].sum(1))
        differences = torch.stack(seen, 1) @ self.stencils.T
        return torch.cat([fields[:, :, 0], fields[:, :, 1:].sum(1), differences], 1) * self.gains

    def _splines(self, coords: Tensor) -> Tensor:
        """Cubic B-splines with a node at every sample: a point reads four along each axis, axis by axis."""
        grid = self.latents.movedim(0, -1)
        corners = [(torch.zeros(len(coords), dtype=torch.long, device=coords.device), torch.ones_like(coords[:, 0]))]
        for axis, samples in enumerate(FACTS["grid_shape"]):
            position = (coords[:, axis] + 1.0) * (samples / 2.0) - 0.5
            first = torch.floor(position)
            r = position - first
            shares = ((1 - r) ** 3, 4 + r**2 * (3 * r - 6), 1 + 3 * r * (1 + r - r**2), r**3)
            nodes = [(first.long() + tap - 1).clamp(0, grid.shape[axis] - 1) for tap in range(4)]
            corners = [
                (index * grid.shape[axis] + node, weight * share / 6.0)
                for index, weight in corners
                for node, share in zip(nodes, shares)
            ]
        flat = grid.reshape(-1, grid.shape[-1])
        return sum(flat[index] * weight[:, None] for index, weight in corners)


WEIGHTS = json.loads("""{weights}""")
'''


def to_torch_module(representation: Representation) -> str:
    """The text of the Python file."""
    weights = {
        name: [list(array.shape), base64.b64encode(array.astype("<f4").tobytes()).decode()]
        for name, array in named_arrays(representation).items()
    }
    return _TEMPLATE.format(
        dimensions=representation.parameters.dimensions,
        channels=representation.channels,
        facts=json.dumps(facts(representation)),
        weights=json.dumps(weights, indent=0),
    )
