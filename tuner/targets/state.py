"""A search frozen between two steps of one of its fits, inside the checkpoint of that fit.

To whoever keeps it, it is a `FitState` like any other: the tensors are the trainer's, under `trial.`, and beside them
lie the trials before, as JSON, and the best file so far. What is planned next follows from the trials, so the state
holds no plan.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic

import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.state import FitState
from tuner.targets.strategy import Strategy
from tuner.targets.trial import TrialT

_PREFIX = "trial."
_RECORD = "search"
_BEST = "best"


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchState(Generic[TrialT]):
    """Where a search stands.

    Attributes:
        trials: what the fits that have ended showed, in order.
        best: best file so far; None if there is none.
        facts: what the strategy has measured on this machine, by name.
        fit: the state of the fit under way.
    """

    trials: tuple[TrialT, ...]
    best: bytes | None
    facts: dict[str, float]
    fit: FitState

    def to_fit_state(self, ask: str, *, steps: int, seconds: float) -> FitState:
        """The whole search as one checkpoint.

        Args:
            ask: the fingerprint of the request.
            steps: the training steps taken in other fits than the one under way.
            seconds: time of training in those other fits, in seconds.
        """
        record = {
            "trials": [asdict(trial) for trial in self.trials],
            "facts": self.facts,
            "fit": {"config": self.fit.config, "step": self.fit.step, "seconds": self.fit.seconds},
        }
        tensors = {_PREFIX + name: tensor for name, tensor in self.fit.tensors.items()}
        tensors[_RECORD] = _to_tensor(json.dumps(record).encode())
        tensors[_BEST] = _to_tensor(self.best or b"")
        return replace(
            self.fit,
            config=ask,
            step=steps + self.fit.step,
            seconds=seconds + self.fit.seconds,
            tensors=tensors,
        )

    @classmethod
    def from_fit_state(cls, state: FitState, ask: str, strategy: Strategy[Any, Any, TrialT]) -> "SearchState[TrialT]":
        """Take apart what `to_fit_state` put together.

        Args:
            state: checkpoint that `to_fit_state` made.
            ask: the fingerprint of the request that it must be of.
            strategy: the strategy of that request, which knows the class of its trials.

        Raises:
            StateMismatch: if the state is of another request, or of no search.
        """
        if state.config != ask:
            raise StateMismatch(
                f"the checkpoint is of another request ({state.config[:12]}..., expected {ask[:12]}...): "
                "resume with the very request it was made with, or start anew"
            )
        try:
            record: dict[str, Any] = json.loads(_to_bytes(state.tensors[_RECORD]))
            trials = tuple(strategy.trial(**trial | {"network": tuple(trial["network"])}) for trial in record["trials"])
            best = _to_bytes(state.tensors[_BEST])
            fit = replace(
                state,
                **record["fit"],
                tensors={
                    name.removeprefix(_PREFIX): tensor
                    for name, tensor in state.tensors.items()
                    if name.startswith(_PREFIX)
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StateMismatch(f"the checkpoint holds no search: {error}") from error
        return cls(trials=trials, best=best or None, facts=record["facts"], fit=fit)


def _to_tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.zeros(0, dtype=torch.uint8)


def _to_bytes(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()
