"""Samples that a fit does not learn from decide which of its networks is returned, and when there is no better to come.

A network learns what a signal has in common with its samples first and their noise later: its error on samples that it
has not seen falls, and then rises again. `Watch` measures it every few steps and keeps the best network so far. Of two
networks that are about as good the earlier one is kept: its slopes are the calmer ones. It knows nothing of networks;
the loop (`tuner.fit.loop`) gives it the tensors of the training algorithm.
"""

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.config import WatchConfig
from tuner.metrics import held_out_mask
from tuner.shapes import BoolArray

PREFIX = "watch."


class Watch:
    """The best network of a fit so far, by the samples that it does not learn from.

    Args:
        config: how often to measure, what counts as better, and how long to wait for it.
        measure: measures the present network on the watched samples, in dB.

    Attributes:
        best_psnr_db: quality of the kept network in dB; minus infinity before the first measurement.
        best_step: number of steps after which the kept network was as it is.
        latest_psnr_db: quality after the last step that was measured, in dB; None before the first measurement.
        is_ahead: whether a network was met that is too far ahead on what it has seen, so that the fit is to end.
    """

    def __init__(self, config: WatchConfig, measure: Callable[[], float]) -> None:
        self._config = config
        self._measure = measure
        self._best: dict[str, Tensor] = {}
        self.best_psnr_db = float("-inf")
        self.best_step = 0
        self.latest_psnr_db: float | None = None
        self.is_ahead = False

    def look(self, step: int, seen_psnr_db: float, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        """Measure the network if it is time to, and keep it if it is better than the kept one.

        Args:
            step: number of steps taken.
            seen_psnr_db: quality in dB on the samples that the fit learns from, as the step reported it.
            tensors: gives everything that the training algorithm needs to have this network again.
        """
        if step % self._config.every:
            return
        self.latest_psnr_db = found_psnr_db = self._measure()
        if self._best and self._leads(seen_psnr_db, found_psnr_db):
            self.is_ahead = True
        elif found_psnr_db > self.best_psnr_db + (self._config.margin_db if self._best else 0.0):
            self._keep(step, found_psnr_db, tensors())

    def look_between(self, step: int, seen_psnr_db: float, tensors: Mapping[str, Tensor]) -> bool:
        """Measure a network between the kept one and one that is too far ahead, and keep it if it is better.

        Args:
            step: number of steps taken.
            seen_psnr_db: quality in dB on the samples that the fit learns from.
            tensors: everything that the training algorithm needs to have this network again.

        Returns:
            Whether this network is not too far ahead.
        """
        found_psnr_db = self._measure()
        if self._leads(seen_psnr_db, found_psnr_db):
            return False
        if found_psnr_db > self.best_psnr_db:
            self._keep(step, found_psnr_db, tensors)
        return True

    def is_over(self, step: int) -> bool:
        """Whether a network was too far ahead, or no better one has come for so long that none is expected."""
        return self.is_ahead or (bool(self._best) and step - self.best_step >= self._config.patience)

    def best(self) -> dict[str, Tensor]:
        """The tensors of the kept network; none before the first measurement."""
        return self._best

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs of it, by names that begin with `PREFIX`."""
        latest = float("nan") if self.latest_psnr_db is None else self.latest_psnr_db
        facts = torch.tensor(
            [self.best_psnr_db, float(self.best_step), latest, float(self.is_ahead)], dtype=torch.float64
        )
        return {f"{PREFIX}facts": facts, **{f"{PREFIX}best.{name}": value for name, value in self._best.items()}}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the `tensors` of another watch; names without the prefix are passed over.

        Raises:
            StateMismatch: if there are none.
        """
        if f"{PREFIX}facts" not in tensors:
            raise StateMismatch("the checkpoint has no watched samples, expected some: start the fit anew")
        best, step, latest, *ahead = tensors[f"{PREFIX}facts"].tolist()  # earlier versions went on when one was ahead
        self.best_psnr_db, self.best_step, self.is_ahead = best, int(step), any(ahead)
        self.latest_psnr_db = None if np.isnan(latest) else latest
        kept = f"{PREFIX}best."
        self._best = {name.removeprefix(kept): value for name, value in tensors.items() if name.startswith(kept)}

    def _leads(self, seen_psnr_db: float, found_psnr_db: float) -> bool:
        """Whether the samples that were seen are too far ahead of the watched ones."""
        limit = self._config.max_gap_db
        return limit is not None and seen_psnr_db - found_psnr_db > limit

    def _keep(self, step: int, found_psnr_db: float, tensors: Mapping[str, Tensor]) -> None:
        self.best_psnr_db, self.best_step = found_psnr_db, step
        self._best = {name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()}


def watched_mask(shape: tuple[int, ...], config: WatchConfig, seed: int) -> BoolArray:
    """Which samples are watched: single ones at random places, and blocks, in the shares that the settings ask for.

    Args:
        shape: samples along each axis; one axis for samples without a grid, which get no blocks.
        config: share of the samples, and how much of it comes in blocks of which side.
        seed: seed of the draw.

    Returns:
        bool (*shape), true where a sample is watched.
    """
    samples = prod(shape)
    single = config.share * (1.0 - config.block_share)
    mask = held_out_mask(samples, single, seed).reshape(shape)
    side = tuple(min(config.block_side, length) for length in shape)
    generator = np.random.default_rng([seed, 1])
    for _ in range(round(config.share * config.block_share * samples / prod(side))):
        corner = [int(generator.integers(length - edge + 1)) for length, edge in zip(shape, side, strict=True)]
        mask[tuple(slice(start, start + edge) for start, edge in zip(corner, side, strict=True))] = True
    return mask
