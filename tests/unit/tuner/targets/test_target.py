"""A target is one sensible number, and every interface spells it in the same words."""

import re

import pytest
from typer.testing import CliRunner

import tuner_client.targets
from store.spec import TargetSpec
from tuner.cli import app
from tuner.errors import ConfigError
from tuner.targets.target import EXAMPLES, SPELLINGS, Target, TargetKind
from tuner_client.targets import fit_request


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", TargetKind)
def test_senseless_values_are_refused(kind: TargetKind, value: float) -> None:
    with pytest.raises(ConfigError):
        Target(kind, value)


@pytest.mark.parametrize("text", ["", "psnr", "psnr=", "psnr=much", "speed=1", "bytes=1.5", "bytes=0", "psnr=nan"])
def test_texts_that_name_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the target"):
        Target.parse(text)


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_means_the_same_to_library_service_and_client(name: str) -> None:
    parsed = Target.parse(f"{name}=1")
    body = fit_request("sig_1", target=f"{name}=1", preset=None, options={})["target"]
    assert parsed == Target.of(body) == Target.of({name: 1})
    assert TargetSpec.model_validate(body).asked() == {parsed.kind.value: parsed.value}


def test_nobody_knows_a_spelling_that_the_others_do_not() -> None:
    assert {name: member for name, (member, _) in tuner_client.targets.TARGETS.items()} == {
        name: kind.value for name, kind in SPELLINGS.items()
    }
    assert list(TargetSpec.model_fields) == [kind.value for kind in TargetKind]


def test_what_the_command_lines_show_can_be_typed() -> None:
    assert tuner_client.targets.EXAMPLES == EXAMPLES
    shown = [Target.parse(text) for text in re.split(r", | or ", EXAMPLES)]
    assert {target.kind for target in shown} == set(TargetKind)
    for command in ("fit", "submit"):
        words = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "300"}).output
        assert EXAMPLES in words


def test_a_request_has_at_most_one_and_a_known_one() -> None:
    assert Target.of(None) is Target.of({}) is Target.of({"bytes": None}) is None
    assert Target.of({"bytes": 900, "psnr_db": None}) == Target(TargetKind.BYTES, 900)
    for asked in ({"bytes": 900, "psnr_db": 30.0}, {"speed": 3.0}):
        with pytest.raises(ConfigError, match="expected one of"):
            Target.of(asked)


def test_sizes_are_bytes() -> None:
    assert Target.parse("bytes=900").max_bytes(64) == 900
    assert Target.parse("bits=1.5").max_bytes(64) == 12
    assert Target.parse("psnr=30").max_bytes(64) is None
