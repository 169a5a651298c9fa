"""First-order update rules, what is done with a gradient, each of which a checkpoint can resume.

- `Adam` (Kingma & Ba 2015), as the published recipe has it.
- `Muon` (Jordan et al. 2024): momentum whose singular values are all set to one, for hidden matrices, by torch's
  implementation; Adam for the rest.
- `ScheduleFree` (Defazio et al. 2024, arXiv 2405.15682): Adam without a schedule; gradients are taken between a fast
  iterate and its average, the average is the result.
- `LBFGS` (`tuner.fit.first_order.lbfgs`): quasi-Newton steps with a line search.
"""

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor

from tuner.fit.config import Rule
from tuner.fit.first_order.lbfgs import LBFGS
from tuner.fit.first_order.update_rule import Optimizer, Plain, Slope

# The second moment forgets faster than usual: a fit has hundreds of steps, not tens of thousands.
BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
MUON_MOMENTUM = 0.95


def make_optimizer(rule: Rule, parameters: Mapping[str, Tensor]) -> Optimizer:
    """The rule of that name for these parameters."""
    rules: dict[Rule, Callable[[Mapping[str, Tensor]], Optimizer]] = {
        Rule.ADAM: Adam,
        Rule.MUON: Muon,
        Rule.SCHEDULE_FREE: ScheduleFree,
        Rule.LBFGS: LBFGS,
    }
    return rules[rule](parameters)


class Adam(Plain):
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


class Muon(Plain):
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
