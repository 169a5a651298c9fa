"""Limited-memory quasi-Newton steps with a strong Wolfe line search, by torch's implementation, made resumable.

Torch keeps its state in lists that grow; a checkpoint wants arrays of fixed shapes, so the state is copied to and fro.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from tuner.fit.first_order.update_rule import Plain, Slope

LBFGS_MEMORY = 10


class LBFGS(Plain):
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
