"""Payloads of networks of sines as encoders write them, of both chunks, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from tests.networks import random_parameters
from tuner.codec.sines.chunk import pack_network
from tuner.codec.sines.quantise import dequantise, quantise, row_steps, tensors
from tuner.codec.sines.scaled_chunk import pack_scaled_network
from tuner.core.evaluation import SineNetwork
from tuner.core.synthesis import SINES, head
from tuner.network.parameters import Steps
from tuner.network.sines.parameters import SineParameters


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """A network of sines in a chunk.

    Attributes:
        axes: number of axes of the signal.
        chunk: type of the chunk, 1 or 3.
        start: first words of the network.
        payload: bytes of the chunk.
        network: what they stand for.
    """

    axes: int
    chunk: int
    start: bytes
    payload: bytes
    network: SineNetwork


def random_payload(random: np.random.Generator, axes: int) -> Payload:
    """A network of so many axes, of any size, with steps for its matrices or for its rows."""
    widths = tuple(random.integers(1, 24, size=random.integers(1, 4)).tolist())
    parameters = random_parameters(
        frequencies=int(random.integers(1, 50)),
        hidden=widths,
        channels=int(random.integers(1, 5)),
        dimensions=axes,
        reach=80 if axes == 1 else int(random.integers(6, 12)),
        seed=int(random.integers(1 << 30)),
    )
    chunk = int(random.choice([1, 3]))
    fineness = float(random.choice([0.3, 0.01, 1e-5]))
    quantised = quantise(parameters, _steps(random, parameters, fineness, by_row=chunk == 3))
    return Payload(
        axes=axes,
        chunk=chunk,
        start=head(SINES, len(parameters.frequencies), parameters.channels, widths, quantised.period),
        payload=pack_scaled_network(quantised) if chunk == 3 else pack_network(quantised),
        network=network_of(dequantise(quantised)),
    )


def network_of(parameters: SineParameters) -> SineNetwork:
    """As the core takes it."""
    phases, *others = tensors(parameters)
    return SineNetwork(period=parameters.period, frequencies=parameters.frequencies, phases=phases, tensors=others)


def _steps(random: np.random.Generator, parameters: SineParameters, fineness: float, *, by_row: bool) -> Steps:
    arrays = tensors(parameters)
    if not by_row:
        return tuple(fineness * float(random.uniform(0.5, 2.0)) for _ in arrays)
    rows = [len(arrays[0]), *(len(bias) for bias in arrays[2::2])]
    bases = [fineness * float(random.uniform(0.5, 2.0)) for _ in rows]
    spread = int(random.choice([1, 9]))
    found = []
    for base, count in zip(bases, rows, strict=True):
        exponents = random.integers(0, spread, size=count).astype(np.int32)
        found.append(row_steps(base, exponents - exponents.min()))
    phases, *layers = found
    return (phases, *(step for step in layers for _ in range(2)))
