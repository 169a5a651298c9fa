"""The facts of a file are those of the representation that it was made from."""

import json
from dataclasses import replace

from tests.networks import random_representation
from tests.tiles import random_tiles, tiled
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
        assert facts.tiles == {}
        assert facts.bits_per_sample == 8 * len(data) / 63
        assert facts.bits_per_weight == 8 * len(data) / facts.weights
        assert (facts.icc_profile_bytes, facts.report) == (7, {"trainer": "none"})
        assert facts.to_json()["kind"] == "image"


def test_facts_of_a_signal_in_tiles() -> None:
    parameters = random_tiles()
    data = encode(tiled(parameters))
    facts = inspect_file(data)
    assert (facts.weights, facts.latents) == (parameters.weight_count, parameters.latent_count)
    index, most = facts.tiles.pop("index_bytes"), facts.tiles.pop("most_bytes")
    assert index == 4 + 6 * 6 + 4
    assert isinstance(most, int)
    assert len(data) / 6 < most < len(data)
    assert facts.tiles == {"count": 6, "counts": (3, 2), "strides": (16, 20), "overlaps": (4, 3)}
    assert json.loads(json.dumps(facts.to_json()))["tiles"]["counts"] == [3, 2]
