"""What the service says that it can do is what the library does, and what requests are held against."""

import pytest

from api.schemas.capabilities import FILE_FORMAT, FORMATS, NETWORKS_PER_TARGET, Capabilities
from api.settings import ApiSettings
from store.spec import FitSpec
from tuner.codec.file.header import MAJOR, MINOR
from tuner.signal.formats import FORMATS as READ
from tuner.signal.formats import WRITERS
from tuner.signal.image import _FORMATS as PICTURES
from tuner.signal.kind import SignalKind
from tuner.targets.request import TRIALS

TOLD = Capabilities.of(ApiSettings(max_stored_bytes=77))


def test_it_repeats_what_the_library_reads_and_writes() -> None:
    assert list(FORMATS) == [str(kind) for kind in SignalKind]
    for kind in SignalKind:
        known = [one.name for one in READ if one.kind is kind]
        read = [*PICTURES.values()] if known == ["image"] else known
        assert set(FORMATS[kind][0]) == set(read), kind
        assert FORMATS[kind][1] == list(WRITERS[kind]), kind
    assert f"{MAJOR}.{MINOR}" == FILE_FORMAT
    assert {str(effort): trials for effort, trials in TRIALS.items()} == NETWORKS_PER_TARGET


@pytest.mark.parametrize("target", TOLD.targets, ids=lambda target: target.name)
def test_a_target_is_accepted_between_its_bounds(target: object) -> None:
    bounds = next(one for one in TOLD.targets if one is target)
    whole = bounds.name == "bytes"

    def ask(value: float) -> FitSpec:
        return FitSpec.model_validate({"target": {bounds.name: round(value) if whole else value}})

    assert bounds.most is not None
    ask(bounds.most)
    ask(bounds.above + (1 if whole else 1e-9))
    for wrong in (bounds.above, bounds.most * 1.01 + 1):
        with pytest.raises(ValueError, match=bounds.name):
            ask(wrong)


def test_presets_and_networks_are_those_of_requests() -> None:
    for preset in TOLD.presets:
        FitSpec.model_validate({"preset": preset.name})
    for network in TOLD.networks:
        FitSpec.model_validate({"network": {"kind": network}})
    assert (TOLD.networks, TOLD.limits.stored_bytes) == (["sines", "wavelets"], 77)
