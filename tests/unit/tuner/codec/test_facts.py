"""The facts of a file are those of the representation that it was made from."""

from dataclasses import replace

from tests.networks import random_representation
from tests.wavelets import wavelet_representation
from tuner.codec.encode import encode
from tuner.codec.facts import inspect_file


def test_facts_of_both_kinds_of_network() -> None:
    for representation, network in (
        (random_representation((9, 7), hidden=(5, 4)), "sines"),
        (wavelet_representation((9, 7)), "wavelets"),
    ):
        data = encode(replace(representation, icc_profile=b"colours", report={"trainer": "none"}))
        facts = inspect_file(data)
        assert (facts.grid_shape, facts.channels, facts.bytes) == ((9, 7), 3, len(data))
        assert facts.hidden == tuple(len(layer.bias) for layer in representation.parameters.hidden)
        assert facts.weights == representation.parameters.weight_count
        assert facts.network == network
        assert (facts.latents > 0) == (network == "wavelets")
        assert facts.latents < facts.weights
        assert facts.bits_per_sample == 8 * len(data) / 63
        assert facts.bits_per_weight == 8 * len(data) / facts.weights
        assert (facts.icc_profile_bytes, facts.report) == (7, {"trainer": "none"})
        assert facts.to_json()["kind"] == "image"
