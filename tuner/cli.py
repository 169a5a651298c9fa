"""The command `tuner`: signals to .tnr files and back, on files, without a server.

`decode` and `info` need no torch; `fit` imports it when it is called. What is wrong with an input is said in one line,
with exit code 1; a command that cannot be understood ends with 2. An output file is written whole or not at all.
"""

import json
import os
from contextlib import suppress
from dataclasses import fields
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from tuner.codec.beginning import load_beginning
from tuner.codec.decode import load
from tuner.codec.facts import FileFacts, inspect_file
from tuner.codec.limits import DecodeLimits
from tuner.codec.ranges import Ranges
from tuner.codec.region import open_tiles, parse_region
from tuner.errors import ConfigError
from tuner.experiment.commands import add_commands
from tuner.export.cli import export
from tuner.files import write_whole
from tuner.fit.presets import Effort
from tuner.fitting import represent, represent_surface
from tuner.signal.formats import encode_signal, read_signal, read_surface, writer
from tuner.signal.mesh import RESOLUTION
from tuner.targets.ask import NetworkKind
from tuner.targets.target import EXAMPLES, Target
from tuner.terminal import Command, errors_in_one_line, with_checked_paths
from tuner.view.cli import view
from tuner.words import counted

# Torch's threads otherwise spin while they wait, and take the cores from each other on a busy machine. Read when torch
# is first imported, by `fit`.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Loss(StrEnum):
    """What a fit makes small."""

    VALUES = "values"
    EIKONAL = "eikonal"


MISSED = 3  # exit code of a fit whose file is written and misses its target

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
    effort: Annotated[
        Effort, typer.Option(help="Size of the network and length of the fit, in one word.")
    ] = Effort.BALANCED,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds that the fit may take once the signal is read; it may be late by what had begun, and a limit "
            "in which no file can be made is refused."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of training of each network, 1 or more, instead of the effort's.")
    ] = None,
    target: Annotated[str | None, typer.Option(help=f"What the file must come to: {EXAMPLES}.")] = None,
    max_loss_db: Annotated[
        float, typer.Option(help="What rounding the weights may cost, in dB, where no quality or size is the target.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file on the same machine.")] = 0,
    resolution: Annotated[int, typer.Option(help="Samples along a mesh's longest side.")] = RESOLUTION,
    loss: Annotated[
        Loss, typer.Option(help="What a mesh is fitted to: distances on a grid, or then its surface, too.")
    ] = Loss.VALUES,
    tiles: Annotated[
        int | None,
        typer.Option(
            help="Cut the signal into tiles of at most so many samples a side, each a network of its own, of which a "
            "region is read without the others. Large signals are cut anyway.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        NetworkKind | None, typer.Option(help="Kind of network, instead of the one that suits.", show_default=False)
    ] = None,
) -> None:
    """Fit a network to a signal and write it as a .tnr file; ends with code 3 if a target was missed."""
    with errors_in_one_line():
        options: dict[str, Any] = {
            "progress": True,
            "effort": effort,
            "seconds": seconds,
            "max_steps": steps,
            "seed": seed,
        }
        size = source.stat().st_size  # before it can be moved away
        if loss is Loss.EIKONAL:
            if target is not None:
                raise ConfigError(
                    f"the loss is {loss} and the target {target}, expected one of them: targets are of values"
                )
            surface = read_surface(source)
            result = represent_surface(read_signal(source, resolution=resolution), surface, **options)
        else:
            asked: dict[str, Any] = {} if target is None else dict(Target.parse(target).named())
            # A path, so that a large picture need not be held as values.
            signal = source if resolution == RESOLUTION else read_signal(source, resolution=resolution)
            result = represent(signal, **(options | asked), network=network, max_loss_db=max_loss_db, tiles=tiles)
        result.save(output)

        typer.echo(f"{output}: {result.summary}")
        typer.echo(f"{counted(result.steps, 'step')} in {result.seconds:.0f} s. {result.message}")
        if size < len(result.content):
            typer.echo(f"It is larger than {source} itself, which has {size} bytes.")
        if not result.is_met:
            raise typer.Exit(MISSED)


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
    beginning: Annotated[
        bool, typer.Option("--beginning", help="The end of the file is missing: show what its beginning tells.")
    ] = False,
    region: Annotated[
        str | None,
        typer.Option(
            help="Samples to write: START:STOP for each axis, with commas, in the order of the grid shape that "
            "'tuner info' says; of a picture, rows, then columns: 0:256,512:768. Counted from 0, STOP excluded; either "
            "may be left out. Of a file in tiles only those are read that the region meets.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn a .tnr file back into a picture, a sound, a volume, a video, a mesh or an array, at any size."""
    with errors_in_one_line():
        ranges = Ranges(source)
        if beginning:
            representation = load_beginning(source).representation
        else:
            representation = load(source) if region is None else open_tiles(ranges)
        writer(representation.kind, output.name)  # before the work: whether the name fits the kind
        if region is None:
            signal = representation.render(scale=scale)
        else:
            signal = representation.crop(parse_region(region, representation.grid_shape), scale=scale)
        write_whole(output, encode_signal(signal, output.name))
        if ranges.bytes_read:
            typer.echo(f"{output}: {ranges.bytes_read} of {source.stat().st_size} bytes read")


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


def _as_text(facts: FileFacts) -> str:
    lines = []
    for field in fields(facts):
        value = getattr(facts, field.name)
        if field.name in {"latents", "tiles"} and not value:
            continue  # networks of sines have no latents, and most files no tiles
        shown = f"{value:.3f}" if isinstance(value, float) else value
        if isinstance(value, tuple):
            shown = (" x " if field.name == "grid_shape" else ", ").join(map(str, value))
        elif isinstance(value, dict):
            entries = {name: " x ".join(map(str, e)) if isinstance(e, tuple) else e for name, e in value.items()}
            shown = ", ".join(f"{name.replace('_', ' ')} {entry}" for name, entry in entries.items()) or "none"
        lines.append(f"{field.name.replace('_', ' '):<18} {_printable(str(shown))}")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """The text without what could steer a terminal: a file may say anything."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


app.command()(export)
app.command()(view)
add_commands(app, errors_in_one_line())
# The client speaks HTTP, which this package does not know: it is found by its name, where it is installed.
with suppress(ModuleNotFoundError):
    import_module("tuner_client.cli").register(app)
# Closed here for all commands, whoever wrote them.
for _command in app.registered_commands:
    if _command.callback is not None:
        _command.callback = with_checked_paths(_command.callback)
    _command.cls = Command

if __name__ == "__main__":
    app()
