"""A bar that shows how far a fit is, in a terminal or a notebook."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tuner.fit.progress import Progress, Verdict
    from tuner.targets.outlook import Standing


class Shown(Protocol):
    """A bar that can be moved; it never stops a fit."""

    def __call__(self, progress: "Progress") -> "Verdict":
        """Show a step."""

    def enter(self, standing: "Standing") -> None:
        """Show a phase that begins."""


@contextmanager
def progress_bar(*, shown: bool | None = None) -> "Iterator[Shown]":
    """A bar on the standard error stream, or below a notebook's cell, moved by what this yields.

    Args:
        shown: whether there is a bar; None for one where somebody can see it, a terminal or a notebook.

    Yields:
        What is to be called after every step, and told of every phase.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from tuner.fit.progress import Verdict

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[quality]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    visible = console.is_terminal or console.is_jupyter
    with Bar(*columns, console=console, transient=True, disable=not (visible if shown is None else shown)) as bar:
        task = bar.add_task("training", total=None, quality="")

        class Moved:
            """Moves the bar."""

            def __call__(self, progress: "Progress") -> "Verdict":
                quality = f"{progress.psnr_db:.2f} dB"
                bar.update(task, completed=progress.step, total=progress.total_steps, quality=quality)
                return Verdict.CONTINUE

            def enter(self, standing: "Standing") -> None:
                bar.update(
                    task, description=standing.phase, completed=standing.step, total=standing.total_steps or None
                )

        yield Moved()
