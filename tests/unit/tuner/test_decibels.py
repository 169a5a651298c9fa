"""Every decibel that is said is said with its name: a sound has an SNR and a PSNR, and they are far apart."""

import ast
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import tuner
from tests.signals import blob, chirp, clip, npy, octahedron_obj
from tuner.cli import app
from tuner.decibels import Ratio, in_decibels
from tuner.signal.details import AudioDetails, VideoDetails
from tuner.signal.formats import encode_signal
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal
from tuner.targets.foreseen import beyond_db, beyond_samples
from tuner.targets.target import Target, TargetKind

PACKAGE: Final = Path(tuner.__file__).parent
BARE: Final = re.compile(r"\bdB\b(?! (?:P?SNR)\b)")


def picture() -> bytes:
    file = BytesIO()
    Image.fromarray((255 * clip(1, 9, 14)[0]).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


FILES: Final = {
    SignalKind.IMAGE: ("a.png", picture()),
    SignalKind.AUDIO: (
        "a.wav",
        encode_signal(
            Signal(
                values=chirp(300),
                kind=SignalKind.AUDIO,
                sample_format=SampleFormat.S16,
                details=AudioDetails(sample_rate=8000),
            ),
            "a.wav",
        ),
    ),
    SignalKind.VOLUME: ("a.nii", encode_signal(Signal(values=blob((6, 5, 4)), kind=SignalKind.VOLUME), "a.nii")),
    SignalKind.VIDEO: (
        "a.mkv",
        encode_signal(
            Signal(values=clip(3, 8, 10), kind=SignalKind.VIDEO, details=VideoDetails(rate=(25, 1))), "a.mkv"
        ),
    ),
    SignalKind.DISTANCE: ("a.obj", octahedron_obj()),
    SignalKind.ARRAY: ("a.npy", npy(blob((9, 7))[..., 0])),
}
TARGETS: Final = {
    None: None,
    TargetKind.PSNR_DB: "psnr=15",
    TargetKind.MAX_ERROR: "error=0.5",
    TargetKind.BYTES: "bytes=2000",
    TargetKind.BITS_PER_SAMPLE: "bits=90",
    TargetKind.SECONDS: "seconds=60",
}


def test_each_kind_and_each_target_is_tried() -> None:
    assert set(FILES) == set(SignalKind)
    assert set(TARGETS) == {None, *TargetKind}


# Each kind and each target once in every run, all pairs in the long one.
PAIRS: Final = [
    pytest.param(kind, target, marks=[] if place == other else [pytest.mark.long], id=f"{kind}-{target}")
    for place, kind in enumerate(FILES)
    for other, target in enumerate(TARGETS)
]


@pytest.mark.parametrize(("kind", "target"), PAIRS)
def test_every_line_of_a_fit_names_its_decibels(kind: SignalKind, target: TargetKind | None, tmp_path: Path) -> None:
    name, data = FILES[kind]
    source, output = tmp_path / name, tmp_path / "a.tnr"
    source.write_bytes(data)
    words = [] if target is None else ["--target", str(TARGETS[target])]
    options = ["--effort", "fast", "--steps", "1", "--resolution", "12"]
    fitted = CliRunner().invoke(app, ["fit", str(source), "-o", str(output), *options, *words])
    assert fitted.exit_code in {0, 3}, fitted.output
    told = CliRunner().invoke(app, ["info", str(output)])
    assert told.exit_code == 0
    assert " dB " in fitted.stdout
    for line in (fitted.output + told.output).splitlines():
        assert not BARE.search(line), line


def test_tiles_and_what_is_foreseen_name_their_decibels(tmp_path: Path) -> None:
    source, output = tmp_path / "a.png", tmp_path / "a.tnr"
    source.write_bytes(picture())
    options = ["--effort", "fast", "--steps", "1", "--tiles", "8", "--target", "psnr=30"]
    fitted = CliRunner().invoke(app, ["fit", str(source), "-o", str(output), *options])
    sentences = [fitted.output, beyond_db(90.0, 40.0), beyond_samples(140.0, "u8", 100) or ""]
    sentences.append(str(Target(TargetKind.PSNR_DB, 35.0)))
    for sentence in sentences:
        assert " dB PSNR" in sentence
        assert not BARE.search(sentence), sentence


def test_the_number_is_formatted_as_is_asked() -> None:
    assert in_decibels(34.104) == "34.10 dB PSNR"
    assert in_decibels(12.0, Ratio.SNR, digits="g") == "12 dB SNR"


def in_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a module that is no documentation, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def test_decibels_are_written_in_one_place() -> None:
    """A number with a unit behind it ends in " dB", wherever a sentence is put together."""
    written = re.compile(r"^ dB\b")
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in in_strings(path)
        if written.search(text)
    ]
    assert [place.rpartition(":")[0] for place in found] == ["decibels.py"], found
