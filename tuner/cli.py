"""The command `tuner`: signals to .tnr files and back, on files, without a server.

`decode` and `info` need no torch; `fit` imports it when it is called. What is wrong with an input is said in one line,
with exit code 1; a command that cannot be understood ends with 2. An output file is written whole or not at all.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tuner.codec.decode import decode as decode_bytes
from tuner.codec.decode import load
from tuner.codec.facts import FileFacts, inspect_file
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError
from tuner.experiment.commands import add_commands
from tuner.export.cli import export
from tuner.files import write_whole
from tuner.fit.presets import Effort, eikonal_config
from tuner.quality.report import describe
from tuner.representation import Representation
from tuner.rounding.field import compress_field
from tuner.shrink_command import shrink
from tuner.signal.formats import encode_signal, read_signal, read_surface, writer
from tuner.signal.mesh import RESOLUTION
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh
from tuner.targets.ask import Ask, SinesAsk
from tuner.targets.report import reported
from tuner.targets.request import ask_for
from tuner.targets.target import EXAMPLES, Target
from tuner.terminal import errors_in_one_line

if TYPE_CHECKING:
    from tuner.fit.progress import Progress as FitProgress
    from tuner.fit.progress import Verdict

# Torch's threads otherwise spin while they wait, and take the cores from each other on a busy machine. Read when torch
# is first imported, by `fit`.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Loss(StrEnum):
    """What a fit makes small."""

    VALUES = "values"
    EIKONAL = "eikonal"


app = typer.Typer(
    help="Signals as compressed neural representations: pictures, sounds, volumes, videos, meshes, arrays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def fit(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="An image, a sound, a volume, a video, a mesh or a .npy array.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The .tnr file to write; an existing one is replaced.")
    ],
    effort: Annotated[Effort, typer.Option(help="How large a network, and how long a fit.")] = Effort.BALANCED,
    seconds: Annotated[float | None, typer.Option(help="Stop training after so many seconds.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps, instead of the effort's.")] = None,
    target: Annotated[str | None, typer.Option(help=f"What the file must come to: {EXAMPLES}.")] = None,
    max_loss_db: Annotated[
        float, typer.Option(help="What rounding the weights may cost, in dB, where no quality or size is the target.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file on the same machine.")] = 0,
    resolution: Annotated[int, typer.Option(help="Samples along a mesh's longest side.")] = RESOLUTION,
    loss: Annotated[Loss, typer.Option(help="Of a mesh: distances on a grid, or then the surface too.")] = Loss.VALUES,
) -> None:
    """Fit a network to a signal and write it as a .tnr file."""
    with errors_in_one_line():
        _check_output(output)
        surface = read_surface(source) if loss is Loss.EIKONAL else None
        if surface is not None and target is not None:
            raise ConfigError(
                f"the loss is {loss} and the target {target}, expected one of them: targets are of values"
            )
        signal = read_signal(source, resolution=resolution)
        asked = None if target is None else Target.parse(target)
        ask = ask_for(signal, effort, asked, seed=seed, steps=steps, seconds=seconds, max_loss_db=max_loss_db)
        if surface is None:
            data, sentence = _fit_to_target_with_progress(signal, ask)
        else:
            data, sentence = _fit_to_surface_with_progress(signal, ask, surface)
        write_whole(output, data)

        typer.echo(f"{output}: {describe(signal, decode_bytes(data).render(), len(data))}")
        typer.echo(sentence)


@app.command()
def decode(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .tnr file.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The file to write, of the kind of the signal (.png, .wav, .nii.gz, .mp4, .ply, .npy, ...).",
        ),
    ],
    scale: Annotated[float, typer.Option(help="Samples to write per sample of the signal, along each axis.")] = 1.0,
) -> None:
    """Turn a .tnr file back into a picture, a sound, a volume, a video, a mesh or an array, at any size."""
    with errors_in_one_line():
        _check_output(output)
        representation = load(source)
        writer(representation.kind, output.name)  # before the work: whether the name fits the kind
        write_whole(output, encode_signal(representation.render(scale=scale), output.name))


@app.command()
def info(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .tnr file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a .tnr file holds."""
    with errors_in_one_line():
        DecodeLimits().check("file_bytes", source.stat().st_size)
        facts = inspect_file(source.read_bytes())
        typer.echo(json.dumps(facts.to_json()) if as_json else _as_text(facts))


def _fit_to_target_with_progress(signal: Signal, ask: Ask) -> tuple[bytes, str]:
    """The file that was asked for, and a sentence on how it was found."""
    from tuner.targets.search import fit_to_target

    with _progress_bar() as show:
        result = fit_to_target(signal, ask, on_step=show)
    assert result.content is not None  # noqa: S101  the bar stops nothing
    return result.content, f"{result.steps} steps in {result.seconds:.0f} s. {result.sentence}"


def _fit_to_surface_with_progress(signal: Signal, ask: Ask, surface: Mesh) -> tuple[bytes, str]:
    """The file of a distance field fitted to its surface, too, and a sentence on how the fit went."""
    from tuner.fit.sines.fit import fit as fit_network

    assert isinstance(ask, SinesAsk)  # noqa: S101  without a target it is
    ask = replace(ask, config=eikonal_config(ask.config))
    with _progress_bar() as show:
        result = fit_network(signal, ask.config, on_step=show, surface=surface)
    data = compress_field(Representation.of(result.network.parameters_numpy(), signal))
    sentence = f"{result.steps} steps in {result.seconds:.0f} s. {result.outcome.advice}"
    return reported(data, signal, ask, result.steps), sentence


@contextmanager
def _progress_bar() -> "Iterator[Callable[[FitProgress], Verdict]]":
    """A bar on the terminal, moved by what this yields."""
    from tuner.fit.progress import Progress as FitProgress
    from tuner.fit.progress import Verdict

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[quality]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("fitting", total=None, quality="")

        def show(progress: FitProgress) -> Verdict:
            bar.update(task, completed=progress.step, total=progress.total_steps, quality=f"{progress.psnr_db:.2f} dB")
            return Verdict.CONTINUE

        yield show


def _as_text(facts: FileFacts) -> str:
    lines = []
    for field in fields(facts):
        value = getattr(facts, field.name)
        shown = f"{value:.3f}" if isinstance(value, float) else value
        if isinstance(value, tuple):
            shown = " x ".join(map(str, value))
        elif isinstance(value, dict):
            shown = ", ".join(f"{name.replace('_', ' ')} {entry}" for name, entry in value.items()) or "none"
        lines.append(f"{field.name.replace('_', ' '):<18} {shown}")
    return "\n".join(lines)


def _check_output(path: Path) -> None:
    """Notice before the work what would be noticed after it."""
    if path.is_dir():
        raise ConfigError(f"the output {path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise ConfigError(f"the output's folder {path.parent} does not exist: create it first")


app.command()(export)
app.command()(shrink)
add_commands(app, errors_in_one_line())
# The client speaks HTTP, which this package does not know: it is found by its name, where it is installed.
with suppress(ModuleNotFoundError):
    import_module("tuner_client.cli").register(app)

if __name__ == "__main__":
    app()
