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
| `progress/` | the network while it trains, and its spectrum, with `pictures_every` |
| `prediction.ply` | of a mesh: the surface of the network |
| `pruning.csv` | what was pruned, with `prune` |
| `chosen_frequencies.csv`, `chosen_frequencies.png` | input frequencies, their bounds and largest weights |
| `loss.csv`, `measurements.csv`, `curves.png` | every step; PSNR, held-out PSNR and gradient PSNR on the way |
| `weights.safetensors` | all numbers of the network |
| `summary.json` | the measurement of the network; watched samples, pruning and the surface of a mesh |

Of a mesh the pictures show a plane through its middle (`tuner.experiment.plane`), distances as greys.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import torch as safetensors

from tuner.errors import ConfigError
from tuner.experiment import charts
from tuner.experiment.config import ExperimentConfig
from tuner.experiment.frequencies import chosen_frequencies
from tuner.experiment.methods import make_network, method
from tuner.experiment.plane import Plane
from tuner.experiment.pruning import require_prunable, sparsity
from tuner.experiment.sample import SAMPLE, sample_picture
from tuner.experiment.samples import Samples, centre_crop
from tuner.experiment.surface import SurfacePoints, read_field, surface_measures
from tuner.experiment.trackers import Trackers, require_trackers
from tuner.experiment.training import Curves, Measurement, predict, train
from tuner.fit.sines.trainable import Network
from tuner.shapes import FloatArray
from tuner.signal.image import read_image, write_image
from tuner.signal.mesh import write_mesh
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh
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
        ConfigError: if there is no image or mesh, a setting does not fit it, or a package that is asked for is missing.
        SignalError: if the image or the mesh cannot be read.
        FitDiverged: if the loss is no longer a number.
    """
    # What is missing is said before anything is written, and before minutes of training.
    require_trackers(config.trackers)
    charts.require_charts()
    subject = _read(config)
    samples, plane = subject.samples, Plane.of(subject.samples)
    network = make_network(
        method(config.method),
        samples.grid,
        samples.channels,
        widths=config.widths,
        seed=config.seed,
        **config.options,
    )
    if config.training.prune is not None:
        require_prunable(network)
    folder = _new_folder(runs, config.name)
    (folder / "config.yaml").write_text(_found_again(config).to_yaml(), encoding="utf-8")
    with Trackers(config, folder) as track:

        def measured(measurement: Measurement) -> None:
            track(measurement)
            if on_measure is not None:
                on_measure(measurement)

        def stepped(step: int) -> None:
            if config.pictures_every is not None and step % config.pictures_every == 0:
                _write_progress(folder / "progress", step, network, plane)

        curves = train(network, samples, config.training, seed=config.seed, on_measure=measured, on_step=stepped)
    (folder / "weights.safetensors").write_bytes(safetensors.save(dict(network.state_dict())))
    _write_curves(folder, curves)
    _write_pictures(folder, network, plane)
    summary = asdict(curves.final) | _watched(curves, config) | _pruned(folder, network, curves)
    summary |= _surface(folder, network, subject)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    table = chosen_frequencies(network, samples.grid)
    if table:
        _write_csv(folder / "chosen_frequencies.csv", table)
        charts.frequencies(table, folder / "chosen_frequencies.png")
    return folder


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """What is learnt: the signal, its samples, and the mesh that it stands for, if it does."""

    signal: Signal
    samples: Samples
    mesh: Mesh | None


def _read(config: ExperimentConfig) -> _Subject:
    mesh = surface = None
    if config.mesh is not None:
        signal, mesh = read_field(Path(config.mesh), config.resolution)
        surface = SurfacePoints.of(mesh, signal, seed=config.seed)
    elif config.image is not None:
        signal = centre_crop(_picture(config.image), config.size)
    else:
        raise ConfigError("the experiment has no image: give `image` or `mesh` in the file, or --image or --mesh")
    samples = Samples.of(signal, config.period, held_out=config.held_out, seed=config.seed, surface=surface)
    return _Subject(signal, samples, mesh)


def _picture(image: str) -> Signal:
    return sample_picture() if image == SAMPLE else read_image(Path(image))


def _found_again(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment with the whole path of its picture or mesh: its file lies in another folder now."""
    if config.mesh is not None:
        return replace(config, mesh=str(Path(config.mesh).resolve()))
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
    _write_csv(folder / "measurements.csv", [asdict(measurement) for measurement in curves.measurements])
    charts.curves(curves, folder / "curves.png")


def _watched(curves: Curves, config: ExperimentConfig) -> dict[str, float | int | None]:
    """What watching did: how many steps there were, and which of them is kept."""
    if config.training.watch is None:
        return {}
    steps = {"asked_steps": config.training.steps, "taken_steps": len(curves.losses)}
    return steps | {"best_step": curves.best_step}


def _pruned(folder: Path, network: Network, curves: Curves) -> dict[str, float]:
    if not curves.pruned:
        return {}
    _write_csv(folder / "pruning.csv", [asdict(layer) for layer in curves.pruned])
    return sparsity(network)


def _surface(folder: Path, network: Network, subject: _Subject) -> dict[str, float | None]:
    if subject.mesh is None:
        return {}
    prediction = predict(network, subject.samples.coords_PD).reshape(subject.signal.values.shape)
    field, measures = surface_measures(subject.mesh, subject.signal, prediction)
    if measures["chamfer"] is not None:
        (folder / "prediction.ply").write_bytes(write_mesh(field, "ply"))
    return measures


def _write_progress(folder: Path, step: int, network: Network, plane: Plane) -> None:
    """A picture of the network as it is now, there to be looked at while it trains."""
    folder.mkdir(exist_ok=True)
    prediction = plane.predict(network)
    _write_png(folder / f"step_{step:06d}.png", plane.shown(prediction))
    _write_png(folder / f"step_{step:06d}_spectrum.png", log_spectrum(plane.upright(prediction))[..., None])


def _write_pictures(folder: Path, network: Network, plane: Plane) -> None:
    prediction = plane.predict(network)
    _write_png(folder / "prediction.png", plane.shown(prediction))
    _write_png(folder / "spectrum_prediction.png", log_spectrum(plane.upright(prediction))[..., None])
    _write_png(folder / "spectrum_truth.png", log_spectrum(plane.upright(plane.values))[..., None])
    slopes = luminance(plane.slopes(network).swapaxes(2, 3))
    magnitude = np.linalg.norm(slopes * plane.steps, axis=-1, keepdims=True).astype(np.float32)
    _write_png(folder / "gradient_magnitude.png", plane.upright(magnitude / max(float(magnitude.max()), 1e-12)))
    _write_png(folder / "extrapolation.png", plane.shown(plane.predict(network, wide=2)))
    for zoom in ZOOMS:
        _write_png(folder / f"zoom_{zoom}x_bicubic.png", plane.shown(_magnified(plane.values, zoom)))
        _write_png(folder / f"zoom_{zoom}x.png", plane.shown(plane.predict(network, zoom=zoom)))


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


def _write_csv(path: Path, rows: Sequence[Mapping[str, float | int | None]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
