"""A step for every row, and tables chosen by the scales of rows and columns: what goes in comes out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.networks import nearly, random_representation
from tests.reference import tnr_decoder
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.quantise import Steps, quantise
from tuner.codec.sines.scaled_chunk import unpack_scaled_network
from tuner.codec.sines.scales import BELLS, LARGEST_SCALE, REACH, cell_scales, covering, fitted_scales, scale_table
from tuner.errors import ConfigError, CorruptFile
from tuner.representation import Representation
from tuner.rounding.layerwise import round_network
from tuner.rounding.sensitivity import balanced_row_steps
from tuner.rounding.view import View

REPRESENTATIONS = {
    "one layer": random_representation((24, 20), frequencies=30, hidden=(12,)),
    "three layers": random_representation((16, 18), frequencies=9, hidden=(8, 1, 5), channels=1),
    "one axis": random_representation((40,), frequencies=6, hidden=(7,), channels=2),
}


def steps_of(representation: Representation, factor: float) -> Steps:
    parameters = representation.sine_parameters
    coords = View(nearly(representation)).coords()
    return tuple(rows.scaled(factor) for rows in balanced_row_steps(parameters, coords))


@pytest.mark.parametrize("factor", [1e-5, 1e-2, 3.0], ids=["fine", "usual", "almost all zero"])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_what_goes_in_comes_out(name: str, factor: float) -> None:
    representation = REPRESENTATIONS[name]
    steps = steps_of(representation, factor)
    written = quantise(representation.sine_parameters, steps)
    data = encode(representation, steps)
    _, chunks = read_container(data, DecodeLimits())
    assert ChunkType.SCALED_NETWORK in chunks
    read = decode_integers(data)
    assert read.steps == written.steps
    for mine, other in zip(read.integers, written.integers, strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(read.frequencies, written.frequencies)
    assert encode(decode(data)) == data


def test_an_integer_far_from_all_others_is_kept() -> None:
    representation = REPRESENTATIONS["one layer"]
    steps = steps_of(representation, 0.05)
    layer = representation.sine_parameters.hidden[0]
    weight = layer.weight.copy()
    weight[3, 4] = 1e4
    far = replace(representation.sine_parameters, hidden=(replace(layer, weight=weight),))
    read = decode(encode(replace(representation, parameters=far), steps)).sine_parameters
    assert read.hidden[0].weight[3, 4] == pytest.approx(1e4, abs=1.0)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_damaged_payload_is_refused_or_read(name: str) -> None:
    """Without the checksums of the container, which would notice all of it."""
    representation, random = REPRESENTATIONS[name], np.random.default_rng(0)
    header, chunks = read_container(encode(representation, steps_of(representation, 0.02)), DecodeLimits())
    payload = chunks[ChunkType.SCALED_NETWORK]
    refused = 0
    for _ in range(300):
        damaged = bytearray(payload)
        damaged[random.integers(min(len(payload), random.choice([40, 4000])))] = random.integers(256)
        try:
            unpack_scaled_network(bytes(damaged[: random.integers(1, len(payload) + 200)]), header)
        except CorruptFile:
            refused += 1
    assert refused > 30


def test_weights_and_biases_of_a_row_share_their_step() -> None:
    representation = REPRESENTATIONS["one layer"]
    steps = list(steps_of(representation, 0.01))
    steps[2] = 0.25
    with pytest.raises(ConfigError, match="different steps"):
        encode(representation, tuple(steps))
    steps[2] = steps[1] = tuple(0.01 * 1.3**row for row in range(12))
    with pytest.raises(ConfigError, match="row_steps"):
        encode(representation, tuple(steps))


def test_every_table_is_one() -> None:
    for scale in range(LARGEST_SCALE + 1):
        table = scale_table(scale)
        assert sum(table.frequencies) == 1 << 12
        assert len(table.frequencies) == 2 * REACH + 1
        assert min(table.frequencies) >= 0
        spread = np.arange(-REACH, REACH + 1) * 2.0**table.shift
        deviation = np.sqrt(np.square(spread) @ np.array(table.frequencies) / 4096)
        # A third more at most: the wider curve, and the width of a symbol.
        assert 0.95 <= deviation / (0.25 * 2.0 ** (scale / 2)) <= 1.7
    assert all(bell[1:] == tuple(sorted(bell[1:], reverse=True)) for bell in BELLS)


def test_the_tables_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[5] / "tuner/codec/format/sines.md").read_text(encoding="utf-8")
    for number, bell in enumerate(BELLS):
        assert f"    {number}: {' '.join(map(str, bell))}\n" in page
    assert tuple(tuple(map(int, line.split())) for line in tnr_decoder.BELLS) == BELLS


def test_scales_of_rows_and_columns_are_found() -> None:
    random = np.random.default_rng(0)
    rows, columns = random.integers(0, 5, 60), random.integers(8, 14, 50)
    deviations = 0.25 * 2.0 ** ((rows[:, None] + columns) / 2)
    matrix = np.rint(random.normal(size=(60, 50)) * deviations).astype(np.int32)
    none = np.zeros(60, np.int32)
    found = fitted_scales(matrix, none)
    assert np.abs(found[0][:, None] + found[1] - rows[:, None] - columns).max() <= 2
    covered = covering(matrix, *found, none)
    assert (covered >= found[0]).all()
    assert cell_scales(covered, found[1], none).max() <= LARGEST_SCALE


@pytest.mark.parametrize("hidden", [(20,), (10, 8)], ids=["one layer", "two layers"])
def test_the_weights_that_are_left_are_moved(hidden: tuple[int, ...]) -> None:
    representation = random_representation((48, 40), frequencies=30, hidden=hidden)
    signal, parameters = nearly(representation), representation.sine_parameters
    steps, view = steps_of(representation, 0.01), View(signal)
    still = round_network(parameters, steps, view, view)
    moved = round_network(parameters, steps, view, view, (view.coords(), view.flat_values()))
    start = view.psnr_db(parameters)
    assert start - view.psnr_db(moved) < 0.9 * (start - view.psnr_db(still))
