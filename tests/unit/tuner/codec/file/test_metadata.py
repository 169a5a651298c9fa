"""What stands in a file beside the network comes back as it was, and what cannot be is refused."""

from dataclasses import replace

import pytest

from tests.networks import random_representation
from tests.signals import SIGNALS
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.codec.facts import inspect_file
from tuner.codec.file.cbor import pack_cbor
from tuner.codec.file.metadata import Metadata, pack_metadata, unpack_metadata
from tuner.errors import CorruptFile
from tuner.representation import Representation
from tuner.signal.samples import SampleFormat, Scaling
from tuner.signal.signal import SignalKind


@pytest.mark.parametrize("name", SIGNALS)
def test_a_file_keeps_what_its_kind_needs(name: str) -> None:
    signal = SIGNALS[name]
    parameters = random_representation(signal.grid_shape, frequencies=5, channels=signal.channels).parameters
    representation = replace(
        Representation.of(parameters, signal), report={"psnr_db": 31.5, "steps": 40, "by": "a test"}
    )
    again = decode(encode(representation))
    for attribute in ("kind", "grid_shape", "sample_format", "scaling", "details", "report"):
        assert getattr(again, attribute) == getattr(representation, attribute), attribute
    facts = inspect_file(encode(representation)).to_json()
    assert facts["kind"] == signal.kind
    rendered = again.render()
    assert (rendered.details, rendered.scaling) == (signal.details, signal.scaling)


@pytest.mark.parametrize("sample_format", SampleFormat)
def test_every_sample_format_has_a_code(sample_format: SampleFormat) -> None:
    representation = replace(random_representation(), sample_format=sample_format)
    assert decode(encode(representation)).sample_format is sample_format


def test_nothing_to_say_takes_no_bytes() -> None:
    assert pack_metadata(Metadata()) is None
    assert unpack_metadata(None, SignalKind.IMAGE) == Metadata()
    plain = random_representation()
    assert len(encode(replace(plain, scaling=Scaling(4095.0, -1024.0)))) - len(encode(plain)) < 30


WRONG = {
    "no map": [1, 2],
    "a scale of zero": {"scale": 0, "offset": 0},
    "a scale that is a word": {"scale": "big"},
    "an offset alone": {"offset": 1.0},
    "details that are a list": {"details": [1]},
    "details without what they need": {"details": {}},
    "a sample rate below one": {"details": {"sample_rate": 0}},
    "a sample rate that is a word": {"details": {"sample_rate": "fast"}},
    "a report of lists": {"report": {"a": [1]}},
}


@pytest.mark.parametrize("name", WRONG)
def test_metadata_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(CorruptFile):
        unpack_metadata(pack_cbor(WRONG[name]), SignalKind.AUDIO)


def test_unknown_keys_are_ignored() -> None:
    packed = pack_cbor({"details": {"sample_rate": 8000, "mood": "blue"}, "later": [1]})
    assert unpack_metadata(packed, SignalKind.AUDIO).details == SIGNALS["sound"].details
