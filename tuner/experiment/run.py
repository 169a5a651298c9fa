"""Runs one experiment and leaves a folder that says everything about it.

    folder = run_experiment(read_experiment(Path("bound.yaml")), Path("runs"))

| file | |
|---|---|
| `config.yaml` | the experiment, as it was run; `tuner experiment` runs it again to the same weights |
| `prediction.png`, `zoom_2x.png`, `zoom_4x.png`, `zoom_6x.png` | the network, and its middle magnified |
| `zoom_2x_bicubic.png`, ... | the middle of the picture, magnified by interpolation |
| `extrapolation.png` | the network on twice the domain, [-2, 2] |
| `spectrum_prediction.png`, `spectrum_truth.png` | log(1 + Fourier magnitude) of the luminance |
| `gradient_magnitude.png` | of the luminance of the network, exact |
| `chosen_frequencies.csv`, `chosen_frequencies.png` | input frequencies, their bounds and largest weights |
| `loss.csv`, `measurements.csv`, `curves.png` | every step; PSNR, held-out PSNR and gradient PSNR on the way |
| `weights.safetensors` | all numbers of the network |
| `summary.json` | the last measurement |
"""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import torch as safetensors

from tuner.errors import ConfigError
from tuner.experiment import charts
from tuner.experiment.config import ExperimentConfig
from tuner.experiment.frequencies import chosen_frequencies
from tuner.experiment.methods import make_network, method
from tuner.experiment.sample import SAMPLE, sample_picture
from tuner.experiment.samples import Samples, centre_crop
from tuner.experiment.trackers import Trackers, require_trackers
from tuner.experiment.training import Curves, Measurement, predict, predict_gradients, train
from tuner.fit.sines.trainable import Network
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.image import read_image, write_image
from tuner.signal.signal import Signal
from tuner.spectrum import log_spectrum, luminance

ZOOMS = (2, 4, 6)


def run_experiment(
    config: ExperimentConfig, runs: Path, *, on_measure: Callable[[Measurement], None] | None = None
) -> Path:
    """Train, measure, and write everything down.

    Args:
        config: the experiment to run.
        runs: folder in which run folders are made, as <date>/<time>_<name>.
        on_measure: called with every measurement.

    Returns:
        The run folder.

    Raises:
        ConfigError: if there is no image, a setting does not fit it, or a package that is asked for is missing.
        SignalError: if the image cannot be read.
        FitDiverged: if the loss is no longer a number.
    """
    if config.image is None:
        raise ConfigError("the experiment has no image: give `image` in the file, or --image")
    # What is missing is said before anything is written, and before minutes of training.
    require_trackers(config.trackers)
    charts.require_charts()
    signal = centre_crop(_picture(config.image), config.size)
    samples = Samples.of(signal, config.period, held_out=config.held_out, seed=config.seed)
    network = make_network(
        method(config.method),
        samples.grid,
        samples.channels,
        widths=config.widths,
        seed=config.seed,
        **config.options,
    )
    folder = _new_folder(runs, config.name)
    (folder / "config.yaml").write_text(_found_again(config).to_yaml(), encoding="utf-8")
    with Trackers(config, folder) as track:

        def measured(measurement: Measurement) -> None:
            track(measurement)
            if on_measure is not None:
                on_measure(measurement)

        curves = train(network, samples, config.training, seed=config.seed, on_measure=measured)
    (folder / "weights.safetensors").write_bytes(safetensors.save(dict(network.state_dict())))
    _write_curves(folder, curves)
    _write_pictures(folder, network, samples)
    table = chosen_frequencies(network, samples.grid)
    if table:
        _write_csv(folder / "chosen_frequencies.csv", table)
        charts.frequencies(table, folder / "chosen_frequencies.png")
    return folder


def _picture(image: str) -> Signal:
    return sample_picture() if image == SAMPLE else read_image(Path(image))


def _found_again(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment with the whole path of its picture: its file lies in another folder now."""
    if config.image is None or config.image == SAMPLE:
        return config
    return replace(config, image=str(Path(config.image).resolve()))


def _new_folder(runs: Path, name: str) -> Path:
    """A folder of its own, also for two runs within one second."""
    now = datetime.now().astimezone()
    for number in range(1, 1000):
        suffix = "" if number == 1 else f"-{number}"
        folder = runs / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}_{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise ConfigError(f"{runs} holds a thousand runs of this name and second: choose another folder")


def _write_curves(folder: Path, curves: Curves) -> None:
    _write_csv(folder / "loss.csv", [{"step": step, "loss": loss} for step, loss in enumerate(curves.losses, start=1)])
    rows = [asdict(measurement) for measurement in curves.measurements]
    _write_csv(folder / "measurements.csv", rows)
    (folder / "summary.json").write_text(json.dumps(rows[-1], indent=2) + "\n")
    charts.curves(curves, folder / "curves.png")


def _write_pictures(folder: Path, network: Network, samples: Samples) -> None:
    shape = samples.shape
    truth = samples.values_PC.numpy().reshape(*shape, -1)
    prediction = predict(network, samples.coords_PD).reshape(*shape, -1)
    _write_png(folder / "prediction.png", prediction)
    _write_png(folder / "spectrum_prediction.png", log_spectrum(prediction)[..., None])
    _write_png(folder / "spectrum_truth.png", log_spectrum(truth)[..., None])
    slopes = luminance(predict_gradients(network, samples.coords_PD).reshape(*shape, -1, 2).swapaxes(2, 3))
    magnitude = np.linalg.norm(slopes * (2.0 / np.array(shape)), axis=-1, keepdims=True).astype(np.float32)
    _write_png(folder / "gradient_magnitude.png", magnitude / max(float(magnitude.max()), 1e-12))
    # As many samples per unit as the picture has, around it.
    wide = Grid(tuple(2 * side for side in shape), samples.period).coords() * np.float32(2.0)
    _write_png(
        folder / "extrapolation.png", predict(network, torch.tensor(wide)).reshape(*(2 * side for side in shape), -1)
    )
    for zoom in ZOOMS:
        _write_png(folder / f"zoom_{zoom}x_bicubic.png", _magnified(truth, zoom))
        middle = predict(network, samples.coords_PD / zoom).reshape(*shape, -1)
        _write_png(folder / f"zoom_{zoom}x.png", middle)


def _magnified(picture: FloatArray, zoom: int) -> FloatArray:
    """The middle of a picture at its own size, by bicubic interpolation."""
    height, width = picture.shape[:2]
    left, top = (0.5 * side * (1.0 - 1.0 / zoom) for side in (width, height))
    box = (left, top, width - left, height - top)
    channels = [
        np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BICUBIC, box))
        for channel in np.moveaxis(picture, -1, 0).astype(np.float32)
    ]
    magnified: FloatArray = np.stack(channels, -1)
    return magnified


def _write_png(path: Path, values: FloatArray) -> None:
    path.write_bytes(write_image(Signal(values=np.clip(values, 0.0, 1.0))))


def _write_csv(path: Path, rows: list[dict[str, float | int | None]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
