"""An experiment from its YAML file to its run folder."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import torch as safetensors
from scipy import ndimage
from typer.testing import CliRunner

import tuner.experiment
from tests.signals import obj, torus
from tests.unit.tuner.experiment.worlds import picture
from tuner.cli import app
from tuner.errors import ConfigError
from tuner.experiment import charts
from tuner.experiment.config import ExperimentConfig, read_experiment
from tuner.experiment.methods import Regime, make_network, method
from tuner.experiment.named import built_in, find_experiment
from tuner.experiment.pruning import PruningConfig
from tuner.experiment.sample import sample_picture
from tuner.experiment.training import ADAM_WATCH, TrainingConfig
from tuner.metrics import authors_gradient_psnr_db, gradient_psnr_db
from tuner.quality.surface import chamfer_distance
from tuner.signal.formats import read_signal, read_surface
from tuner.signal.grid import Grid
from tuner.signal.image import read_image, write_image

CONFIGS = Path(tuner.experiment.__file__).parent / "configs"
FILES = {
    "config.yaml", "prediction.png", "zoom_2x.png", "zoom_4x.png", "zoom_6x.png", "spectrum_prediction.png",
    "zoom_2x_bicubic.png", "zoom_4x_bicubic.png", "zoom_6x_bicubic.png", "extrapolation.png",
    "spectrum_truth.png", "gradient_magnitude.png", "loss.csv", "measurements.csv", "curves.png",
    "weights.safetensors", "summary.json", "chosen_frequencies.csv", "chosen_frequencies.png",
}  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "waves.png"
    path.write_bytes(write_image(picture(3)))
    return path


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("regime", list(Regime))
def test_there_is_a_configuration_for_every_regime(regime: Regime) -> None:
    config = read_experiment(CONFIGS / f"{regime.value}.yaml")
    assert config.method == config.name == regime.value
    chosen = method(regime.value)
    assert config.training.learning_rate == chosen.learning_rate
    assert config.training.bound_penalty == chosen.bound_penalty
    make_network(chosen, Grid((64, 64), config.period), 3, widths=config.widths, seed=0, **config.options)


@pytest.mark.parametrize("regime", [Regime.FIXED_BOUNDS, Regime.LEARNED_BOUNDS_MRNET])
def test_a_run_leaves_a_folder_with_everything(tmp_path: Path, image: Path, regime: Regime) -> None:
    options = ["--image", str(image), "--size", "18", "--steps", "12", "-o", str(tmp_path / "runs")]
    outcome = CliRunner().invoke(app, ["experiment", str(CONFIGS / f"{regime.value}.yaml"), *options])
    assert outcome.exit_code == 0, outcome.output
    folder = Path(outcome.output.strip().splitlines()[-1])
    assert {path.name for path in folder.iterdir()} == FILES
    assert folder.name.endswith(f"_{regime.value}")
    assert folder.parent.parent == tmp_path / "runs"

    with (folder / "loss.csv").open() as file:
        losses = list(csv.DictReader(file))
    assert [row["step"] for row in losses] == [str(step) for step in range(1, 13)]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["step"] == 12
    names = {"step", "loss", "train_psnr_db", "test_psnr_db", "gradient_psnr_db", "out_of_band_energy"}
    assert set(summary) == names | {"authors_gradient_psnr_db", "watched_psnr_db", "iou", "normal_error_degrees"}
    assert "as the authors measure it" in outcome.output, "both gradient PSNRs are said"
    assert summary["out_of_band_energy"] > 0

    config = read_experiment(folder / "config.yaml")
    assert config == replace(
        read_experiment(CONFIGS / f"{regime.value}.yaml"), image=config.image, size=18, training=config.training
    )
    network = make_network(
        method(config.method), Grid((18, 18), 2.5), 3, widths=config.widths, seed=5, **config.options
    )
    network.load_state_dict(safetensors.load((folder / "weights.safetensors").read_bytes()))
    with torch.no_grad():
        values = network(torch.tensor(Grid((18, 18), 2.5).coords())).numpy().reshape(18, 18, 3)
    shown = read_image(folder / "prediction.png").values
    np.testing.assert_allclose(shown, np.clip(values, 0, 1), atol=0.51 / 255)
    for name in ("zoom_6x.png", "spectrum_truth.png", "gradient_magnitude.png"):
        assert read_image(folder / name).grid_shape == (18, 18)
    # The middle of what lies around the picture is the picture.
    around = read_image(folder / "extrapolation.png").values
    assert around.shape == (36, 36, 3)
    np.testing.assert_allclose(around[9:27, 9:27], shown, atol=1.01 / 255)


def test_the_middle_is_what_is_magnified(tmp_path: Path, image: Path) -> None:
    path = write(
        tmp_path, "method: tuner\nimage: waves.png\nwidths: [60, 30]\ntraining: {steps: 60, learning_rate: 0.002}"
    )
    outcome = CliRunner().invoke(app, ["experiment", str(path), "-o", str(tmp_path / "runs")])
    assert outcome.exit_code == 0, outcome.output
    folder = Path(outcome.output.strip().splitlines()[-1])
    whole, zoomed = (read_image(folder / name).values for name in ("prediction.png", "zoom_2x.png"))
    height, width = whole.shape[:2]
    middle = whole[height // 4 : height - height // 4, width // 4 : width - width // 4]
    coarse = zoomed.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    assert float(np.abs(coarse - middle).mean()) < 0.02


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds nothing"),
        ("- a\n- b", "holds a list"),
        ("method: [", "is not YAML"),
        ("name: x", "method is missing"),
        ("method: sirene", "the method is 'sirene', expected one of tuner"),
        ("method: tuner\nsteps: 3", "steps is no setting, expected one of method, name"),
        ("method: tuner\ntraining: {step: 3}", r"training\.step is no setting, expected one of steps"),
        ("method: tuner\ntraining: {steps: many}", r"training\.steps is 'many', text, expected a whole number"),
        ("method: tuner\ntraining: {steps: 1.5}", r"training\.steps is 1\.5, a number, expected a whole number"),
        ("method: tuner\ntraining: {steps: true}", r"training\.steps is True, a truth value"),
        (
            "method: tuner\ntraining: {learning_rate: 1e-4}",
            r"'1e-4', text, expected a number \(with a point: 1\.0e-4\)",
        ),
        ("method: tuner\ntraining: 3", "training is 3, a number, expected keys and values"),
        ("method: tuner\nwidths: [8, wide]", r"widths\[1\] is 'wide'"),
        ("method: tuner\ntrackers: [papertrail]", "expected one of wandb, tensorboard"),
        ("method: tuner\nname: ../elsewhere", "it names a folder"),
        ("method: tuner\nseed: -1", "seed is -1"),
        ("method: tuner\nsize: 0", "size is 0"),
        ("method: tuner\nresolution: 3", "resolution is 3, expected at least 4"),
        ("method: tuner\npictures_every: 0", "pictures_every is 0"),
        ("method: tuner\nimage: a.png\nmesh: b.obj", "image is .*a.png' and mesh is .*b.obj', expected one"),
        ("method: tuner\nmesh: b.obj\nsize: 8", "size is 8, which crops pictures, expected `resolution`"),
        ("method: tuner\ntraining: {prune: {share: 1.0}}", "share of prune is 1.0"),
        ("method: tuner\ntraining: {prune: 0.5}", r"training\.prune is 0\.5, a number, expected keys and values"),
        ("method: tuner\ntraining: {watch: {shre: 0.1}}", r"training\.watch\.shre is no setting"),
        ("method: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_experiment(write(tmp_path, text))


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    config = ExperimentConfig(
        method="train_mrnet", image="/a/b.png", widths=(8, 4), options={"stages": 2, "integer": True, "low_limit": 0.1},
        training=TrainingConfig(steps=7, batch_samples=None, prune=PruningConfig(after=0.4), watch=ADAM_WATCH),
        seed=3, held_out=0.1, pictures_every=5,
    )  # fmt: skip
    assert read_experiment(write(tmp_path, config.to_yaml())) == config


@pytest.mark.parametrize("regime", list(Regime))
def test_a_saved_configuration_runs_again_to_the_same_weights(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, regime: Regime
) -> None:
    """From any folder, although the picture was named relative to where the first run began, or to its file."""
    for chart in ("curves", "frequencies"):  # they are half of the time, and drawn in other tests
        monkeypatch.setattr(charts, chart, lambda *_: None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(tmp_path, f"method: {regime}\nimage: waves.png\nwidths: [8, 4]\ntraining: {{steps: 6, batch_samples: 99}}")
    changed = ["--image", "waves.png", "--prune", "0.5", "--watch", "--pictures-every", "3"]
    for options in (changed, []) if regime is Regime.LEARNED_BOUNDS else (changed,):
        monkeypatch.chdir(tmp_path)
        folder = run("experiment.yaml", *options)
        monkeypatch.chdir(elsewhere)
        again = run(str(folder / "config.yaml"))
        first, second = ((one / "weights.safetensors").read_bytes() for one in (folder, again))
        assert first == second
        assert (folder / "config.yaml").read_text() == (again / "config.yaml").read_text()


def run(*arguments: str) -> Path:
    """The folder of an experiment, as a whole path."""
    outcome = CliRunner().invoke(app, ["experiment", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return Path(outcome.output.strip().splitlines()[-1]).resolve()


def test_configurations_of_the_package_are_found_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_experiment("train_siren.yaml") == find_experiment("train_siren")
    again = read_experiment(run("train_siren", "--size", "16", "--steps", "2") / "config.yaml")
    assert (again.method, again.image) == ("train_siren", "sample")
    np.testing.assert_array_equal(sample_picture().values, sample_picture().values)


def test_a_file_goes_before_a_configuration_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train_siren.yaml").write_text("method: relu")
    assert read_experiment(find_experiment("train_siren.yaml")).method == "relu"
    assert read_experiment(find_experiment("train_siren")).method == "train_siren"


def test_a_configuration_that_is_nowhere_is_said_and_the_help_names_those_that_are(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["experiment", "train_sirene", "-o", str(tmp_path / "runs")])
    assert outcome.exit_code == 1
    assert "there is no file train_sirene" in outcome.output
    said = "".join(CliRunner().invoke(app, ["experiment", "--help"], terminal_width=300).output.split())
    assert all(name in said for name in built_in())
    assert set(Regime) <= set(built_in())


def test_without_an_image_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["experiment", str(write(tmp_path, "method: tuner")), "-o", str(tmp_path)])
    assert outcome.exit_code == 1
    assert "give `image` or `mesh` in the file, or --image or --mesh" in outcome.output


@pytest.mark.parametrize(
    ("module", "line", "advice"),
    [
        ("wandb", "trackers: [wandb]", "pip install 'tuner-neural[tracking]'"),
        ("torch.utils.tensorboard", "trackers: [tensorboard]", "pip install 'tuner-neural[tracking]'"),
        ("matplotlib", "seed: 1", "pip install 'tuner-neural[experiment]'"),
        ("yaml", "seed: 1", "pip install 'tuner-neural[experiment]'"),
    ],
)
def test_packages_that_are_not_installed_are_named_before_anything_is_written(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, module: str, line: str, advice: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # what Python does for a package that is not there
    path = write(tmp_path, f"method: tuner\nimage: waves.png\nwidths: [8, 4]\n{line}")
    outcome = CliRunner().invoke(app, ["experiment", str(path), "-o", str(tmp_path / "runs")])
    assert outcome.exit_code == 1
    assert advice in outcome.output
    assert not (tmp_path / "runs").exists()


def test_the_gradient_psnr_of_the_authors_is_theirs_to_the_letter() -> None:
    """By the libraries that they use: Pillow makes levels of floats, SciPy filters."""
    world = picture(5).values
    slopes = np.random.default_rng(1).normal(size=(*world.shape, 2)).astype(np.float32)
    grey = (slopes * np.array([0.2126, 0.7152, 0.0722], np.float32)[:, None]).sum(2) * (2 / np.array([20, 24]))
    magnitude = np.hypot(grey[..., 0], grey[..., 1])
    span = magnitude.max() - magnitude.min()
    levels = np.asarray(Image.fromarray((255 * (magnitude - magnitude.min()) / span).astype(np.float32)).convert("L"))
    luma = world @ np.array([0.299, 0.587, 0.114], np.float32)
    truth = np.hypot(ndimage.sobel(luma, 0), ndimage.sobel(luma, 1))
    difference = (levels / 255).astype(np.float16) - (truth / truth.max()).astype(np.float16)
    expected = 20 * np.log10(1 / np.sqrt(np.mean(difference.astype(np.float64) ** 2)))
    assert authors_gradient_psnr_db(world, slopes) == pytest.approx(expected, abs=1e-3)
    assert gradient_psnr_db(world, slopes) != pytest.approx(expected, abs=1e-3)


def test_watching_waits_longer_for_adam_where_nothing_else_is_said(tmp_path: Path) -> None:
    config = read_experiment(write(tmp_path, "method: tuner\ntraining: {watch: {share: 0.2}}"))
    assert config.training.watch == replace(ADAM_WATCH, share=0.2)


def test_pictures_come_while_it_trains(tmp_path: Path, image: Path) -> None:
    path = write(tmp_path, "method: tuner\nimage: waves.png\nwidths: [8, 4]\ntraining: {steps: 7}")
    progress = run(str(path), "-o", str(tmp_path), "--pictures-every", "3") / "progress"
    expected = {f"step_{step:06d}{end}.png" for step in (3, 6) for end in ("", "_spectrum")}
    assert {one.name for one in progress.iterdir()} == expected
    folder = run(str(path), "-o", str(tmp_path), "--pictures-every", "7")
    last = (folder / "progress" / "step_000007.png").read_bytes()
    assert last == (folder / "prediction.png").read_bytes()
    assert last != (progress / "step_000003.png").read_bytes()


def test_pruning_is_reported(tmp_path: Path, image: Path) -> None:
    path = write(tmp_path, "method: tuner\nimage: waves.png\nwidths: [8, 4, 4]\ntraining: {steps: 8}")
    outcome = CliRunner().invoke(app, ["experiment", str(path), "-o", str(tmp_path), "--prune", "0.5"])
    assert outcome.exit_code == 0, outcome.output
    folder = Path(outcome.output.strip().splitlines()[-1])
    with (folder / "pruning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["layer"], row["columns"], row["pruned"]) for row in rows] == [
        ("1", "0", "8", "4"), ("1", "1", "4", "2"),
    ]  # fmt: skip
    weights = safetensors.load((folder / "weights.safetensors").read_bytes())
    numbers = [value for name, value in weights.items() if "frequencies" not in name and "bounds" not in name]
    left = sum(int((one.abs() >= 1e-4).sum()) for one in numbers)
    total = sum(one.numel() for one in numbers)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["weights"], summary["weights_left"]) == (total, left)
    assert summary["compression_ratio"] == pytest.approx(total / left)
    assert summary["space_saving"] == pytest.approx(1 - left / total)
    assert f"pruned: {left} of {total} weights are left" in outcome.output


def test_what_cannot_be_pruned_is_said_before_anything_is_written(tmp_path: Path, image: Path) -> None:
    path = write(tmp_path, "method: siren\nimage: waves.png\nwidths: [8, 4]")
    outcome = CliRunner().invoke(app, ["experiment", str(path), "-o", str(tmp_path / "runs"), "--prune", "0.5"])
    assert outcome.exit_code == 1
    assert "no hidden sine layers" in outcome.output
    assert not (tmp_path / "runs").exists()


def test_watching_says_what_it_did(tmp_path: Path, image: Path) -> None:
    text = "method: tuner\nimage: waves.png\nwidths: [40, 30]\ntraining: {steps: 400, learning_rate: 0.01, "
    path = write(tmp_path, text + "watch: {every: 2, patience: 10, share: 0.2, margin_db: 0.5}}")
    outcome = CliRunner().invoke(app, ["experiment", str(path), "-o", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    summary = json.loads((Path(outcome.output.strip().splitlines()[-1]) / "summary.json").read_text())
    best, taken = summary["best_step"], summary["taken_steps"]
    assert 0 < best == taken - 10 < taken < 400
    assert f"stopped after {taken} of 400 steps, kept the network of step {best}" in outcome.output
    assert summary["step"] == best
    assert summary["watched_psnr_db"] > 10


def test_a_mesh_is_learnt_as_the_distances_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torus.obj").write_bytes(obj(torus()))
    path = write(
        tmp_path,
        "method: train_bound\nmesh: torus.obj\nresolution: 14\nwidths: [80, 40]\npictures_every: 100\n"
        "training: {steps: 150, learning_rate: 0.005, batch_samples: 500}",
    )
    outcome = CliRunner().invoke(app, ["experiment", str(path), "-o", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    folder = Path(outcome.output.strip().splitlines()[-1])
    assert {one.name for one in folder.iterdir()} == FILES | {"prediction.ply", "progress"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["iou"] > 0.8
    assert summary["normal_error_degrees"] < 20
    assert 0 < summary["chamfer_of_length"] < 0.05
    assert summary["chamfer"] == pytest.approx(2.8 * summary["chamfer_of_length"])
    assert "insides overlap by" in outcome.output
    surface = read_surface(folder / "prediction.ply")
    assert chamfer_distance(torus(), surface) == pytest.approx(summary["chamfer"], rel=0.05)
    shape = read_signal(tmp_path / "torus.obj", resolution=14).grid_shape
    assert read_image(folder / "prediction.png").grid_shape == (shape[1], shape[0])
    assert read_image(folder / "extrapolation.png").grid_shape == (2 * shape[1], 2 * shape[0])
    again = run(str(folder / "config.yaml"))
    assert (folder / "weights.safetensors").read_bytes() == (again / "weights.safetensors").read_bytes()


def test_a_mesh_takes_the_place_of_the_sample_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torus.obj").write_bytes(obj(torus()))
    folder = run("train_siren", "--mesh", "torus.obj", "--resolution", "8", "--steps", "2")
    config = read_experiment(folder / "config.yaml")
    assert (config.image, config.mesh, config.size) == (None, str(tmp_path / "torus.obj"), None)
    (tmp_path / "a.png").write_bytes(write_image(picture(1)))
    outcome = CliRunner().invoke(app, ["experiment", "train_siren", "--mesh", "torus.obj", "--image", "a.png"])
    assert outcome.exit_code == 1
    assert "expected one of them" in outcome.output
