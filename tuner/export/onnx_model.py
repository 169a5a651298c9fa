"""A representation as an ONNX model: input `coords` (points, D), output `values` (points, C), both float32.

Only operators of opset 17 that every runtime has. The splines of a wavelet network are written out: floor, clip,
gather. Needs the extra `export`.
"""

import json
from functools import singledispatch
from math import pi

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tuner.errors import ConfigError
from tuner.export.tensors import facts
from tuner.network.parameters import Parameters
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import WindowedParameters
from tuner.network.wavelets.differences import offsets, stencils
from tuner.network.wavelets.fields import spline_nodes
from tuner.network.wavelets.inputs import brightness_nodes
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.splines import TAPS
from tuner.representation import Representation
from tuner.shapes import FloatArray

_OPSET = 17
# What onnxruntime of 2022 and later reads.
_IR_VERSION = 8


def to_onnx(representation: Representation) -> bytes:
    """A checked ONNX model."""
    said = json.dumps(facts(representation))  # first: what no export writes is refused there
    parameters, graph = representation.parameters, _Graph()
    values = _values(parameters, graph)
    graph.nodes.append(helper.make_node("Identity", [values], ["values"]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "representation",
            [helper.make_tensor_value_info("coords", TensorProto.FLOAT, ["points", parameters.dimensions])],
            [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["points", representation.channels])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="tuner",
    )
    helper.set_model_props(model, {"tuner": said})
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


@singledispatch
def _values(parameters: Parameters, graph: "_Graph") -> str:  # noqa: ARG001  what all kinds take
    """Append what turns coordinates into values; return the name of the values."""
    raise ConfigError(f"the parameters are {type(parameters).__name__}, which no export writes")


@_values.register(SineParameters)
def _(parameters: SineParameters, graph: "_Graph") -> str:
    hidden = _sines(graph, parameters, "coords")
    return graph.linear(hidden, parameters.readout_weight, parameters.readout_bias)


@_values.register(WindowedParameters)
def _(parameters: WindowedParameters, graph: "_Graph") -> str:
    coords, window = _in_window(graph, parameters)
    hidden = _sines(graph, parameters.network, coords)
    return _of_window(graph, hidden, window, parameters.network, parameters.channels)


@_values.register(WaveletParameters)
def _(parameters: WaveletParameters, graph: "_Graph") -> str:
    # Sines, fields and what is around them, and the skip past the layers.
    angles = graph.add("MatMul", "coords", graph.constant(_angular(parameters)))
    nodes = spline_nodes(parameters)
    latents = _splines(graph, _table(graph, nodes), parameters.grid_shape, "coords")
    turning = _inputs(graph, parameters, nodes, latents)
    hidden = graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), turning, axis=1)
    hidden = _layers(graph, parameters, hidden)
    values = graph.linear(hidden, parameters.readout_weight, parameters.readout_bias)
    return graph.add("Add", values, graph.add("MatMul", latents, graph.constant(parameters.skip.T)))


def _sines(graph: "_Graph", network: SineParameters, coords: str) -> str:
    """The last hidden layer of a network of sines."""
    angles = graph.add("MatMul", coords, graph.constant(_angular(network)))
    hidden = graph.add("Sin", graph.add("Add", angles, graph.constant(network.phases)))
    return _layers(graph, network, hidden)


def _angular(parameters: Parameters) -> FloatArray:
    return (parameters.frequencies * (2.0 * pi / parameters.period)).T.astype(np.float32)


def _layers(graph: "_Graph", parameters: Parameters, hidden: str) -> str:
    for layer in parameters.hidden:
        hidden = graph.add("Sin", graph.linear(hidden, layer.weight, layer.bias))
    return hidden


class _Graph:
    """Nodes and constants, named by number."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: int) -> str:
        """Append a node with one output; return the output's name."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], None, None, None, None, **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        """Append a constant; return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, value: float) -> str:
        """A scalar float."""
        return self.constant(np.array(value, dtype=np.float32))

    def linear(self, inputs: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """W x + b for row vectors."""
        return self.add("Gemm", inputs, self.constant(weight), self.constant(bias), transB=1)


def _in_window(graph: _Graph, line: WindowedParameters) -> tuple[str, str]:
    """Coordinates in the window that a point lies in, and its number; in double, for there are many windows."""

    def double(value: float) -> str:
        return graph.constant(np.array(value, dtype=np.float64))

    x = graph.add("Cast", "coords", to=TensorProto.DOUBLE)
    position = graph.add("Mul", graph.add("Add", x, double(1.0)), double(line.samples / (2.0 * line.window)))
    floor = graph.add("Floor", graph.add("Add", position, double(1e-9)))
    window = graph.add("Clip", floor, double(0.0), double(line.windows - 1))
    twice = graph.add("Mul", graph.add("Sub", position, window), double(2.0))
    local = graph.add("Cast", graph.add("Sub", twice, double(1.0)), to=TensorProto.FLOAT)
    number = graph.add("Reshape", window, graph.constant(np.array([-1], dtype=np.int64)))
    return local, graph.add("Cast", number, to=TensorProto.INT64)


def _of_window(graph: _Graph, hidden: str, window: str, network: SineParameters, channels: int) -> str:
    """The outputs of each point's window, (points, channels)."""
    neurons = network.readout_weight.shape[1]
    weight = graph.constant(network.readout_weight.reshape(-1, channels, neurons))
    bias = graph.constant(network.readout_bias.reshape(-1, channels))
    column = graph.add("Unsqueeze", hidden, graph.constant(np.array([2], dtype=np.int64)))
    products = graph.add("MatMul", graph.add("Gather", weight, window, axis=0), column)
    flat = graph.add("Squeeze", products, graph.constant(np.array([2], dtype=np.int64)))
    return graph.add("Add", flat, graph.add("Gather", bias, window, axis=0))


def _inputs(graph: _Graph, parameters: WaveletParameters, nodes: np.ndarray, latents: str) -> str:
    """Fields of the first colour, sums of the others, and differences of the first one's sum, (points, M)."""
    layout = parameters.layout
    chosen = np.zeros((layout.field_channels, layout.summed_inputs), dtype=np.float32)
    for channel in range(layout.field_channels):
        field, colour = divmod(channel, layout.colours)
        chosen[channel, field if colour == 0 else layout.fields + colour - 1] = 1.0
    shape = np.array(parameters.grid_shape, dtype=np.float32)
    last = 1.0 - 1.0 / shape
    low, high = graph.constant(-last), graph.constant(last)
    inside = graph.add("Min", graph.add("Max", "coords", low), high)
    table, seen = _table(graph, brightness_nodes(parameters, nodes)), []
    for steps in offsets(len(shape)):
        moved = graph.add("Add", inside, graph.constant(np.array(steps, dtype=np.float32) * 2.0 / shape))
        moved = graph.add("Min", graph.add("Max", moved, low), high)
        seen.append(_splines(graph, table, parameters.grid_shape, moved))
    around = graph.add("Concat", *seen, axis=1)
    differences = graph.add("MatMul", around, graph.constant(stencils(len(shape)).T))
    both = graph.add("Concat", graph.add("MatMul", latents, graph.constant(chosen)), differences, axis=1)
    return graph.add("Mul", both, graph.constant(parameters.gains))


def _table(graph: _Graph, nodes: np.ndarray) -> str:
    """The nodes of splines, a row for each node."""
    return graph.constant(nodes.reshape(len(nodes), -1).T)


def _splines(graph: _Graph, table: str, grid_shape: tuple[int, ...], coords: str) -> str:
    """The values of splines with a node at every sample, (points, channels)."""
    # Index and weight of the only corner before any axis is looked at.
    corners = [(graph.constant(np.array([[0]], dtype=np.int64)), graph.constant(np.ones((1, 1), dtype=np.float32)))]
    for axis, samples in enumerate(grid_shape):
        x = graph.add("Gather", coords, graph.constant(np.array([axis], dtype=np.int64)), axis=1)
        cells = samples / 2.0
        position = graph.add("Add", graph.add("Mul", x, graph.number(cells)), graph.number(cells - 0.5))
        first = graph.add("Floor", position)
        shares = _shares(graph, graph.add("Sub", position, first))
        indices = []
        for tap in range(TAPS):
            moved = graph.add("Add", first, graph.number(tap - 1))
            inside = graph.add("Clip", moved, graph.number(0.0), graph.number(samples - 1))
            indices.append(graph.add("Cast", inside, to=TensorProto.INT64))
        stride = graph.constant(np.array(samples, dtype=np.int64))
        corners = [
            (
                graph.add("Add", graph.add("Mul", before, stride), index),
                graph.add("Mul", weight, share),
            )
            for before, weight in corners
            for index, share in zip(indices, shares, strict=True)
        ]
    flat = graph.constant(np.array([-1], dtype=np.int64))
    parts = []
    for index, weight in corners:
        rows = graph.add("Gather", table, graph.add("Reshape", index, flat), axis=0)
        parts.append(graph.add("Mul", rows, weight))
    return graph.add("Sum", *parts)


def _shares(graph: _Graph, r: str) -> list[str]:
    """The four weights of a cubic B-spline, as polynomials in Horner's form."""
    found = []
    for cubic in ((-1, 3, -3, 1), (3, -6, 0, 4), (-3, 3, 3, 1), (1, 0, 0, 0)):
        value = graph.number(cubic[0] / 6.0)
        for coefficient in cubic[1:]:
            value = graph.add("Add", graph.add("Mul", value, r), graph.number(coefficient / 6.0))
        found.append(value)
    return found
