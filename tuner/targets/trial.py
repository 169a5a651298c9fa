"""One fit of a search: the plan of it, and what it has shown.

What every search needs is here; each kind of network adds what it plans by. No torch here: plans are made by arithmetic
alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tuner.fit.config import FitConfig
from tuner.fit.wavelets.config import WaveletConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A fit to make.

    Attributes:
        config: the settings of the fit.
        goes_on: whether the fit starts from where the trial before ended, with the same network.
    """

    config: FitConfig | WaveletConfig
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What one fitted network showed.

    Attributes:
        network: the frequencies and the neurons of each layer that were asked for.
        weights: the number of weights of the network as it came to be.
        steps: training steps that led to the network.
        max_steps: largest number of training steps that the fit was allowed.
        seconds: time of the training in seconds.
        work: work of the training, in seconds of the machine that forecasts were measured on.
        psnr_db: the picture PSNR of the fit, before its file was made.
        file_bytes: size in bytes of the file that suits the target best; None if no file of the network meets it.
        goes_on: whether the fit went on from where the trial before ended; the steps then include those of that one.
    """

    network: tuple[int, ...]
    weights: int
    steps: int
    max_steps: int
    seconds: float
    work: float
    psnr_db: float
    file_bytes: int | None
    goes_on: bool = False


PlanT = TypeVar("PlanT", bound=Plan)
TrialT = TypeVar("TrialT", bound=Trial)


def separate(trials: Sequence[TrialT]) -> list[TrialT]:
    """The trials without those that the next one contains: their steps and seconds add up."""
    return [trial for i, trial in enumerate(trials) if not any(later.goes_on for later in trials[i + 1 : i + 2])]
