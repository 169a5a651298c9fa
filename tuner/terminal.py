"""What every command of `tuner` does alike: options count once, paths are looked at first, errors fill one line.

`tunerd` counts its options so, too.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperCommand, TyperOption

from tuner.errors import ConfigError, TunerError
from tuner.notes import SignalNote


class Command(TyperCommand):
    """A command that takes each option once: the last of two would count, and nothing be said of the other."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as every command does, and look at what was given first."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        given = [one for one in order if isinstance(one, TyperOption) and not (one.is_flag or one.multiple)]
        for option in given:
            if (times := given.count(option)) > 1:
                raise typer.BadParameter(f"it is given {times} times, expected once", ctx, option)
        return super().parse_args(ctx, args)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Say an expected error in one line, and end with exit code 1; say what a reader notes in one line, and go on."""
    try:
        with _notes_in_one_line():
            yield
    except (TunerError, OSError, MemoryError) as error:
        typer.echo(f"tuner: {' '.join(_sentence(error).split())}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def _notes_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always", SignalNote)
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if isinstance(message, SignalNote):
                typer.echo(f"tuner: {message}", err=True)
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def with_checked_paths(command: Callable[..., None]) -> Callable[..., None]:
    """A command that looks at all of its paths before it does anything else.

    What a path is for, its parameter's name says: `output` is a file to write, `out` a folder that is made if there is
    none, `folder` a folder that is read; any other is a file that is read.
    """

    @wraps(command)
    def checked(**given: Any) -> None:
        paths = {name: path for name, path in given.items() if isinstance(path, Path)}
        with errors_in_one_line():
            read = [path for name, path in paths.items() if name not in {"output", "out"}]
            for path in read:
                _check_input(path, is_folder=path is paths.get("folder"))
            if "output" in paths:
                _check_output(paths["output"], read)
            if "out" in paths and paths["out"].is_file():
                raise ConfigError(f"the output {paths['out']} is a file, expected the name of a folder")
        try:
            command(**given)
        except KeyboardInterrupt:
            if "output" in paths:
                typer.echo(f"tuner: stopped, {paths['output']} was not written", err=True)
            raise

    return checked


def _check_input(path: Path, *, is_folder: bool) -> None:
    wanted, other = ("folder", "file") if is_folder else ("file", "folder")
    if not path.exists():
        where, advice = ("", "") if path.is_absolute() else (f" in {Path.cwd()}", ", or give the whole path")
        raise ConfigError(f"there is no {wanted} {path}{where}: check the name{advice}")
    if path.is_dir() != is_folder:
        raise ConfigError(f"{path} is a {other}, expected a {wanted}")


def _check_output(path: Path, read: list[Path]) -> None:
    """Notice before the work what would be noticed after it."""
    if path.exists() and any(path.samefile(source) for source in read):
        raise ConfigError(f"the output {path} is the input itself, expected another name: it would be overwritten")
    if path.is_dir():
        raise ConfigError(f"the output {path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise ConfigError(f"the output's folder {path.parent} does not exist: create it first")


def _sentence(error: BaseException) -> str:
    """The error without a number that only programs know."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename} cannot be used: {error.strerror.lower()}"
    return str(error) or type(error).__name__
