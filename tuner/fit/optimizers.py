"""First-order update rules, each resumable: what `tuner.fit.first_order` does with a gradient.

- `Adam` (Kingma & Ba 2015), as the published recipe has it.
- `Muon` (Jordan et al. 2024): momentum whose singular values are all set to one, for hidden matrices, by torch's
  implementation; Adam for the rest.
- `ScheduleFree` (Defazio et al. 2024, arXiv 2405.15682): Adam without a schedule; gradients are taken between a fast
  iterate and its average, the average is the result.
- `LBFGS`: limited-memory quasi-Newton steps with a strong Wolfe line search, by torch's implementation.

A rule is bound to named parameters and changes them in place. `slope` gives the loss and its gradients at the present
parameters; only the line search asks more than once. `rest` brings the parameters to where the result is, which for
most rules is where they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from tuner.fit.config import Rule

Slope = Callable[[], tuple[float, list[Tensor]]]

# The second moment forgets faster than usual: a fit has hundreds of steps, not tens of thousands.
BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
MUON_MOMENTUM = 0.95
LBFGS_MEMORY = 10


@runtime_checkable
class Optimizer(Protocol):
    """An update rule, bound to the parameters it changes."""

    def step(self, slope: Slope, rate: float) -> float:
        """Change the parameters once.

        Args:
            slope: the loss and its gradient for each parameter, in their order.
            rate: learning rate, in units of the parameters.

        Returns:
            The loss before the step.
        """

    def rest(self) -> None:
        """Bring the parameters to the result; `step` goes on from there as if this had not been called."""

    def projected(self, project: Callable[[], None]) -> None:
        """Make everything that a result may come from keep the bounds; `project` clamps the parameters."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on, the parameters aside; filled in place when a checkpoint is loaded."""

    def loaded(self) -> None:
        """Take notice that `tensors` and the parameters have been filled from a checkpoint."""


def make_optimizer(rule: Rule, parameters: Mapping[str, Tensor]) -> Optimizer:
    """The rule of that name for these parameters."""
    rules: dict[Rule, Callable[[Mapping[str, Tensor]], Optimizer]] = {
        Rule.ADAM: Adam,
        Rule.MUON: Muon,
        Rule.SCHEDULE_FREE: ScheduleFree,
        Rule.LBFGS: LBFGS,
    }
    return rules[rule](parameters)


class _Plain:
    """What rules share that keep their result in the parameters themselves."""

    def rest(self) -> None:
        """Nothing to do."""

    def projected(self, project: Callable[[], None]) -> None:
        """Clamp the parameters."""
        project()

    def loaded(self) -> None:
        """Nothing to do: the state is in the tensors."""


class Adam(_Plain):
    """Adam without weight decay."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = dict(parameters)
        self._first = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self._second = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self._steps = torch.zeros((), dtype=torch.int64)

    def step(self, slope: Slope, rate: float) -> float:
        """One step; see `Optimizer.step`."""
        loss, gradients = slope()
        self.update(dict(zip(self._parameters, gradients, strict=True)), rate)
        return loss

    @torch.no_grad()
    def update(self, gradients: Mapping[str, Tensor], rate: float) -> None:
        """Move against the gradients, each divided by its recent size."""
        self._steps += 1
        steps = int(self._steps)
        for name, parameter in self._parameters.items():
            gradient, first, second = gradients[name], self._first[name], self._second[name]
            first.lerp_(gradient, 1.0 - BETA_1)
            second.lerp_(gradient.square(), 1.0 - BETA_2)
            deviation = (second / (1.0 - BETA_2**steps)).sqrt_().add_(EPSILON)
            parameter.addcdiv_(first, deviation, value=-rate / (1.0 - BETA_1**steps))

    def tensors(self) -> dict[str, Tensor]:
        """Both moments and the count of steps."""
        return {
            **{f"adam.first.{name}": moment for name, moment in self._first.items()},
            **{f"adam.second.{name}": moment for name, moment in self._second.items()},
            "adam.steps": self._steps,
        }


class Muon(_Plain):
    """Muon on the hidden matrices, Adam on phases, biases and the output layer."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._names = list(parameters)
        self._matrices = {
            name: cast("torch.nn.Parameter", parameter)
            for name, parameter in parameters.items()
            if name.startswith("hidden") and parameter.dim() == 2
        }
        self._adam = Adam({name: parameter for name, parameter in parameters.items() if name not in self._matrices})
        # Scaled so that a rate means as much as it does to Adam.
        self._muon = torch.optim.Muon(
            list(self._matrices.values()),
            weight_decay=0.0,
            momentum=MUON_MOMENTUM,
            adjust_lr_fn="match_rms_adamw",
        )
        for matrix in self._matrices.values():
            self._muon.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)

    def step(self, slope: Slope, rate: float) -> float:
        """One step; see `Optimizer.step`."""
        loss, gradients = slope()
        named = dict(zip(self._names, gradients, strict=True))
        self._adam.update(named, rate)
        for name, matrix in self._matrices.items():
            matrix.grad = named[name]
        self._muon.param_groups[0]["lr"] = rate
        self._muon.step()  # type: ignore[no-untyped-call]
        return loss

    def tensors(self) -> dict[str, Tensor]:
        """The momentum of each matrix, and Adam's state."""
        momenta = {
            f"muon.momentum.{name}": self._muon.state[matrix]["momentum_buffer"]
            for name, matrix in self._matrices.items()
        }
        return momenta | self._adam.tensors()


class ScheduleFree:
    """Schedule-free Adam. Between steps the parameters are where the next gradient is taken."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = dict(parameters)
        self._fast = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self._average = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self._second = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self._steps = torch.zeros((), dtype=torch.int64)
        self._weights = torch.zeros((), dtype=torch.float64)

    @torch.no_grad()
    def step(self, slope: Slope, rate: float) -> float:
        """One step; see `Optimizer.step`."""
        self._go_between()
        with torch.enable_grad():
            loss, gradients = slope()
        self._steps += 1
        correction = 1.0 - BETA_2 ** int(self._steps)
        self._weights += rate**2
        share = rate**2 / float(self._weights)
        for (name, fast), gradient in zip(self._fast.items(), gradients, strict=True):
            second = self._second[name].lerp_(gradient.square(), 1.0 - BETA_2)
            fast.addcdiv_(gradient, (second / correction).sqrt_().add_(EPSILON), value=-rate)
            self._average[name].lerp_(fast, share)
        return loss

    @torch.no_grad()
    def rest(self) -> None:
        """Put the average into the parameters."""
        for name, parameter in self._parameters.items():
            parameter.copy_(self._average[name])

    @torch.no_grad()
    def projected(self, project: Callable[[], None]) -> None:
        """Clamp the fast iterate and the average; what lies between them then keeps the bounds, too."""
        for iterate in (self._fast, self._average):
            for name, parameter in self._parameters.items():
                parameter.copy_(iterate[name])
            project()
            for name, parameter in self._parameters.items():
                iterate[name].copy_(parameter)

    def tensors(self) -> dict[str, Tensor]:
        """Both iterates, the second moment, the count of steps and the sum of their weights."""
        parts = {"fast": self._fast, "average": self._average, "second": self._second}
        named = {f"free.{part}.{name}": t for part, tensors in parts.items() for name, t in tensors.items()}
        return {**named, "free.steps": self._steps, "free.weights": self._weights}

    def loaded(self) -> None:
        """Nothing to do: every step begins from the tensors."""

    def _go_between(self) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(torch.lerp(self._fast[name], self._average[name], BETA_1))


class LBFGS(_Plain):
    """One quasi-Newton step with its line search; the learning rate is the line search's first length."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = [cast("torch.nn.Parameter", parameter) for parameter in parameters.values()]
        self._lbfgs = torch.optim.LBFGS(
            self._parameters, max_iter=1, history_size=LBFGS_MEMORY, line_search_fn="strong_wolfe"
        )
        like, size = self._parameters[0], sum(parameter.numel() for parameter in self._parameters)
        self._vectors = {name: like.new_zeros(size) for name in ("d", "prev_flat_grad")}
        self._memory = {name: like.new_zeros(LBFGS_MEMORY, size) for name in ("old_dirs", "old_stps")}
        self._curvatures = like.new_zeros(LBFGS_MEMORY)
        self._scale = like.new_ones(())
        # Steps taken, pairs remembered; last length and last loss inside the line search; loss before the last step.
        self._counts = torch.zeros(2, dtype=torch.int64)
        self._numbers = torch.zeros(2, dtype=torch.float64)
        self._last = torch.full((), torch.inf, dtype=torch.float64)

    def step(self, slope: Slope, rate: float) -> float:
        """One step; see `Optimizer.step`."""

        def closure() -> float:
            loss, gradients = slope()
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.grad = gradient.contiguous()
            return loss

        self._lbfgs.param_groups[0]["lr"] = rate
        loss = float(self._lbfgs.step(closure))  # type: ignore[no-untyped-call]
        if loss >= float(self._last):
            # Bounds have moved the point since the pairs were noted, and no length helps: forget them.
            self._lbfgs.state.clear()
        self._last.fill_(loss)
        return loss

    def tensors(self) -> dict[str, Tensor]:
        """Torch's state, in arrays of fixed shapes."""
        state = self._state()
        self._counts.zero_()
        if state.get("n_iter"):
            for name, vector in self._vectors.items():
                vector.copy_(state[name])
            for name, rows in self._memory.items():
                for row, vector in zip(rows, state[name], strict=False):
                    row.copy_(vector)
            for i, curvature in enumerate(state["ro"]):
                self._curvatures[i] = curvature
            self._scale.copy_(torch.as_tensor(state["H_diag"]))
            self._counts.copy_(torch.tensor([state["n_iter"], len(state["ro"])]))
            self._numbers.copy_(torch.tensor([float(state["t"]), float(state["prev_loss"])], dtype=torch.float64))
        return {
            **{f"lbfgs.{name}": tensor for name, tensor in (self._vectors | self._memory).items()},
            "lbfgs.ro": self._curvatures,
            "lbfgs.scale": self._scale,
            "lbfgs.counts": self._counts,
            "lbfgs.numbers": self._numbers,
            "lbfgs.last": self._last,
        }

    def loaded(self) -> None:
        """Give the arrays back to torch."""
        self._lbfgs.state.clear()
        steps, pairs = self._counts.tolist()
        if not steps:
            return
        length, loss = self._numbers.tolist()
        state = self._state()
        state |= {name: vector.clone() for name, vector in self._vectors.items()}
        state |= {name: [row.clone() for row in rows[:pairs]] for name, rows in self._memory.items()}
        state |= {"ro": [r.clone() for r in self._curvatures[:pairs]], "H_diag": self._scale.clone()}
        state |= {"n_iter": steps, "func_evals": 0, "t": length, "prev_loss": loss, "al": [None] * LBFGS_MEMORY}

    def _state(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self._lbfgs.state[self._parameters[0]])
