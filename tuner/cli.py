"""The command `tuner`: signals to .tnr files and back, on files, without a server.

`decode` and `info` need no torch; `fit` imports it when it is called. What is wrong with an input is said in one line,
with exit code 1; a command that cannot be understood ends with 2. An output file is written whole or not at all.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tuner.codec.decode import decode as decode_bytes
from tuner.codec.facts import FileFacts, inspect_file
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError, TunerError
from tuner.experiment.commands import add_commands
from tuner.export.cli import export
from tuner.files import write_whole
from tuner.fit.config import FitConfig
from tuner.fit.presets import Effort, eikonal_config, signal_config
from tuner.quality.report import describe
from tuner.representation import Representation
from tuner.rounding.compress import compress
from tuner.rounding.field import compress_field
from tuner.shrink_command import shrink
from tuner.signal.formats import encode_signal, read_signal, read_surface, writer
from tuner.signal.mesh import RESOLUTION
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh
from tuner.targets.ask import TRIALS, Ask, Target
from tuner.targets.report import reported

if TYPE_CHECKING:
    from tuner.fit.loop import Progress as FitProgress
    from tuner.fit.loop import Verdict

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


def _say_version(wanted: bool) -> bool:
    if wanted:
        from tuner.version import __version__

        typer.echo(f"tuner {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which release this is, and end."),
    ] = False,
) -> None: ...


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
    target_psnr: Annotated[float | None, typer.Option(help="Stop once the fit is so good, in dB.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="What the file must come to: psnr=35, max_error=0.05, bytes=40000, bits_per_sample=1, seconds=60."
        ),
    ] = None,
    max_loss_db: Annotated[float, typer.Option(help="What rounding the weights may cost, in dB.")] = 0.1,
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
        config = signal_config(
            signal,
            effort,
            seed=seed,
            max_steps=steps,
            max_seconds=seconds,
            target_psnr_db=target_psnr,
        )
        if target is not None:
            data, sentence = _fit_to_target_with_progress(signal, config, effort, Target.parse(target), steps)
        else:
            config = config if surface is None else eikonal_config(config)
            fitted, taken, sentence = _fit_with_progress(signal, config, surface)
            if surface is None:
                data = compress(fitted, signal, max_loss_db=max_loss_db, thorough=effort is Effort.BEST)
            else:
                data = compress_field(fitted)
            data = reported(data, signal, Ask(base=config), taken)
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
        representation = Representation.load(source)
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


def _fit_with_progress(signal: Signal, config: FitConfig, surface: Mesh | None) -> tuple[Representation, int, str]:
    """The fitted representation, the steps it took, and a sentence on how the fit went."""
    from tuner.fit.loop import fit as fit_network

    with _progress_bar(config.budget.max_steps) as show:
        result = fit_network(signal, config, on_step=show, surface=surface)
    sentence = f"{result.steps} steps in {result.seconds:.0f} s. {result.outcome.advice}"
    return Representation.of(result.network.parameters_numpy(), signal), result.steps, sentence


def _fit_to_target_with_progress(
    signal: Signal, config: FitConfig, effort: Effort, target: Target, steps: int | None
) -> tuple[bytes, str]:
    """The file that meets the target, and a sentence on how it was found."""
    from tuner.targets.search import fit_to_target
    from tuner.targets.wavelets.choice import wavelets_for

    budget = config.budget
    modulated = wavelets_for(
        None, signal, effort, target, seed=config.seed, max_steps=steps, max_seconds=budget.max_seconds
    )
    ask = Ask(base=config, target=target, trials=TRIALS[effort], thorough=effort is Effort.BEST, modulated=modulated)
    with _progress_bar(config.budget.max_steps) as show:
        result = fit_to_target(signal, ask, on_step=show)
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


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Say an expected error in one line, and end with exit code 1."""
    try:
        yield
    except (TunerError, OSError, MemoryError) as error:
        message = str(error) or type(error).__name__
        typer.echo(f"tuner: {' '.join(message.split())}", err=True)
        raise typer.Exit(1) from error


app.command()(export)
app.command()(shrink)
add_commands(app, errors_in_one_line())
# The client speaks HTTP, which this package does not know: it is found by its name, where it is installed.
with suppress(ModuleNotFoundError):
    import_module("tuner_client.cli").register(app)

if __name__ == "__main__":
    app()
