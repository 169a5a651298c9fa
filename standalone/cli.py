"""`tunerd`: the service on this machine, from the command line."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from standalone import backup as backups
from standalone import migrate as migrations
from standalone.errors import NotRunning, StandaloneError
from standalone.home import Home, default_home
from standalone.program import python_environment
from standalone.stack import engines, stack
from tuner.interrupts import INTERRUPTED
from tuner.terminal import Command

app = typer.Typer(
    add_completion=False, help="Tuner on this machine: engines, api and worker, without Docker and without root."
)

HomeOption = Annotated[
    Path,
    typer.Option("--home", help="The data folder (or TUNER_HOME).", default_factory=default_home, show_default=False),
]


@app.command()
def up(
    home: HomeOption,
    port: Annotated[int | None, typer.Option(help="Port of the api; otherwise 8000, or a free one.")] = None,
    worker: Annotated[bool, typer.Option(help="Without a worker, fits wait until one is started.")] = True,
) -> None:
    """Start everything and stay in the foreground until Ctrl-C."""
    # Ctrl-C is how this one ends; what is interrupted elsewhere is not done.
    ends_here = contextlib.suppress(KeyboardInterrupt)
    with interruptible(), ends_here, stack(Home(home), api_port=port, with_worker=worker, say=say) as running:
        say(f"\nTuner is at {running.api_url}\n")
        say(_who_may_use_it())
        say(f"Data and logs are in {running.home.path}. Stop with Ctrl-C.")
        running.wait()


@app.command()
def demo(
    home: HomeOption,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("build/demo"),
    effort: Annotated[str, typer.Option(help="fast, balanced or best.")] = "balanced",
) -> None:
    """Take a photograph from upload to download, on the service that runs or on one started for it."""
    from rich.console import Console

    from standalone.demo import photograph, run_demo  # here: the other commands need no pictures

    started = time.monotonic()
    with interruptible(), running_service(Home(home)) as api_url:
        run_demo(api_url, photograph(), out, Console(), started=started, effort=effort)


@app.command()
def migrate(home: HomeOption) -> None:
    """Bring the tables up to date; starts the engines for that time if they do not run."""
    with interruptible():
        folder = Home(home)
        try:
            migrations.upgrade(folder, folder.running().environment)
        except NotRunning:
            with engines(folder, say=say) as running:
                migrations.upgrade(folder, running.environment)
        say("tables: up to date")


@app.command()
def status(home: HomeOption) -> None:
    """Say what runs on a data folder."""
    with interruptible():
        running = Home(home).running()
        say(f"Tuner is at {running.api_url or '(no api)'}, process {running.parent.pid}")
        for child in running.children:
            say(f"{child.name}: {f'process {child.pid}' if child.is_alive() else 'not running'}")


@app.command()
def env(home: HomeOption) -> None:
    """Print how to reach the running service, for `eval "$(tunerd env)"`; the output holds its passwords."""
    with interruptible():
        for name, value in Home(home).running().environment.items():
            say(f"export {name}={shlex.quote(value)}")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def keys(context: typer.Context, home: HomeOption) -> None:
    """Make, list, rotate and revoke API keys: `tunerd keys --help`."""
    with interruptible():
        command = [sys.executable, "-m", "api.keys", *context.args]
        environment = python_environment(**Home(home).running().environment)
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command()
def scrub(home: HomeOption) -> None:
    """Compare all stored bytes with what was recorded of them, now and at full speed; 1 if any are lost."""
    with interruptible():
        environment = python_environment(**Home(home).running().environment)
        raise typer.Exit(
            subprocess.run([sys.executable, "-m", "worker.scrub"], env=environment, check=False).returncode
        )


@app.command()
def backup(
    home: HomeOption,
    folder: Annotated[Path, typer.Argument(help="A new folder; it will hold everything, so keep it private.")],
) -> None:
    """Copy all rows and objects into a folder, while the service runs or not; 1 if storage could not read some."""
    with interruptible():
        data = Home(home)
        try:
            environment = data.running().environment
        except NotRunning:
            if not (data.path / "postgres").exists():
                raise  # else a misspelt folder would be made, and an empty one be copied
            backups.make_folder(folder)  # before engines are started for it
            with engines(data, say=say) as running:
                taken = backups.back_up(data, running.environment, folder, say)
        else:
            taken = backups.back_up(data, environment, folder, say)
        if taken.unreadable:
            raise typer.Exit(1)


@app.command()
def restore(
    home: HomeOption,
    folder: Annotated[Path, typer.Argument(help="What `tunerd backup` wrote.")],
) -> None:
    """Make a new data folder (--home) of a backup; all bytes are compared with the rows when it is started."""
    with interruptible():
        data = Home(home)
        backups.read_backup(folder)  # before anything is made
        with engines(data, say=say) as running:
            backups.restore(data, running.environment, folder, say)
            migrations.upgrade(data, running.environment)
        at = "" if data.path == default_home() else f" --home {shlex.quote(str(data.path))}"
        say(f"{data.path} has what the backup has: start it with `tunerd up{at}`")


def _who_may_use_it() -> str:
    if os.environ.get("TUNER_REQUIRE_KEYS", "").lower() in {"1", "on", "t", "true", "y", "yes"}:  # as pydantic reads it
        return "It asks for API keys: make one with `tunerd keys create --tenant NAME`."
    if host := os.environ.get("TUNER_HOST"):
        return f"It asks for no keys and listens on {host}: whoever can reach that address can use it."
    return "It asks for no keys and listens on 127.0.0.1 only: whoever has an account on this machine can use it."


@contextlib.contextmanager
def running_service(home: Home) -> Iterator[str]:
    """The address of the api: of the service that runs on a data folder already, or of one that runs meanwhile."""
    try:
        address = home.running().api_url
    except NotRunning:
        address = ""
    if address:
        yield address
        return
    with stack(home, say=say) as running:
        yield running.api_url


def say(line: str) -> None:
    """Print a line; that nobody reads any more is no reason to end in disorder."""
    with contextlib.suppress(OSError):
        typer.echo(line)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """End cleanly, with status 130, on Ctrl-C, on SIGTERM and with the terminal; print an error of ours as its message.

    A second signal while everything stops ends this process at once; the guard then finishes the work.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("tunerd: stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (StandaloneError, OSError) as error:  # OSError: a full disk, most of the time
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


for _command in app.registered_commands:
    _command.cls = Command  # for each of them, whoever adds one

if __name__ == "__main__":
    app()
