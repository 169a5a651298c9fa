"""The chunk with a step for every matrix: any order of frequencies, and tables for classes of columns that pay."""

from dataclasses import replace

import numpy as np

from tests.networks import random_parameters
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.codec.sines.quantise import quantise
from tuner.representation import Representation


def test_frequencies_need_not_be_sorted() -> None:
    parameters = random_parameters(frequencies=30)
    order = np.random.default_rng(0).permutation(30)
    shuffled = replace(parameters, frequencies=parameters.frequencies[order])
    read = decode(encode(Representation(parameters=shuffled, grid_shape=(5, 5))))
    assert np.array_equal(read.parameters.frequencies, shuffled.frequencies)


def test_columns_of_unlike_magnitude_pay_for_their_own_tables() -> None:
    parameters = random_parameters(frequencies=80, hidden=(200,))
    scale = np.where(np.arange(80) % 2, 1.0, 0.03).astype(np.float32)
    unlike = replace(parameters, hidden=(replace(parameters.hidden[0], weight=parameters.hidden[0].weight * scale),))
    steps = (0.01, 0.001, 0.01, 0.01, 0.01)
    representation = Representation(parameters=unlike, grid_shape=(5, 5))
    integers = quantise(unlike, steps).integers[1]
    _, counts = np.unique(integers, return_counts=True)
    one_table_bytes = float(counts @ np.log2(integers.size / counts)) / 8
    assert len(encode(representation, steps)) < one_table_bytes, "although the file holds the other tensors too"
