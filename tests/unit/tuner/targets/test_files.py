"""A file is held against its target as people would."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import random_representation
from tests.signals import SIGNALS
from tests.unit.tuner.targets.cases import COLOURS
from tests.wavelets import random_wavelets, wavelet_representation
from tuner.codec.encode import encode
from tuner.metrics import written_psnr_db
from tuner.network.parameters import Parameters, are_same
from tuner.representation import Representation
from tuner.signal.signal import SampleFormat
from tuner.targets.files import PSNR_TOLERANCE_DB, File, max_error, measured, quality_db
from tuner.targets.target import Target

NETWORK = random_wavelets()


def file(size: int, psnr_db: float, error: float = 0.1) -> File:
    return File(bytes(size), psnr_db, error, NETWORK)


@pytest.mark.parametrize(
    ("target", "good", "bad"),
    [
        ("psnr=30", file(9, 30.0 - PSNR_TOLERANCE_DB), file(9, 29.8)),
        ("error=0.1", file(9, 20.0, 0.1), file(9, 20.0, 0.11)),
    ],
)
def test_a_quality_is_met_or_not(target: str, good: File, bad: File) -> None:
    assert good.meets(Target.parse(target))
    assert not bad.meets(Target.parse(target))


@pytest.mark.parametrize("target", [None, Target.parse("bytes=9"), Target.parse("seconds=3")], ids=str)
def test_without_a_quality_every_file_will_do_and_the_better_one_is_kept(target: Target | None) -> None:
    assert file(90, 1.0).meets(target)
    assert file(90, 31.0).is_better(file(9, 30.0), target)


def test_of_two_that_are_good_enough_the_smaller_one_is_kept() -> None:
    target = Target.parse("psnr=30")
    assert file(9, 30.0).is_better(file(10, 40.0), target)
    assert not file(9, 29.0).is_better(file(10, 30.0), target)
    assert file(10, 29.0).is_better(file(9, 28.0), target)
    target = Target.parse("error=0.1")
    assert file(9, 30.0, 0.1).is_better(file(10, 40.0, 0.05), target)
    assert file(10, 20.0, 0.2).is_better(file(9, 40.0, 0.3), target)


@pytest.mark.parametrize("name", SIGNALS)
def test_no_signal_differs_from_itself(name: str) -> None:
    assert max_error(SIGNALS[name], SIGNALS[name].values) == 0.0


def test_one_level_of_a_picture_is_one_of_255() -> None:
    assert max_error(COLOURS, COLOURS.values + 0.6 / 255.0) == pytest.approx(1.0 / 255.0)


def test_what_is_rounded_away_is_no_error() -> None:
    halves = replace(
        COLOURS, values=COLOURS.values.astype(np.float16).astype(np.float32), sample_format=SampleFormat.F16
    )
    assert max_error(halves, halves.values * np.float32(1.0 + 2.0**-14)) == 0.0
    assert max_error(halves, halves.values + np.float32(2.0**-9)) >= 2.0**-10


def other_networks() -> dict[str, Parameters]:
    """The network that is alike, but for one number."""
    [first, *deeper], latents = NETWORK.hidden, [codes.copy() for codes in NETWORK.latents]
    latents[-1][-1, -1, -1] += 1
    weight = first.weight.copy()
    weight[0, 0] = np.nextafter(weight[0, 0], np.float32(9.0))
    return {
        "a latent": replace(NETWORK, latents=tuple(latents)),
        "a weight": replace(NETWORK, hidden=(replace(first, weight=weight), *deeper)),
        "an exponent": replace(NETWORK, exponents=(NETWORK.exponents[0] + 1, *NETWORK.exponents[1:])),
        "the period": replace(NETWORK, period=2.75),
        "as many scales of other sides": random_wavelets((28, 20)),
        "one layer fewer": random_wavelets(widths=(6,)),
        "no latents at all": random_representation((20, 28)).parameters,
    }


@pytest.mark.parametrize("other", other_networks().values(), ids=other_networks())
def test_networks_that_differ_in_one_number_are_not_the_same(other: Parameters) -> None:
    assert not are_same(NETWORK, other)
    assert not are_same(other, NETWORK)
    assert are_same(NETWORK, random_wavelets())


@pytest.mark.parametrize("representation", [wavelet_representation(), random_representation((20, 28))], ids=["w", "s"])
def test_what_decodes_to_the_numbers_that_were_measured_is_not_measured_again(representation: Representation) -> None:
    signal = representation.render()
    known = measured(encode(representation), signal)
    decoded = measured(known.content, signal).network
    assert quality_db(replace(representation, parameters=decoded), signal, replace(known, psnr_db=12.5)) == 12.5


def test_the_same_numbers_that_are_written_in_another_format_are_measured() -> None:
    representation = wavelet_representation()
    signal = representation.render()
    known = File(b"", 12.5, 0.5, representation.parameters)
    assert quality_db(representation, signal, known) == 12.5
    coarser = replace(representation, sample_format=SampleFormat.F32)
    assert quality_db(coarser, signal, known) != 12.5


def test_what_decodes_to_other_numbers_is_measured_whatever_is_known() -> None:
    representation = wavelet_representation()
    signal = representation.render()
    expected = written_psnr_db(signal.values, representation.render().values, signal.storage)
    for other in other_networks().values():
        assert quality_db(representation, signal, File(b"", 12.5, 0.5, other)) == expected
    assert quality_db(representation, signal) == expected
