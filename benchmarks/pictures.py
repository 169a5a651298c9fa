"""`make docs-pictures`: the pictures of docs/signals/, from generated signals and a photograph that a library ships.

Every signal is written to a file of its kind, fitted, compressed and decoded with the very calls of `tuner fit`; the
original, what came back and one more view are drawn side by side. Prints the line that each page quotes.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from skimage import data

from tuner.codec.compress import compress
from tuner.codec.decode import decode
from tuner.codec.field import compress_field
from tuner.fit.loop import fit
from tuner.fit.presets import eikonal_config, signal_config
from tuner.quality.report import describe
from tuner.quality.surface import chamfer_distance
from tuner.representation import Representation
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails, VideoDetails, VolumeDetails
from tuner.signal.formats import encode_signal, read_signal, read_surface, suffixes
from tuner.signal.mesh import surface_of
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind
from tuner.spectrum import log_spectrum

mpl.use("Agg")
STEPS = 60
INK = {"figsize": (9.0, 3.0), "dpi": 80, "layout": "constrained"}


def photo() -> Signal:
    """A part of a photograph that scikit-image ships."""
    return Signal(values=(data.astronaut()[0:128, 160:288] / 255.0).astype(np.float32))


def sound() -> Signal:
    """Half a second of four plucked strings."""
    t = np.arange(11025) / 22050.0
    notes = [(220.0, 0.0), (277.2, 0.1), (329.6, 0.2), (440.0, 0.3)]
    strings = (
        np.where(
            t >= start,
            np.exp(-6 * (t - start)) * sum(np.sin(2 * np.pi * n * f * (t - start)) / n**2 for n in (1, 2, 3)),
            0,
        )
        for f, start in notes
    )
    values = 0.3 * sum(strings)
    return Signal(
        values=np.asarray(values, np.float32)[:, None],
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.S16,
        details=AudioDetails(sample_rate=22050),
    )


def volume() -> Signal:
    """A phantom: a shell, two hollows and a rod, as 16-bit integers in a space of 2 mm cells."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 44, 36)), indexing="ij")

    def ball(a: float, b: float, c: float, radius: float) -> Any:
        return 1 / (1 + np.exp(18 * (np.sqrt((z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2) - radius)))

    density = (
        900 * ball(0, 0, 0, 0.85)
        - 500 * ball(0, 0, 0, 0.7)
        - 300 * ball(0.2, -0.3, 0, 0.25)
        + 700 * ball(-0.2, 0.3, 0.1, 0.2)
    )
    signal = array_signal(np.rint(density).astype(np.int16))
    affine = (2.0, 0.0, 0.0, -40.0, 0.0, 2.0, 0.0, -44.0, 0.0, 0.0, 2.0, -36.0, 0.0, 0.0, 0.0, 1.0)
    return Signal(
        values=signal.values,
        kind=SignalKind.VOLUME,
        sample_format=signal.sample_format,
        scaling=signal.scaling,
        details=VolumeDetails(affine=affine, space_unit="mm", codes=(1, 1)),
    )


def video() -> Signal:
    """A ball that rolls over a striped floor."""
    t, y, x = np.meshgrid(np.linspace(0, 1, 24), np.linspace(-1, 1, 48), np.linspace(-1, 1, 64), indexing="ij")
    ball = 1 / (1 + np.exp(30 * (np.hypot(x - 1.4 * t + 0.7, y - 0.3 * np.cos(6 * t)) - 0.3)))
    floor = 0.5 + 0.2 * np.sin(9 * x + 3 * y)
    values = np.stack(
        [floor + (0.95 - floor) * ball, floor * (1 - 0.6 * ball), 0.4 * (1 - ball) + 0.1 * y * (1 - ball)], -1
    )
    return Signal(
        values=np.clip(values, 0, 1).astype(np.float32), kind=SignalKind.VIDEO, details=VideoDetails(rate=(24, 1))
    )


def knot() -> bytes:
    """A knot as an OBJ file."""
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, 120, endpoint=False), np.linspace(0, 2 * np.pi, 16, endpoint=False), indexing="ij"
    )
    centre = np.stack([np.sin(u) + 2 * np.sin(2 * u), np.cos(u) - 2 * np.cos(2 * u), -np.sin(3 * u)], -1)
    along = np.gradient(centre[:, 0], axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, along)
    points = centre + 0.45 * (np.cos(v)[..., None] * side[:, None] + np.sin(v)[..., None] * up[:, None])
    lines = [f"v {a:.5f} {b:.5f} {c:.5f}" for a, b, c in points.reshape(-1, 3)]
    for i in range(120):
        for j in range(16):
            a, b = 16 * i + j, 16 * i + (j + 1) % 16
            c, d = 16 * ((i + 1) % 120) + j, 16 * ((i + 1) % 120) + (j + 1) % 16
            lines += [f"f {a + 1} {b + 1} {c + 1}", f"f {b + 1} {d + 1} {c + 1}"]
    return "\n".join(lines).encode()


def mesh() -> Signal:
    """The distances to a knot."""
    return read_signal(knot(), resolution=48)


def settled(signal: Signal) -> tuple[Signal, str]:
    """The field that comes back from a file after a fit with the eikonal loss, and a line on it."""
    surface = read_surface(knot())
    result = fit(signal, eikonal_config(signal_config(signal, max_steps=STEPS)), surface=surface)
    file = compress_field(Representation.of(result.network.parameters_numpy(), signal))
    back = decode(file).render()
    return back, describe(signal, back, len(file))


def terrain() -> Signal:
    """Heights in metres, as doubles: a few waves and a crater."""
    y, x = np.meshgrid(np.linspace(-1, 1, 90), np.linspace(-1, 1, 120), indexing="ij")
    r = np.hypot(x - 0.3, y + 0.2)
    heights = (
        800
        + 120 * np.sin(4 * x + 2 * y)
        + 60 * np.cos(7 * y - 3 * x)
        - 300 * np.exp(-25 * r**2)
        + 90 * np.exp(-90 * (r - 0.3) ** 2)
    )
    return array_signal(heights)


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
