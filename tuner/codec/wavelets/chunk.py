"""Chunk 07: a signal as quantised wavelet coefficients, and the small network that turns their sums into values.

The coefficients, called latents, are coded by the core (`tuner.core`), bit by bit with probabilities that several
contexts have learned from what was decoded before. The few hundred weights of the network are rounded to steps, one for
each tensor, and coded with one table for each. Payload: what the frequencies are drawn from, how many scales and
colours there are, an exponent for every input beside the sines, step and table of each tensor, how many words the
weights take, these words of the range coder, then the bytes of the core. `tuner/codec/format/wavelets.md` is the
specification.
"""

from dataclasses import dataclass

import numpy as np

from tuner.codec.file.header import Header
from tuner.codec.file.primitives import ByteReader, pack_float, pack_signed, pack_varint
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder
from tuner.codec.integers.geometric import LARGEST_MAGNITUDE, GeometricTable
from tuner.codec.integers.steps import LARGEST_STEP, read_step
from tuner.codec.limits import DecodeLimits
from tuner.core import host
from tuner.errors import ConfigError, CorruptFile
from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.parameters import (
    WaveletParameters,
    seeded_frequencies,
    tensor_shapes,
    wavelet_parameters,
)
from tuner.shapes import IntArray

_MOST_FREQUENCIES = 4096
_LARGEST_REACH = 1 << 20
_MOST_SCALES = 16
_LARGEST_EXPONENT = 32
_WORD = 4  # bytes


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedWavelets:
    """A wavelet network in integers.

    Attributes:
        layout: the subbands.
        period: p, length of a period in units of the coordinates, a float32.
        seed: number from which the frequencies are drawn.
        reach: largest component of a frequency.
        frequencies: int32 (F, D), which follow from seed and reach.
        latents: the coefficients of the wavelets, int32 (subbands, *nodes) for each level of the layout.
        integers: one int32 array per tensor.
        steps: one float32 per tensor; a weight is its integer times its step.
        exponents: one for each input beside the sines, which is multiplied by 2^exponent.
    """

    layout: Layout
    period: float
    seed: int
    reach: int
    frequencies: IntArray
    latents: tuple[IntArray, ...]
    integers: tuple[IntArray, ...]
    steps: tuple[float, ...]
    exponents: tuple[int, ...]

    def parameters(self) -> WaveletParameters:
        """The weights that the integers stand for."""
        return wavelet_parameters(
            layout=self.layout,
            period=self.period,
            seed=self.seed,
            reach=self.reach,
            frequencies=self.frequencies,
            latents=self.latents,
            tensors=[
                (integers * np.float64(step)).astype(np.float32)
                for integers, step in zip(self.integers, self.steps, strict=True)
            ],
            exponents=self.exponents,
        )


def quantise_wavelets(parameters: WaveletParameters, steps: tuple[float, ...]) -> QuantisedWavelets:
    """Round every weight to the nearest multiple of its tensor's step; the latents are integers already.

    Args:
        parameters: numbers of the network.
        steps: one step per tensor, > 0, rounded to float32 first.

    Raises:
        ConfigError: if a step is missing, not positive, or too fine for its tensor, or a latent or an exponent is too
            large.
    """
    tensors = parameters.tensors()
    if len(steps) != len(tensors):
        raise ConfigError(f"{len(steps)} steps, expected {len(tensors)}: one for each tensor of the network")
    steps = tuple(float(np.float32(step)) for step in steps)
    integers = []
    for tensor, step in zip(tensors, steps, strict=True):
        if not 0.0 < step <= LARGEST_STEP:
            raise ConfigError(f"a step is {step}, expected more than 0, at most 2^32")
        rounded = np.rint(tensor.astype(np.float64) / step)
        if not np.abs(rounded).max(initial=0.0) <= LARGEST_MAGNITUDE:
            raise ConfigError(
                f"a step of {step} is too fine for a weight of {np.abs(tensor).max()}: at most 2047 steps"
            )
        integers.append(rounded.astype(np.int32))
    largest = max(int(np.abs(codes.astype(np.int64)).max(initial=0)) for codes in parameters.latents)
    if largest > host.LARGEST_VALUE:
        raise ConfigError(f"a latent is {largest}, expected at most {host.LARGEST_VALUE}")
    if max(map(abs, parameters.exponents)) > _LARGEST_EXPONENT:
        raise ConfigError(f"the exponents are {parameters.exponents}, expected at most {_LARGEST_EXPONENT} either way")
    return QuantisedWavelets(
        layout=parameters.layout,
        period=float(np.float32(parameters.period)),
        seed=parameters.seed,
        reach=parameters.reach,
        frequencies=parameters.frequencies,
        latents=parameters.latents,
        integers=tuple(integers),
        steps=steps,
        exponents=parameters.exponents,
    )


def fine_wavelet_steps(parameters: WaveletParameters) -> tuple[float, ...]:
    """Steps that keep every tensor to a 2000th of its largest weight."""
    return tuple(float(np.abs(tensor).max(initial=0.0)) / 2000.0 or 1.0 for tensor in parameters.tensors())


def pack_wavelets(network: QuantisedWavelets) -> tuple[bytes, tuple[int, ...]]:
    """The network as bytes.

    Args:
        network: integers of the network.

    Returns:
        The payload of the chunk, and for each level, the low-pass one first, how many bytes of it suffice to read the
        latents to the end of the level.

    Raises:
        ConfigError: if the layout is larger than a file can hold.
    """
    coder = IntegerEncoder()
    packed = pack_varint(network.seed) + pack_varint(network.reach)
    packed += bytes([network.layout.scales, network.layout.colours])
    packed += b"".join(pack_signed(exponent) for exponent in network.exponents)
    for integers, step in zip(network.integers, network.steps, strict=True):
        table = GeometricTable.fitted(integers)
        packed += pack_float(step) + table.pack()
        coder.put(integers, table.table())
    words = coder.words()
    latents = np.concatenate([codes.reshape(-1) for codes in network.latents])
    packed += pack_varint(len(words) // _WORD) + words
    coded, ends = host.encode_levels(latents, _core_layout(network.layout))
    return packed + coded, tuple(len(packed) + end for end in ends)


def unpack_wavelets(payload: bytes, header: Header, limits: DecodeLimits, missing_levels: int = 0) -> QuantisedWavelets:
    """Read the payload of the chunk.

    Args:
        payload: bytes from `pack_wavelets`; their beginning suffices for the first levels.
        header: header of the file, already checked against the limits.
        limits: what the reader is ready to spend; latents are checked, too, before memory is taken for them.
        missing_levels: number of finest levels that are not read, and whose latents are 0; without any, the latents
            have to end where the payload does.

    Raises:
        LimitExceeded: if there are more weights than allowed.
        CorruptFile: if a field, a table or the coded integers are not what an encoder writes.
    """
    reader = ByteReader(payload)
    seed, reach = reader.varint("frequency seed"), reader.varint("frequency reach")
    layout = _unpack_layout(reader, header.shape)
    shapes = tensor_shapes(layout, header.frequencies, header.widths, header.channels)
    weights = sum(int(np.prod(shape, dtype=object)) for _, shape in shapes)
    limits.check("weights", weights + layout.latents)
    frequencies = _frequencies(header, reach, seed)
    exponents = tuple(_unpack_exponent(reader, number) for number in range(layout.inputs))

    steps, tables = [], []
    for name, _ in shapes:
        steps.append(read_step(reader, name))
        tables.append(GeometricTable.unpack(reader, f"table of {name}").table())
    coder = IntegerDecoder(reader.take(_WORD * reader.varint("number of words of the weights"), "coded weights"))
    integers = tuple(
        coder.take(int(np.prod(shape)), table).reshape(shape) for (_, shape), table in zip(shapes, tables, strict=True)
    )
    coder.finish()
    latents = _unpack_latents(reader.take(reader.remaining, "coded latents"), layout, missing_levels)
    return QuantisedWavelets(
        layout=layout,
        period=header.period,
        seed=seed,
        reach=reach,
        frequencies=frequencies,
        latents=latents,
        integers=integers,
        steps=tuple(steps),
        exponents=exponents,
    )


def _unpack_layout(reader: ByteReader, grid_shape: tuple[int, ...]) -> Layout:
    scales, colours = reader.byte("number of scales"), reader.byte("number of colours")
    if not (1 <= scales <= _MOST_SCALES and colours >= 1):
        raise CorruptFile(
            f"the network has {scales} scales of {colours} colours, expected 1 to {_MOST_SCALES} scales of at least "
            "one: the file is damaged"
        )
    return Layout(grid_shape, scales, colours)


def _core_layout(layout: Layout) -> host.Layout:
    return host.Layout(layout.grid_shape, layout.colours, layout.scales)


def _unpack_latents(coded: bytes, layout: Layout, missing_levels: int) -> tuple[IntArray, ...]:
    if missing_levels > layout.scales:
        raise CorruptFile(
            f"the beginning of the file lacks {missing_levels} of {layout.scales + 1} levels, expected fewer: "
            "the file is damaged"
        )
    levels = layout.scales + 1 - missing_levels if missing_levels else None
    try:
        integers = host.decode(coded, _core_layout(layout), levels=levels)
    except ConfigError as error:
        raise CorruptFile(f"{error}: the file is damaged") from error
    ends = np.cumsum([level.latents for level in layout.levels])
    parts = np.split(integers, ends[:-1])
    return tuple(part.reshape(level.shape) for part, level in zip(parts, layout.levels, strict=True))


def _frequencies(header: Header, reach: int, seed: int) -> IntArray:
    if header.frequencies > _MOST_FREQUENCIES or not 1 <= reach <= _LARGEST_REACH:
        raise CorruptFile(
            f"the network has {header.frequencies} frequencies within {reach}, expected at most {_MOST_FREQUENCIES} "
            f"within 1 to {_LARGEST_REACH}: the file is damaged"
        )
    try:
        return seeded_frequencies(header.frequencies, len(header.shape), reach, seed)
    except ConfigError as error:
        raise CorruptFile(f"{error}: the file is damaged") from error


def _unpack_exponent(reader: ByteReader, number: int) -> int:
    exponent = reader.signed(f"exponent of input {number}")
    if abs(exponent) > _LARGEST_EXPONENT:
        raise CorruptFile(
            f"the exponent of input {number} is {exponent}, expected at most {_LARGEST_EXPONENT} either way: "
            "the file is damaged"
        )
    return exponent
