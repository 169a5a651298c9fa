"""`tuner submit`: a file to the service and back, from the command line.

Loaded by `tuner.cli`, which must know neither HTTP nor this package, by its name; what speaks HTTP is imported when
the command runs.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tuner_client.targets import EXAMPLES

if TYPE_CHECKING:
    from tuner_client import Client, Event, Fit, InvalidRequest

DEFAULT_SERVER = "http://127.0.0.1:8000"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(submit)


def submit(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The signal to send.", show_default=False)],
    server: Annotated[str, typer.Option(help="Address of the service.", envvar="TUNER_SERVER")] = DEFAULT_SERVER,
    target: Annotated[str | None, typer.Option(help=f"What the file must come to: {EXAMPLES}.")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, balanced or best.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it has ended.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The .tnr file to write; waits for it.")] = None,
) -> None:
    """Have a file fitted by a service; an API key is read from TUNER_API_KEY."""
    try:
        from tuner_client import Client, ClientError, InvalidRequest
    except ModuleNotFoundError as error:
        typer.echo(
            f"tuner: {error.name} is missing: install the extra `client`, pip install 'tuner-neural[client]'", err=True
        )
        raise typer.Exit(1) from error
    try:
        with Client(server, api_key=os.environ.get("TUNER_API_KEY")) as client:
            fit = client.submit(source, target=target, preset=preset)
            size = source.stat().st_size  # before it can be moved away
            if not wait and output is None:
                typer.echo(f"{fit.id} is {fit.status}: {server.rstrip('/')}/fits/{fit.id}")
                return
            ended = _watch(client, fit)
            typer.echo(_summary(ended))
            if ended.result is not None and size < ended.result.bytes:
                typer.echo(f"It is larger than {source} itself, which has {size} bytes.")
            if output is not None:
                client.download(fit.id, output)
                typer.echo(str(output))
    except (ClientError, OSError, ValueError) as error:
        said = refusal(error, target=target, preset=preset) if isinstance(error, InvalidRequest) else str(error)
        typer.echo(f"tuner: {' '.join(said.split())}", err=True)
        raise typer.Exit(1) from error


def refusal(error: "InvalidRequest", **given: str | None) -> str:
    """What the service refuses, by the options that were typed where it names members of the request.

    Args:
        error: the refusal.
        given: what was typed, by the member of the request that was made of it, which is also the option's name.
    """
    complaints = []
    for fault in error.problem.get("errors", ()):
        member = str(fault.get("pointer", "")).removeprefix("#/").partition("/")[0]
        if given.get(member) is None:
            return str(error)
        wanted = str(fault.get("detail", "")).replace("Input should be", "expected", 1)
        complaints.append(f"--{member} is {given[member]!r}: {wanted}")
    return "; ".join(complaints) or str(error)


def _watch(client: "Client", fit: "Fit") -> "Fit":
    """Show the service's own events as a progress bar until the last one."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[quality]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(fit.status, total=None, quality="")
        return client.wait(fit.id, on_event=lambda event: _show(bar, task, event))


def _show(bar: Progress, task: TaskID, event: "Event") -> None:
    if event.kind not in {"progress", "phase"}:
        bar.update(task, description=event.kind)
        return
    data: dict[str, Any] = event.data
    quality = "" if data.get("psnr_db") is None else f"{data['psnr_db']:.2f} dB PSNR"
    phase = str(data.get("phase") or "training")
    bar.update(task, description=phase, completed=data.get("step") or 0, total=data.get("total_steps"), quality=quality)


def _summary(fit: "Fit") -> str:
    if fit.result is None:
        return f"{fit.id} is {fit.status}"
    facts = [f"{fit.result.bytes} bytes"]
    if fit.result.bits_per_sample is not None:
        facts.append(f"{fit.result.bits_per_sample:.2f} bits per sample")
    if fit.result.psnr_db is not None:
        facts.append(f"{fit.result.psnr_db:.2f} dB PSNR")
    return f"{fit.id}: {', '.join(facts)}"
