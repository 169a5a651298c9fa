"""What every command of `tuner` does alike in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tuner.errors import TunerError


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Say an expected error in one line, and end with exit code 1."""
    try:
        yield
    except (TunerError, OSError, MemoryError) as error:
        message = str(error) or type(error).__name__
        typer.echo(f"tuner: {' '.join(message.split())}", err=True)
        raise typer.Exit(1) from error
