"""How far a fit is: a bar in a terminal or a notebook, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from tuner.decibels import in_decibels

if TYPE_CHECKING:
    from tuner.fit.progress import Progress, Verdict
    from tuner.targets.outlook import Standing


class Shown(Protocol):
    """A bar that can be moved; it never stops a fit."""

    def __call__(self, progress: "Progress") -> "Verdict":
        """Show a step."""

    def enter(self, standing: "Standing") -> None:
        """Show a phase that begins."""


_SECONDS_BETWEEN = 10.0  # lines of one phase


class _Lines:
    """A line when a phase begins, and then one every ten seconds, each with a forecast.

    How many steps there will be is not said: one more network is another total. The forecast is for all of them.
    """

    def __init__(self, say: Callable[[str], None], now: Callable[[], float] = monotonic) -> None:
        self._line, self._now, self._said = say, now, now()
        self._phase = "training"

    def __call__(self, progress: "Progress") -> "Verdict":
        from tuner.fit.progress import Verdict

        if self._now() - self._said >= _SECONDS_BETWEEN:
            self._say(progress.step, progress.psnr_db, progress.eta_seconds)
        return Verdict.CONTINUE

    def enter(self, standing: "Standing") -> None:
        self._phase = str(standing.phase)
        self._say(standing.step, standing.psnr_db, standing.eta_seconds)

    def _say(self, step: int, psnr_db: float | None, eta_seconds: float | None) -> None:
        self._said = self._now()
        quality = "" if psnr_db is None else f", {in_decibels(psnr_db)}"
        left = "" if eta_seconds is None else f", about {eta_seconds:.0f} s left"
        self._line(f"{self._phase}: step {step}{quality}{left}")


@contextmanager
def progress_bar(*, shown: bool | None = None) -> "Iterator[Shown]":
    """A bar on the standard error stream, or below a notebook's cell, moved by what this yields.

    Args:
        shown: whether progress is shown, as a bar where somebody can see one, in lines elsewhere; None for a bar only.

    Yields:
        What is to be called after every step, and told of every phase.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from tuner.fit.progress import Verdict

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("step {task.completed}"),
        TextColumn("{task.fields[quality]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    visible = console.is_terminal or console.is_jupyter
    if shown and not visible:
        yield _Lines(lambda line: print(line, file=console.file, flush=True))
        return
    with Bar(*columns, console=console, transient=True, disable=not (visible if shown is None else shown)) as bar:
        task = bar.add_task("training", total=None, quality="")

        class Moved:
            """Moves the bar."""

            def __call__(self, progress: "Progress") -> "Verdict":
                quality = in_decibels(progress.psnr_db)
                bar.update(task, completed=progress.step, total=progress.total_steps, quality=quality)
                return Verdict.CONTINUE

            def enter(self, standing: "Standing") -> None:
                bar.update(
                    task, description=standing.phase, completed=standing.step, total=standing.total_steps or None
                )

        yield Moved()
