"""What stands for reading, training and decoding: a chain of hashes, so that every byte tells where it came from."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from store.spec import FitSpec
from tests.simulation.scheduler import Scheduler
from tuner.errors import StateMismatch, TunerError
from tuner.fit.progress import Verdict
from tuner.targets.outlook import Phase, Standing
from tuner.targets.result import TargetOutcome

STEP_SECONDS = 1.0
TENANTS = ("ada", "bob")
SIGNALS = [f"signal {number} of {tenant}".encode() for number, tenant in enumerate(TENANTS)]


def link(seed: int, step: int) -> str:
    """Where training stands after a step; all before it follows from the seed."""
    return hashlib.sha256(f"{seed}/{step}".encode()).hexdigest()[:16]


def right_bytes(seed: int, steps: int) -> bytes:
    """What a fit that nothing disturbs ends in."""
    return f"network {seed} after {steps}: {link(seed, steps)}".encode()


@dataclass(frozen=True, slots=True)
class State:
    """Stands for `tuner.fit.state.FitState`."""

    seed: int
    step: int
    mark: str

    def to_bytes(self) -> bytes:
        return json.dumps({"seed": self.seed, "step": self.step, "mark": self.mark}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "State":
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise StateMismatch("these bytes are no state") from error


@dataclass(frozen=True, slots=True)
class Progress:
    """Stands for `tuner.fit.progress.Progress`."""

    step: int
    total_steps: int
    capture: Callable[[], State]
    psnr_db: float = 30.0
    seconds: float = 1.0
    eta_seconds: float | None = None


class FailsToTrain(TunerError):
    """A signal that no network can be trained on."""

    code = "cannot_be_fitted"


class Trainer:
    """Trains in simulated time.

    Args:
        scheduler: whose time it is.
        end_process: ends the process that calls it.

    Attributes:
        on_begin: told of each attempt that begins to train, with the step that it goes on from.
        on_step: told of each step.
    """

    def __init__(self, scheduler: Scheduler, end_process: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self._end_process = end_process
        self.on_begin: Callable[[str, int, int], None] = lambda fit_id, attempt, begun: None
        self.on_step: Callable[[str, int, int], None] = lambda fit_id, attempt, step: None

    def fit_to_target(
        self,
        signal: Any,
        ask: FitSpec,
        *,
        on_step: Callable[[Any], Verdict],
        on_phase: Callable[[Any], None],
        device: str,
        resume: State | None = None,
        crew: None = None,
    ) -> Any:
        seed, total = ask.seed, ask.max_steps or 1
        if resume is not None and resume.seed != seed:
            raise StateMismatch("a state of another fit")
        begun = 0 if resume is None else resume.step
        mark = link(seed, 0) if resume is None else resume.mark
        kind = kind_of(seed)
        claim = on_step._claim  # type: ignore[attr-defined]  # of the Reporter
        self.on_begin(claim.fit_id, claim.attempt, begun)
        on_phase(Standing(phase=Phase.TRAINING, step=begun, total_steps=total, psnr_db=None, seconds=0, eta_seconds=1))
        for step in range(begun + 1, total + 1):
            self._scheduler.pause(STEP_SECONDS)
            self.on_step(claim.fit_id, claim.attempt, step)
            is_right = mark == link(seed, step - 1) and signal.content in SIGNALS
            mark = link(seed, step) if is_right else _astray(mark)
            if kind == "kills" and step == 3:
                self._end_process()
            if kind == "fails" and step == 2:
                raise FailsToTrain("it cannot be fitted")
            if kind == "hangs" and step == 3:
                self._scheduler.pause(1e6)
            state = State(seed, step, mark)
            if on_step(Progress(step, total, lambda state=state: state)) is Verdict.STOP:  # type: ignore[misc]
                return _result(None, step)
        return _result(f"network {seed} after {total}: {mark}".encode(), total)

    def read_caged(self, content: bytes, settings: Any, heed: Callable[[], None], **_signal: Any) -> Any:
        for _ in range(2):
            self._scheduler.pause(0.3)
            heed()
        return SimpleNamespace(values=None, storage=None, content=content)


def _astray(mark: str) -> str:
    """Where training gets to that has left the way, to which nothing leads back."""
    return hashlib.sha256(mark.encode()).hexdigest()[:16]


def kind_of(seed: int) -> str:
    """How a fit with this seed behaves."""
    return {96: "kills", 97: "fails", 98: "hangs"}.get(seed % 100, "plain")


def _result(content: bytes | None, steps: int) -> Any:
    return SimpleNamespace(
        content=content,
        outcome=TargetOutcome.STOPPED if content is None else TargetOutcome.MET,
        sentence="trained",
        file=None,
        trials=[SimpleNamespace(psnr_db=30.0)],
        fit_psnr_db=30.0,
        steps=steps,
        work=1.0,
        seconds=1.0,
    )


def decode(content: bytes) -> Any:
    """Stands for the decoder."""
    return SimpleNamespace(render=lambda: SimpleNamespace(values=None))
