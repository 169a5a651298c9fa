"""A bar that shows how far a fit is, in a terminal or a notebook."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.fit.progress import Progress, Verdict


@contextmanager
def progress_bar(*, shown: bool | None = None) -> "Iterator[Callable[[Progress], Verdict]]":
    """A bar on the standard error stream, or below a notebook's cell, moved by the function that this yields.

    Args:
        shown: whether there is a bar; None for one where somebody can see it, a terminal or a notebook.

    Yields:
        A function to be called after every step; it never stops the fit.
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
        task = bar.add_task("fitting", total=None, quality="")

        def show(progress: "Progress") -> "Verdict":
            bar.update(task, completed=progress.step, total=progress.total_steps, quality=f"{progress.psnr_db:.2f} dB")
            return Verdict.CONTINUE

        yield show
