"""What a search needs to be told about one kind of network: which fit comes next, how it is made, and its file.

`tuner.targets.search` is the same for every kind: it counts trials, keeps the best file, and can be interrupted.
`tuner.targets.sines.strategy` and `tuner.targets.wavelets.strategy` are the two answers to what differs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

from tuner.fit.deadline import Deadline
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.targets.files import File
from tuner.targets.outlook import Ahead, Standing
from tuner.targets.trial import PlanT, TrialT

OnStep = Callable[[Progress], Verdict]
OnPhase = Callable[[Standing], None]


@runtime_checkable
class Fitted(Protocol):
    """What a fit leaves, as far as a search looks at it."""

    @property
    def outcome(self) -> FitOutcome:
        """Why the fit ended."""


FittedT = TypeVar("FittedT", bound=Fitted)


class Strategy(ABC, Generic[PlanT, FittedT, TrialT]):
    """How one kind of network is brought to a target.

    What is planned depends on nothing but the trials so far, the best file and the `facts`, so that a search goes on
    after an interruption as if there had been none.

    Attributes:
        trial: class of the trials of this strategy.
        facts: what was measured on this machine on the way, by name; a checkpoint keeps it.
        deadline: moment after which nothing begins that a valid file can do without.
    """

    trial: type[TrialT]

    def __init__(self) -> None:
        self.facts: dict[str, float] = {}
        self.deadline = Deadline(None)

    @abstractmethod
    def next_plan(self, trials: Sequence[TrialT], best: File | None) -> PlanT | None:
        """The fit to make next; None if the target is met, or no further fit is likely to do better.

        Args:
            trials: what has been tried so far, in order.
            best: the file so far that serves the target best.
        """

    @abstractmethod
    def ahead(self, plan: PlanT, trials: Sequence[TrialT]) -> Ahead:
        """What a plan, and what will probably follow it, is expected to take; for those who wait."""

    @abstractmethod
    def fit(self, plan: PlanT, resume: FitState | None, on_step: OnStep) -> FittedT:
        """Carry out a plan, from the beginning or from a checkpoint of it."""

    @abstractmethod
    def learn(self, plan: PlanT, fitted: FittedT, trials: Sequence[TrialT]) -> tuple[File | None, TrialT]:
        """The file of a fit that serves the target best, if there is one, and what the fit showed."""

    @abstractmethod
    def tried(self, trials: Sequence[TrialT]) -> str:
        """What it took to get here, in a few words."""

    @abstractmethod
    def advice(self, trials: Sequence[TrialT]) -> str:
        """A sentence for a target that was missed: what to try next."""

    @abstractmethod
    def refusal(self) -> str:
        """A sentence for a limit of bytes that no file keeps."""
