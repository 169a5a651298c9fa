"""`tuner shrink`: a signal of any kind to a .tnr file of a given size."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.files import write_whole
from tuner.quality.report import describe
from tuner.signal.formats import read_signal
from tuner.signal.mesh import RESOLUTION
from tuner.terminal import errors_in_one_line


def shrink(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="An image, a sound, a volume, a video, a mesh or a .npy array.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .tnr file to write.")],
    bits_per_sample: Annotated[
        float, typer.Option(help="Size at most, in bits per sample: per pixel of an image.")
    ] = 0.3,
    steps: Annotated[int, typer.Option(help="More steps, smaller errors.")] = 300,
    seconds: Annotated[float | None, typer.Option(help="Of training at most.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file on the same machine.")] = 0,
    resolution: Annotated[int, typer.Option(help="Samples along a mesh's longest side.")] = RESOLUTION,
) -> None:
    """Fit a network with wavelets to a signal of up to three axes, in a file of at most the given size."""
    from tuner.codec.decode import decode
    from tuner.targets.ask import NetworkKind
    from tuner.targets.request import ask_for
    from tuner.targets.search import fit_to_target
    from tuner.targets.target import Target, TargetKind

    with errors_in_one_line():
        signal = read_signal(source, resolution=resolution)
        target = Target(TargetKind.BITS_PER_SAMPLE, bits_per_sample)
        ask = ask_for(signal, target=target, kind=NetworkKind.WAVELETS, seed=seed, steps=steps, seconds=seconds)
        content = fit_to_target(signal, ask).content
        assert content is not None  # noqa: S101  nobody stops it
        write_whole(output, content)
        typer.echo(f"{output}: {describe(signal, decode(content).render(), len(content))}")
