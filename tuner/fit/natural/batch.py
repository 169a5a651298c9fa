"""fit_batch(): many signals of one shape in one run, as one network with a leading axis.

Thumbnails, tiles of a large picture, frames: each is too small to keep a machine busy, and a fit of its own pays for
every call again. Here all members share each sweep and each factorisation (`tuner.fit.natural.descent`), while damping,
previous step, acceptance and end are their own. So a batch ends with what separate fits would have given: on a CPU to
the bit, on a GPU up to rounding. One that diverges harms no other, and one that is done costs nothing any more.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from math import isfinite
from time import monotonic

import torch

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError, FitDiverged, InvalidSignal
from tuner.fit.config import FitConfig, NaturalGradientConfig
from tuner.fit.natural.coarse import coarser
from tuner.fit.natural.descent import Descent
from tuner.fit.natural.samples import grid_sweeps
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.natural.trainer import column_costs, starting_point, write_member
from tuner.fit.result import FitOutcome, spent
from tuner.fit.sines.fit import FitResult
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.windows import fold
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# On a CPU more members only make tiles smaller, until their activations leave the cache or their products are tiny:
# 3.4 pictures a second alone, 4.2 by eight, 1.0 by 64. A larger batch there is one group after the other.
MEMBERS_CPU = 8


def fit_batch(
    signals: Sequence[Signal], config: FitConfig, *, device: str = "cpu"
) -> tuple[FitResult | FitDiverged, ...]:
    """Fit a network to each of several signals of one shape.

    Args:
        signals: signals to fit, at least one, equal in grid and channels.
        config: configuration of every fit; its trainer must be the natural gradient with fixed phases. The budget is
            each member's; seconds count for those that are fitted together.
        device: processor to compute on, as torch names it.

    Returns:
        For each signal, in order, what `fit` would have returned, or the error that it would have raised.

    Raises:
        ConfigError: if the configuration asks for another trainer, for trained phases or for watched samples.
        InvalidSignal: if there is no signal, or if shapes differ.
    """
    trainer, place = _checked(signals, config), torch.device(device)
    signals = [fold(signal, config.network.windows) for signal in signals]
    together = MEMBERS_CPU if place.type == "cpu" else len(signals)
    ended: list[FitResult | FitDiverged] = []
    for first in range(0, len(signals), together):
        run = _Run(signals[first : first + together], first, trainer, config, place)
        while run.members:
            run.step()
        ended += [run.ended[member] for member in sorted(run.ended)]
    return tuple(ended)


class _Run:
    """Signals that are fitted together: members that still train, and how the others ended.

    Args:
        signals: signals that are fitted together.
        first: position of the first of them in the whole batch.
        trainer: settings of the natural gradient.
        config: configuration of every fit.
        device: processor to compute on.
    """

    def __init__(
        self,
        signals: Sequence[Signal],
        first: int,
        trainer: NaturalGradientConfig,
        config: FitConfig,
        device: torch.device,
    ) -> None:
        self._first = first
        self._budget = config.budget
        grid = Grid(signals[0].grid_shape, config.network.period)
        network = SineNetwork.initial(config.network, grid, signals[0].channels, config.seed).to(device)
        self._networks = [network, *(deepcopy(network) for _ in signals[1:])]
        self._descent = Descent(
            _sweeps(network, signals, trainer),
            starting_point(self._networks),
            [layer.bounds_M for layer in network.layers],
            trainer,
            column_costs(network, trainer.prior_power),
            (lambda: _coarser_sweeps(network, signals, trainer)) if trainer.coarse_steps else None,
        )
        self._histories: list[list[float]] = [[] for _ in signals]
        self._seconds = 0.0
        self.members = list(range(len(signals)))
        self.ended: dict[int, FitResult | FitDiverged] = {}

    def step(self) -> None:
        """Let all members step, and part with those that are done."""
        started = monotonic()
        self._descent.step()
        self._seconds += monotonic() - started
        going_on = []
        for position, (member, loss) in enumerate(zip(self.members, self._descent.losses.tolist(), strict=True)):
            self._histories[member].append(loss)
            end = self._end(position, member)
            if end is None:
                going_on.append(position)
            else:
                self.ended[member] = end
        if going_on and len(going_on) < len(self.members):
            self._descent.keep(torch.tensor(going_on, device=self._networks[0].phases_M.device))
        self.members = [self.members[position] for position in going_on]

    def _end(self, position: int, member: int) -> FitResult | FitDiverged | None:
        """How a member ended, or None if it goes on."""
        history = self._histories[member]
        if not isfinite(history[-1]):
            return FitDiverged(
                f"the loss of signal {self._first + member} is {history[-1]} after step {len(history)}, expected a "
                "number: scale its values to about 0 to 1, or lower the bounds"
            )
        psnr_db, target = mse_to_psnr_db(history[-1]), self._budget.target_psnr_db
        on_target = target is not None and psnr_db >= target
        outcome = FitOutcome.CONVERGED if on_target else spent(self._budget, history, self._seconds)
        if outcome is None:
            return None
        write_member(self._descent, position, self._networks[member])
        return FitResult(
            network=self._networks[member],
            outcome=outcome,
            steps=len(history),
            seconds=self._seconds,
            psnr_db=psnr_db,
            history=tuple(history),
        )


def _checked(signals: Sequence[Signal], config: FitConfig) -> NaturalGradientConfig:
    """The trainer's settings, if this can be fitted as a batch."""
    shapes = {signal.values.shape for signal in signals}
    if len(shapes) != 1:
        came = ", ".join(str(shape) for shape in sorted(shapes)) or "no signal"
        raise InvalidSignal(f"a batch has {came}, expected signals of one shape: fit each shape in a batch of its own")
    if not isinstance(config.trainer, NaturalGradientConfig) or config.trainer.train_phases:
        raise ConfigError(
            f"the trainer of a batch is {config.trainer}, expected NaturalGradientConfig with train_phases=False: fit "
            "the signals one by one"
        )
    if config.watch is not None:
        raise ConfigError(f"the batch is to watch samples ({config.watch}), expected None: fit the signals one by one")
    return config.trainer


def _coarser_sweeps(network: SineNetwork, signals: Sequence[Signal], config: NaturalGradientConfig) -> Iterator[Sweeps]:
    """Coarser versions of the samples of all signals, the coarsest first."""
    for versions in zip(*(coarser(signal) for signal in signals), strict=True):
        yield _sweeps(network, [signal for signal, _ in versions], config)


def _sweeps(network: SineNetwork, signals: Sequence[Signal], config: NaturalGradientConfig) -> Sweeps:
    """The samples of all signals, at places that they share."""
    one = grid_sweeps(network, signals[0], config, members=len(signals))
    device = network.phases_M.device
    targets = [one.sines.arrange(torch.tensor(signal.values, device=device)) for signal in signals]
    return Sweeps(one.sines, torch.stack(targets), one.widths, keep=one.keep, threads=one.threads)
