"""Chunk 03: a network of sines with a step for every row, coded by the scales of rows and columns.

A neuron that the output hardly hears may be rounded coarsely: the step of a row is the tensor's, some half octaves
longer. Weights and biases of a layer are one matrix, the biases its last column. Payload: frequencies as in chunk
01, then the steps, the tables of the row steps and of the row and column scales, and the words of the range coder.
Chunk 03 of `tuner/codec/format/sines.md` is the specification.
"""

from math import log2

import numpy as np

from tuner.codec.file.header import Header
from tuner.codec.file.primitives import ByteReader, pack_float
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder, IntegerTable
from tuner.codec.integers.steps import read_step
from tuner.codec.sines.chunk import pack_frequencies, unpack_frequencies
from tuner.codec.sines.quantise import QuantisedNetwork, row_steps
from tuner.codec.sines.scales import cell_scales, covering, fitted_scales, scale_table
from tuner.errors import ConfigError, CorruptFile
from tuner.network.parameters import Step
from tuner.shapes import IntArray

# Half octaves; no step is longer than 2^12 times the shortest of its tensor.
LONGEST_ROW_STEP = 24
_KINDS = ("row steps", "row scales", "column scales")
_FARTHEST_SCALE = 1 << 10


def pack_scaled_network(network: QuantisedNetwork) -> bytes:
    """The payload of the chunk; raises `ConfigError` if the steps are not those of rows that share a matrix."""
    coder = IntegerEncoder()
    packed = pack_frequencies(network.frequencies, coder)
    sides: list[tuple[IntArray, ...]] = []
    matrices = _joined(network.integers)
    for matrix, (step, bias_step) in zip(matrices, _pairs(network.steps), strict=True):
        if step != bias_step:
            raise ConfigError("weights and biases of a layer have different steps, expected one for each row of both")
        base, exponents = _exponents(step, len(matrix))
        rows, columns = fitted_scales(matrix, exponents)
        packed += pack_float(base)
        sides.append((exponents, covering(matrix, rows, columns, exponents), columns))
    flags, shared = bytearray(), [[], [], []]  # type: tuple[bytearray, list[list[IntArray]]]
    for side in sides:
        own = [bool((numbers != numbers[0]).any()) for numbers in side]
        flags.append(sum(varies << bit for bit, varies in enumerate(own)))
        for kind, (numbers, varies) in enumerate(zip(side, own, strict=True)):
            shared[kind].append(numbers if varies else numbers[:1])
    for numbers in map(np.concatenate, shared):
        table = IntegerTable.fitted(numbers)
        packed += table.pack()
        coder.put(numbers, table)
    for matrix, (exponents, rows, columns) in zip(matrices, sides, strict=True):
        scales = cell_scales(rows, columns, exponents)
        for scale in np.unique(scales).tolist():
            coder.put(matrix[scales == scale], scale_table(scale))
    return packed + bytes(flags) + coder.words()


def unpack_scaled_network(payload: bytes, header: Header) -> QuantisedNetwork:
    """Read the payload of the chunk.

    Args:
        payload: bytes from `pack_scaled_network`.
        header: header of the file, already checked against the limits: it decides how many integers there are.

    Raises:
        CorruptFile: if a table, a step or the coded integers are not what an encoder writes.
    """
    reader = ByteReader(payload)
    take_frequencies = unpack_frequencies(reader, header)
    shapes = _joined_shapes(header)
    bases = [read_step(reader, name) for name, _ in shapes]
    tables = [IntegerTable.unpack(reader, f"table of {kind}") for kind in _KINDS]
    flags = reader.take(len(shapes), "flags of the matrices")
    coder = IntegerDecoder(reader.take(reader.remaining, "coded integers"))
    frequencies = take_frequencies(coder)
    sides: list[list[IntArray]] = [[] for _ in shapes]
    for kind, table in enumerate(tables):
        counts = [
            (rows, rows, columns)[kind] if flag >> kind & 1 else 1
            for flag, (_, (rows, columns)) in zip(flags, shapes, strict=True)
        ]
        numbers = coder.take(sum(counts), table)
        lowest, highest = (0, LONGEST_ROW_STEP) if kind == 0 else (-_FARTHEST_SCALE, _FARTHEST_SCALE)
        if numbers.min() < lowest or numbers.max() > highest:
            raise CorruptFile(
                f"{_KINDS[kind]} go from {numbers.min()} to {numbers.max()}, expected {lowest} to {highest}: "
                "the file is damaged"
            )
        for side, part in zip(sides, np.split(numbers, np.cumsum(counts)[:-1]), strict=True):
            side.append(part)
    integers: list[IntArray] = []
    steps: list[Step] = []
    for (name, (rows, columns)), base, (exponents, row_scales, column_scales) in zip(shapes, bases, sides, strict=True):
        scales = cell_scales(
            np.broadcast_to(row_scales, rows),
            np.broadcast_to(column_scales, columns),
            np.broadcast_to(exponents, rows),
        )
        matrix = np.empty((rows, columns), dtype=np.int32)
        for scale in np.unique(scales).tolist():
            cells = scales == scale
            matrix[cells] = coder.take(int(cells.sum()), scale_table(scale))
        step = row_steps(base, np.broadcast_to(exponents, rows))
        integers += [matrix[:, 0]] if name == "phases" else [matrix[:, :-1].copy(), matrix[:, -1].copy()]
        steps += [step] if name == "phases" else [step, step]
    coder.finish()
    return QuantisedNetwork(frequencies, header.period, tuple(integers), tuple(steps))


def _joined(tensors: tuple[IntArray, ...]) -> list[IntArray]:
    """The phases as a column, then weights and biases side by side."""
    phases, *layers = tensors
    return [
        phases[:, None],
        *(
            np.concatenate([weight, bias[:, None]], axis=1)
            for weight, bias in zip(layers[::2], layers[1::2], strict=True)
        ),
    ]


def _joined_shapes(header: Header) -> list[tuple[str, tuple[int, int]]]:
    inputs = (header.frequencies, *header.widths)
    outputs = (*header.widths, header.channels)
    names = [*(f"hidden layer {number}" for number in range(1, len(outputs))), "readout"]
    return [
        ("phases", (header.frequencies, 1)),
        *((name, (rows, columns + 1)) for name, rows, columns in zip(names, outputs, inputs, strict=True)),
    ]


def _pairs(steps: tuple[Step, ...]) -> list[tuple[Step, Step]]:
    phases, *layers = steps
    return [(phases, phases), *zip(layers[::2], layers[1::2], strict=True)]


def _exponents(step: Step, rows: int) -> tuple[float, IntArray]:
    """The shortest step of a tensor, and by how many half octaves that of each row is longer."""
    if not isinstance(step, tuple):
        return step, np.zeros(rows, dtype=np.int32)
    base = min(step)
    exponents = np.array([round(2.0 * log2(each / base)) for each in step], dtype=np.int32)
    if row_steps(base, exponents) != step or exponents.max() > LONGEST_ROW_STEP:
        raise ConfigError(f"the steps of rows are {step[:3]}..., expected those that `row_steps` gives")
    return base, exponents
