"""The command `tuner`: pictures to .tnr files and back, on files, without a server.

`decode` and `info` need no torch; `fit` imports it when it is called. What is wrong with an input is said in one line,
with exit code 1; a command that cannot be understood ends with 2. An output file is written whole or not at all.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tuner.codec.compress import compress
from tuner.codec.decode import decode as decode_bytes
from tuner.codec.facts import FileFacts, inspect_file
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError, TunerError
from tuner.files import write_whole
from tuner.fit.config import FitConfig
from tuner.fit.presets import Effort, image_config
from tuner.metrics import picture_psnr_db
from tuner.representation import Representation
from tuner.signal.image import read_image, write_image
from tuner.signal.signal import Signal
from tuner.target.ask import TRIALS, Ask, Target

if TYPE_CHECKING:
    from tuner.fit.loop import Progress as FitProgress
    from tuner.fit.loop import Verdict

# Torch's threads otherwise spin while they wait, and take the cores from each other on a busy machine. Read when torch
# is first imported, by `fit`.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    help="Pictures as compressed neural representations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def fit(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A PNG, JPEG, WebP or TIFF image.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The .tnr file to write; an existing one is replaced.")
    ],
    effort: Annotated[Effort, typer.Option(help="How large a network, and how long a fit.")] = Effort.BALANCED,
    seconds: Annotated[float | None, typer.Option(help="Stop training after so many seconds.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps, instead of the effort's.")] = None,
    target_psnr: Annotated[float | None, typer.Option(help="Stop once the fit is so good, in dB.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="What the file must come to: psnr=35, max_error=0.05, bytes=40000, bits_per_sample=1, seconds=60."
        ),
    ] = None,
    max_loss_db: Annotated[float, typer.Option(help="What rounding the weights may cost, in dB.")] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file on the same machine.")] = 0,
) -> None:
    """Fit a network to a picture and write it as a .tnr file."""
    with _errors_in_one_line():
        _check_output(output)
        signal = read_image(source)
        config = image_config(
            signal.grid_shape,
            signal.channels,
            effort,
            seed=seed,
            max_steps=steps,
            max_seconds=seconds,
            target_psnr_db=target_psnr,
        )
        if target is not None:
            data, sentence = _fit_to_target_with_progress(signal, config, effort, Target.parse(target))
        else:
            fitted, sentence = _fit_with_progress(signal, config)
            data = compress(fitted, signal, max_loss_db=max_loss_db)
        write_whole(output, data)

        rendered = decode_bytes(data).render()
        quality_db = picture_psnr_db(signal.values, rendered.values, signal.sample_format)
        facts = inspect_file(data)
        typer.echo(f"{output}: {facts.bytes} bytes, {facts.bits_per_sample:.2f} bits per pixel, {quality_db:.2f} dB")
        typer.echo(sentence)


@app.command()
def decode(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .tnr file.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The PNG image to write; an existing one is replaced.")
    ],
    scale: Annotated[float, typer.Option(help="Pixels to write per pixel of the picture, along each side.")] = 1.0,
) -> None:
    """Turn a .tnr file back into a picture, at any size."""
    with _errors_in_one_line():
        _check_output(output)
        if output.suffix.lower() != ".png":
            raise ConfigError(f"the output is {output.name}, expected a name that ends in .png: PNG is what is written")
        write_whole(output, write_image(Representation.load(source).render(scale=scale)))


@app.command()
def info(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .tnr file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a .tnr file holds."""
    with _errors_in_one_line():
        DecodeLimits().check("file_bytes", source.stat().st_size)
        facts = inspect_file(source.read_bytes())
        typer.echo(json.dumps(facts.to_json()) if as_json else _as_text(facts))


def _fit_with_progress(signal: Signal, config: FitConfig) -> tuple[Representation, str]:
    """The fitted representation, and a sentence on how the fit went."""
    from tuner.fit.loop import fit as fit_network

    with _progress_bar(config.budget.max_steps) as show:
        result = fit_network(signal, config, on_step=show)
    sentence = f"{result.steps} steps in {result.seconds:.0f} s. {result.outcome.advice}"
    return Representation.of(result.network.parameters_numpy(), signal), sentence


def _fit_to_target_with_progress(
    signal: Signal, config: FitConfig, effort: Effort, target: Target
) -> tuple[bytes, str]:
    """The file that meets the target, and a sentence on how it was found."""
    from tuner.target.search import fit_to_target

    with _progress_bar(config.budget.max_steps) as show:
        result = fit_to_target(signal, Ask(base=config, target=target, trials=TRIALS[effort]), on_step=show)
    assert result.content is not None  # noqa: S101  the bar stops nothing
    return result.content, f"{result.steps} steps in {result.seconds:.0f} s. {result.sentence}"


@contextmanager
def _progress_bar(steps: int) -> "Iterator[Callable[[FitProgress], Verdict]]":
    """A bar on the terminal, moved by what this yields."""
    from tuner.fit.loop import Progress as FitProgress
    from tuner.fit.loop import Verdict

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[quality]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("fitting", total=steps, quality="")

        def show(progress: FitProgress) -> Verdict:
            bar.update(task, completed=progress.step, total=progress.total_steps, quality=f"{progress.psnr_db:.2f} dB")
            return Verdict.CONTINUE

        yield show


def _as_text(facts: FileFacts) -> str:
    lines = []
    for field in fields(facts):
        value = getattr(facts, field.name)
        shown = " x ".join(map(str, value)) if isinstance(value, tuple) else value
        shown = f"{value:.3f}" if isinstance(value, float) else shown
        lines.append(f"{field.name.replace('_', ' '):<18} {shown}")
    return "\n".join(lines)


def _check_output(path: Path) -> None:
    """Notice before the work what would be noticed after it."""
    if path.is_dir():
        raise ConfigError(f"the output {path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise ConfigError(f"the output's folder {path.parent} does not exist: create it first")


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except (TunerError, OSError, MemoryError) as error:
        message = str(error) or type(error).__name__
        typer.echo(f"tuner: {' '.join(message.split())}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
