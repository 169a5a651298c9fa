"""A signal in tiles that meets a target as a whole, on pictures of a few small tiles."""

from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import tuner
from tests.signals import chirp
from tuner.cli import app
from tuner.codec.decode import decode
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.deadline import Deadline
from tuner.fit.presets import Effort
from tuner.fit.progress import Progress, Verdict
from tuner.fit.state import FitState
from tuner.network.tiles.parameters import TiledParameters
from tuner.shapes import SampleArray
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal
from tuner.signal.large_picture import large_picture
from tuner.signal.signal import Signal
from tuner.targets.outlook import Standing
from tuner.targets.request import ask_for
from tuner.targets.result import TargetOutcome
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target
from tuner.targets.tiles.grid import tile_grid
from tuner.targets.tiles.landing import TiledFile
from tuner.targets.tiles.search import represent_in_tiles
from tuner.targets.tiles.tile import TileSettings

SIDE, STEPS = 40, 2


@cache
def pixels() -> SampleArray:
    """96 x 90, grey: waves, an edge, and noise on one side, so that tiles are not alike."""
    y, x = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 90), indexing="ij")
    noise = np.random.default_rng(0).normal(0, 0.08, x.shape) * (x > 0.2)
    values = 0.5 + 0.2 * np.sin(9 * x + 4 * y) + 0.1 * np.cos(14 * y) + np.where(x + 0.3 * y > 0.2, 0.1, -0.1) + noise
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def picture() -> LargeSignal:
    found = large_picture(pixels(), 0)
    assert found is not None
    return found


def fitted(target: str | None, **options: object) -> TiledFile:
    asked = None if target is None else Target.parse(target)
    return represent_in_tiles(picture(), Effort.FAST, asked, side=SIDE, steps=STEPS, **options)  # type: ignore[arg-type]


@cache
def of_3600_bytes() -> TiledFile:
    return fitted("bytes=3600")


def measured_db(content: bytes) -> float:
    found = decode(content).render()
    error = found.storage.to_samples(found.values)[..., 0].astype(float) - pixels()
    return float(-10.0 * np.log10(np.mean(error**2) / 255.0**2))


def test_a_limit_of_bytes_is_kept_and_nearly_filled() -> None:
    file = of_3600_bytes()
    assert file.is_met
    assert file.tiles == 9
    assert 0.98 * 3600 <= len(file.content) <= 3600
    assert file.psnr_db == pytest.approx(measured_db(file.content), abs=1e-4)


def test_a_quality_is_reached_and_hardly_surpassed() -> None:
    file = fitted("psnr=33")
    assert file.is_met
    assert 33.0 <= measured_db(file.content) <= 33.25
    assert file.psnr_db == pytest.approx(measured_db(file.content), abs=1e-4)


def test_seams_are_not_seen() -> None:
    """Errors do not jump more from one sample to the next where tiles meet than they do elsewhere."""
    content = of_3600_bytes().content
    grid = tile_grid((96, 90), SIDE)
    error = decode(content).render().values[..., 0] - pixels() / np.float32(255)
    for axis in (0, 1):
        jumps = np.abs(np.diff(error, axis=axis)).mean(axis=1 - axis)
        ends = {
            edge - 1
            for index in range(1, grid.counts[axis])
            for edge in (grid.span(axis, index)[0], grid.span(axis, index - 1)[1])
        }
        inside = [at for at in range(len(jumps)) if at not in ends]
        assert jumps[sorted(ends)].mean() <= jumps[inside].mean() + 1 / 255


def test_one_step_of_the_latents_serves_all_tiles() -> None:
    """Noise is not bought at the price that waves are: tiles of both have bytes by what they need."""
    parameters = decode(of_3600_bytes().content).parameters
    assert isinstance(parameters, TiledParameters)
    latents = [sum(np.count_nonzero(codes) for codes in tile.latents) for tile in parameters.tiles]
    across = np.array(latents).reshape(parameters.grid.counts)
    assert across[:, -1].mean() > 2.0 * across[:, 0].mean()


class Watched:
    """Samples that tell how many of them are asked for at once, and give no more than they are told."""

    def __init__(self, samples: SampleArray, most: int) -> None:
        self.shape, self.dtype = samples.shape, samples.dtype
        self._samples, self._most = samples, most
        self.largest = self.total = 0

    def __getitem__(self, region: tuple[slice, ...]) -> SampleArray:
        found = self._samples[region]
        self.largest, self.total = max(self.largest, found.size), self.total + found.size
        assert found.size <= self._most, f"{found.size} samples were asked for at once"
        return found

    def __array__(self, *_: object, **__: object) -> SampleArray:
        raise AssertionError("all samples were asked for at once")


@pytest.mark.long
def test_no_more_is_asked_for_at_once_than_some_tiles() -> None:
    wide = np.tile(pixels()[:16], (1, 3))[:, :190]
    grid = tile_grid(wide.shape, 16)
    most = 7 * prod(grid.tile_shape(0))  # of 14 tiles
    watched = Watched(wide, most)
    large = large_picture(watched, 0)
    assert large is not None
    represent_in_tiles(large, Effort.FAST, Target.parse("bytes=1900"), side=16, steps=1)
    assert watched.largest <= most < 0.6 * wide.size
    # A survey and a fit of each tile, those that find the step, and the measurement.
    assert watched.total <= 3.6 * grid.samples


def test_a_search_goes_on_from_the_tiles_that_were_fitted() -> None:
    states: list[bytes] = []
    seen: list[tuple[int, int]] = []

    def stop(progress: Progress) -> Verdict:
        seen.append((progress.step, progress.total_steps))
        states.append(progress.capture().to_bytes())
        return Verdict.STOP if len(states) == 24 else Verdict.CONTINUE

    with pytest.raises(ConfigError, match="on_step has stopped"):
        fitted("bytes=3600", on_step=stop)
    assert all(before[0] < after[0] for before, after in pairwise(seen))
    later: list[int] = []

    def count(progress: Progress) -> Verdict:
        later.append(progress.step)
        return Verdict.CONTINUE

    again = fitted("bytes=3600", resume=FitState.from_bytes(states[-1]), on_step=count)
    assert again.content == of_3600_bytes().content
    assert again.steps == of_3600_bytes().steps
    assert later[0] > 24 - STEPS  # no tile that had ended is fitted anew

    with pytest.raises(StateMismatch, match="another request or signal"):
        fitted("bytes=3700", resume=FitState.from_bytes(states[-1]))


def small_picture() -> LargeSignal:
    """In two tiles."""
    found = large_picture(pixels()[:24, 40:80], 0)
    assert found is not None
    return found


def test_the_face_of_every_search_gives_the_same_file() -> None:
    """As a worker asks: by a request, stopped and gone on with, on a signal that is held or as it is stored."""
    ask = ask_for(small_picture(), Effort.FAST, steps=STEPS, tiles=24)
    states: list[bytes] = []
    phases: list[Standing] = []

    def stop(progress: Progress) -> Verdict:
        states.append(progress.capture().to_bytes())
        return Verdict.STOP if len(states) == 5 else Verdict.CONTINUE

    stopped = fit_to_target(small_picture(), ask, on_step=stop)
    assert (stopped.content, stopped.outcome) == (None, TargetOutcome.STOPPED)
    result = fit_to_target(small_picture().held(), ask, resume=FitState.from_bytes(states[-1]), on_phase=phases.append)
    expected = represent_in_tiles(small_picture(), Effort.FAST, steps=STEPS, side=24)
    assert expected.tiles == 2
    assert result.content == expected.content
    assert result.outcome is TargetOutcome.MET
    assert result.steps == expected.steps
    assert len(result.trials) >= expected.tiles
    assert result.work > 0.0
    # Before latents were rounded as the target wants them, and values to those of the file, which then has all of them.
    assert result.fit_psnr_db > min(expected.psnr_db, 70.0) - 1.0
    assert [each.phase.value for each in phases] == ["training", "compressing"]


def test_after_the_deadline_no_tile_has_more_than_one_step() -> None:
    ask = ask_for(small_picture(), Effort.FAST, steps=3, tiles=24)
    result = fit_to_target(small_picture(), ask, deadline=Deadline(0.0))
    assert {trial.steps for trial in result.trials} == {1}


def test_a_survey_can_be_stopped() -> None:
    with pytest.raises(ConfigError, match="on_step has stopped"):
        fitted("bytes=3600", on_step=lambda _: Verdict.STOP)


def test_a_size_that_no_file_has_is_refused() -> None:
    small = large_picture(pixels()[:24, :40], 0)
    assert small is not None
    with pytest.raises(ConfigError, match="ask for more"):
        represent_in_tiles(small, Effort.FAST, Target.parse("bytes=60"), side=24)


def test_a_largest_error_is_left_to_sines() -> None:
    with pytest.raises(ConfigError, match="sines"):
        fitted("error=0.1")


def test_settings_of_tiles_share_a_step() -> None:
    from tuner.fit.wavelets.config import WaveletConfig

    with pytest.raises(ConfigError, match="latent_step"):
        TileSettings(grid=tile_grid((96, 90), SIDE), config=WaveletConfig(psnr_db=30.0))


def test_sounds_are_cut_too() -> None:
    sound = Signal(values=chirp(), kind=SignalKind.AUDIO)
    file = represent_in_tiles(LargeSignal.of(sound), Effort.FAST, Target.parse("bytes=1200"), side=200, steps=STEPS)
    assert file.is_met
    assert file.tiles == 3


def test_represent_cuts_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(pixels()).save(path)
    for given in (path, pixels()):
        result = tuner.represent(given, bytes=2000, tiles=60, max_steps=1, effort="fast")
        assert isinstance(result.representation.parameters, TiledParameters)
        assert result.is_met
        assert result.psnr_db == pytest.approx(measured_db(result.content), abs=1e-4)
        assert "4 tiles" in result.summary
    with pytest.raises(ConfigError, match="only they are cut"):
        tuner.represent(path, tiles=40, network="sines")


def test_the_command_cuts_on_request(tmp_path: Path) -> None:
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    arguments = ["fit", tmp_path / "a.png", "-o", tmp_path / "a.tnr", "--tiles", 60, "--steps", 1, "--target", "bits=2"]
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    assert "4 tiles" in result.output
