"""`tuner shrink`: a picture to a .tnr file of a given size. Called by `tuner.cli`."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.codec.encode import encode
from tuner.files import write_whole
from tuner.fit.modulated_config import ModulatedConfig
from tuner.metrics import picture_psnr_db
from tuner.representation import Representation
from tuner.signal.image import read_image


def shrink(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A PNG, JPEG, WebP or TIFF image.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .tnr file to write.")],
    bits_per_sample: Annotated[float, typer.Option(help="Size to aim for, in bits per pixel.")] = 0.3,
    steps: Annotated[int, typer.Option(help="More steps, smaller errors.")] = 300,
    seconds: Annotated[float | None, typer.Option(help="Of training at most.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file on the same machine.")] = 0,
) -> None:
    """Fit a modulated network of about a given size to a picture."""
    from tuner.cli import errors_in_one_line
    from tuner.fit.modulated import fit_modulated

    with errors_in_one_line():
        signal = read_image(source)
        config = ModulatedConfig(bits_per_sample=bits_per_sample, steps=steps, max_seconds=seconds, seed=seed)
        result = fit_modulated(signal, config)
        representation = Representation.of(result.parameters, signal)
        data = encode(representation, result.steps)
        write_whole(output, data)
        quality_db = picture_psnr_db(signal.values, representation.render().values, signal.sample_format)
        bits = 8 * len(data) / signal.sample_count
        typer.echo(f"{output}: {len(data)} bytes, {bits:.3f} bits per pixel, {quality_db:.2f} dB")
