"""`make docs-pictures`: the pictures of docs/signals/, from generated signals and a photograph that a library ships.

Every signal is written to a file of its kind, fitted, compressed and decoded with the very calls of `tuner fit`; the
original, what came back and one more view are drawn side by side. Prints the line that each page quotes.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.signals import knot, mesh, photo, sound, terrain, video, volume
from tuner.codec.decode import decode
from tuner.fit.presets import eikonal_config, signal_config
from tuner.fit.sines.fit import fit
from tuner.quality.report import describe
from tuner.quality.surface import chamfer_distance
from tuner.representation import Representation
from tuner.rounding.compress import compress
from tuner.rounding.field import compress_field
from tuner.signal.formats import encode_signal, read_surface, suffixes
from tuner.signal.mesh import surface_of
from tuner.signal.signal import Signal
from tuner.spectrum import log_spectrum

mpl.use("Agg")
STEPS = 60
INK = {"figsize": (9.0, 3.0), "dpi": 80, "layout": "constrained"}


def settled(signal: Signal) -> tuple[Signal, str]:
    """The field that comes back from a file after a fit with the eikonal loss, and a line on it."""
    surface = read_surface(knot())
    result = fit(signal, eikonal_config(signal_config(signal, max_steps=STEPS)), surface=surface)
    file = compress_field(Representation.of(result.network.parameters_numpy(), signal))
    back = decode(file).render()
    return back, describe(signal, back, len(file))


def reproduced(signal: Signal) -> tuple[Signal, Representation, str]:
    """What comes back from a file, the representation in it, and the line on its quality."""
    result = fit(signal, signal_config(signal, max_steps=STEPS))
    file = compress(Representation.of(result.network.parameters_numpy(), signal), signal)
    representation = decode(file)
    back = representation.render()
    return back, representation, describe(signal, back, len(file))


def show_grids(axes: Any, pictures: list[tuple[str, np.ndarray, str]]) -> None:
    """Pictures side by side."""
    for axis, (title, picture, colours) in zip(axes, pictures, strict=True):
        axis.imshow(picture, cmap=colours, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")


def draw(
    name: str,
    signal: Signal,
    back: Signal,
    representation: Representation,
    path: Path,
    other: Signal | None = None,
) -> None:
    """The picture of one page; of a mesh also what another fit of it came to."""
    from matplotlib import pyplot as plt

    figure = plt.figure(**INK)
    if name == "sdf":
        for place, (title, surface) in enumerate(
            (
                ("from the mesh", surface_of(signal)),
                ("from the file", surface_of(back)),
                ("with the eikonal loss", surface_of(other or back)),
            ),
            1,
        ):
            axis = figure.add_subplot(1, 4, place, projection="3d")
            axis.plot_trisurf(*surface.vertices.T, triangles=surface.faces, color="#7a9cc6", linewidth=0)
            axis.set_title(title, fontsize=9)
            axis.set_axis_off()
        axis = figure.add_subplot(1, 4, 4)
        show_grids([axis], [("distances in the middle slice", back.values[:, :, back.grid_shape[2] // 2, 0], "RdBu")])
    elif name == "audio":
        time = np.arange(signal.sample_count) / 22050.0
        for place, (title, values) in enumerate(
            (("original", signal.values), ("difference x 10", 10 * (back.values - signal.values))), 1
        ):
            axis = figure.add_subplot(1, 3, place)
            axis.plot(time, values[:, 0], linewidth=0.4)
            axis.set(ylim=(-1, 1), xlabel="seconds")
            axis.set_title(title, fontsize=9)
        axis = figure.add_subplot(1, 3, 3)
        half = log_spectrum(back.values)[signal.sample_count // 2 :]
        axis.plot(np.linspace(0, 11.025, len(half)), half, linewidth=0.5)
        axis.set(xlabel="kHz")
        axis.set_title("spectrum of what came back", fontsize=9)
    else:
        middle = signal.grid_shape[0] // 2 if len(signal.grid_shape) == 3 else ()
        colours = "gray" if name != "array" else "terrain"
        finer = representation.render(scale=4, region=[(-0.25, 0.25)] * len(signal.grid_shape))
        zoom = finer.values[finer.grid_shape[0] // 2 if len(signal.grid_shape) == 3 else ()]
        show_grids(
            figure.subplots(1, 3),
            [
                ("original", signal.values[middle], colours),
                ("from the file", back.values[middle], colours),
                ("the middle, four times finer", zoom, colours),
            ],
        )
    figure.savefig(path, pil_kwargs={"quality": 85, "optimize": True})
    plt.close(figure)


def main() -> None:
    """Draw all, or the named ones."""
    makers = {"image": photo, "audio": sound, "volume": volume, "video": video, "sdf": mesh, "array": terrain}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures")
    parser.add_argument("names", nargs="*", default=list(makers))
    parser.add_argument("--out", type=Path, default=Path("docs/signals"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        signal = makers[name]()
        source = encode_signal(signal, f"source{suffixes(signal.kind)[0]}")
        back, representation, line = reproduced(signal)
        other = None
        if name == "sdf":
            other, its_line = settled(signal)
            knots = [read_surface(knot()), surface_of(back), surface_of(other)]
            line += f", chamfer {chamfer_distance(*knots[:2]):.4f} on a knot 6 wide; with the eikonal loss {its_line}"
            line += f", chamfer {chamfer_distance(*knots[::2]):.4f}; the grid's own surface is "
            line += f"{chamfer_distance(knots[0], surface_of(signal)):.4f}"
        draw(name, signal, back, representation, options.out / f"{name}.jpg", other)
        print(f"{name}: {signal.grid_shape}, source {len(source)} bytes; {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
