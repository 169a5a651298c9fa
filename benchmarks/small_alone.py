"""Small fits by the library alone, without any service, in as many processes at once as the service has workers.

As many at once, since a processor whose neighbours are busy gives each second less: what is measured beside the service
has to be measured under the same load.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

from benchmarks.crops import Picture, small_pictures
from benchmarks.serve import SETTINGS
from store.spec import FitSpec
from tuner import represent
from tuner.signal.given import signal_of
from tuner.targets.search import fit_to_target
from worker.translate import ask_from_spec


class Alone:
    """Processes that fit as workers do, and do nothing else.

    Args:
        pool: the processes.
        count: how many there are.
        ask: fields of the fit request besides the signal.
    """

    def __init__(self, pool: ProcessPoolExecutor, count: int, ask: dict[str, Any]) -> None:
        self._pool, self._count, self._ask = pool, count, ask

    def fit(self, pictures: list[Picture]) -> dict[str, float]:
        """The bare fits, which end with the bytes of a file.

        Args:
            pictures: what is fitted.

        Returns:
            Processor seconds of all, and means of a fit: bytes, networks, steps; how many met what was asked.
        """
        parts = [self._pool.submit(_fitted, share, self._ask) for share in self._shares(pictures)]
        found = [fit for part in parts for fit in part.result()]
        return {
            "processor_seconds": sum(fit["processor_seconds"] for fit in found),
            **{name: statistics.mean(fit[name] for fit in found) for name in ("bytes", "networks", "steps")},
            "met": sum(fit["met"] for fit in found),
        }

    def represent(self, pictures: list[Picture]) -> float:
        """The library's own front door, from files of pictures to measured bytes.

        Args:
            pictures: what is represented.

        Returns:
            Processor seconds of all.
        """
        parts = [self._pool.submit(_represented, share, self._ask) for share in self._shares(pictures)]
        return sum(part.result() for part in parts)

    def _shares(self, pictures: list[Picture]) -> Iterator[list[Picture]]:
        return (pictures[number :: self._count] for number in range(self._count))


@contextmanager
def alone(count: int, ask: dict[str, Any]) -> Iterator[Alone]:
    """Start the processes, with all that a first fit loads.

    Args:
        count: how many there are.
        ask: fields of the fit request besides the signal.
    """
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_prepare) as pool:
        made = Alone(pool, count, ask)
        warm = small_pictures(4 * count, None, 1000)
        made.fit(warm)
        made.represent(warm)
        yield made


def _prepare() -> None:
    os.environ.update(SETTINGS)
    torch.set_num_threads(1)


def _fitted(pictures: Sequence[Picture], ask: dict[str, Any]) -> list[dict[str, float]]:
    spec = FitSpec.model_validate(ask)
    signals = [signal_of(picture) for picture in pictures]
    found = []
    for signal in signals:
        began = time.process_time()
        result = fit_to_target(signal, ask_from_spec(spec, signal))
        found.append(
            {
                "processor_seconds": time.process_time() - began,
                "bytes": len(result.content or b""),
                "networks": len(result.trials),
                "steps": result.steps,
                "met": result.outcome.value == "met",
            }
        )
    return found


def _represented(pictures: Sequence[Picture], ask: dict[str, Any]) -> float:
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.png" for number in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).save(path)
        began = time.process_time()
        for path in paths:
            represent(path, psnr_db=ask["target"]["psnr_db"], effort=ask["preset"], progress=False)
        return time.process_time() - began
