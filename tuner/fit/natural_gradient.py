"""The default trainer: Gauss-Newton directions in Kronecker factors, with an output layer that is always optimal.

The search runs over the hidden layers only; each reported loss is that of the best output layer. An iteration makes a
direction and combines it with the previous step by an exact quadratic model (`tuner.fit.direction`), clamps the weights
to their bounds, then measures the true loss: it is accepted only if the loss fell, so the loss never rises and there is
no learning rate. Cost is a handful of sweeps over the samples (`tuner.fit.sweeps`). Made by `tuner.fit.loop`.

`docs/decisions/0005-natural-gradient.md` has the measurements behind the choices.
"""

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.config import NaturalGradientConfig
from tuner.fit.direction import Readout, best_combination, natural_direction, solve_readout
from tuner.fit.kernels import single_threaded
from tuner.fit.sums import Hidden
from tuner.fit.sweeps import Sweeps
from tuner.network.sine import SineNetwork

# How damping answers: a step accepted at full length, one that had to be shortened, one that failed.
EASE, TIGHTEN, RETREAT = 0.6, 2.0, 10.0
HALVINGS = 3


class NaturalGradientTrainer:
    """Natural gradient on one network and one signal; implements `tuner.fit.trainer.Trainer`.

    Args:
        network: to be trained in place.
        sweeps: its samples, from `tuner.fit.samples`.
        config: settings.
    """

    def __init__(self, network: SineNetwork, sweeps: Sweeps, config: NaturalGradientConfig) -> None:
        self.network = network
        self._sweeps = sweeps
        self._config = config
        self._bounds = [layer.bounds_M for layer in network.layers]
        self._point = _hidden_of(network)
        self._previous: Hidden | None = None
        self._damping = config.damping
        self._steps = 0
        self._begin()

    @torch.no_grad()
    def step(self) -> float:
        """Take one step, or keep the network as it is if no step lowers the loss.

        Returns:
            The exact mean squared error, never more than the step before gave.
        """
        with single_threaded():
            self._advance()
        self._steps += 1
        self._write(self._point, self._readout)
        return self.finish()

    def finish(self) -> float:
        """The mean squared error: the output layer is already the best one for all samples."""
        return self._squares / self._sweeps.targets_CP.numel()

    def tensors(self) -> dict[str, Tensor]:
        """The point, the previous step (zero if there is none), the damping and the count of steps."""
        previous = self._previous or self._point.plus([(-1.0, self._point)])
        counts = [self._steps, int(self._previous is not None)]
        return {
            **_named("point", self._point),
            **_named("previous", previous),
            "damping": torch.tensor(self._damping, dtype=torch.float64),
            "counts": torch.tensor(counts, dtype=torch.int64),
        }

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the `tensors` of another trainer of the same signal and configuration.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
        for name, own in self.tensors().items():
            if name not in tensors or tensors[name].shape != own.shape:
                came = tuple(tensors[name].shape) if name in tensors else "nothing"
                raise StateMismatch(f"the checkpoint has {came} as {name}, expected shape {tuple(own.shape)}")
        self._steps, has_previous = tensors["counts"].tolist()
        self._damping = float(tensors["damping"])
        self._point = _from_named("point", tensors, self._point)
        self._previous = _from_named("previous", tensors, self._point) if has_previous else None
        self._begin()

    @torch.no_grad()
    def _begin(self) -> None:
        """Measure the point that the trainer starts or goes on from."""
        with single_threaded():
            self._covariance = self._sweeps.sines.covariance(self._point.phases)
            self._readout, self._squares = self._measure(self._point)
        self._write(self._point, self._readout)

    def _advance(self) -> None:
        """One iteration, from the slopes at the present point to a better one."""
        config = self._config
        share = max(1, min(config.curvature_share, self._sweeps.samples // MIN_CURVATURE_SAMPLES))
        slopes = self._sweeps.gradients(self._point, self._readout.matrix, share=share, offset=self._steps)
        direction = natural_direction(slopes, self._covariance, self._point, self._damping, phases=config.train_phases)
        directions = [direction] if self._previous is None else [direction, self._previous]
        moves = self._sweeps.directional(self._point, self._readout.matrix, directions)
        coefficients, promise = best_combination(moves, self._readout.factor)
        length = 1.0 if isfinite(promise) and promise > 0.0 else 0.0
        for _ in range(HALVINGS + 1 if length else 0):
            steps = [(length * factor, move) for factor, move in zip(coefficients, directions, strict=True)]
            candidate = self._bounded(self._point.plus(steps))
            readout, squares = self._measure(candidate)
            if squares < self._squares:
                self._accept(candidate, readout, squares, shortened=length < 1.0)
                return
            length /= 2.0
        self._retreat()

    def _accept(self, point: Hidden, readout: Readout, squares: float, *, shortened: bool) -> None:
        self._previous = point.minus(self._point)
        self._point, self._readout, self._squares = point, readout, squares
        self._damping = max(self._damping * (TIGHTEN if shortened else EASE), self._config.damping_floor)
        if self._config.train_phases:
            self._covariance = self._sweeps.sines.covariance(point.phases)

    def _retreat(self) -> None:
        """Nothing helped: forget the previous step, trust the curvature less, and stay."""
        self._previous = None
        self._damping = min(self._damping * RETREAT, MAX_DAMPING)
        # The sweeps hold the activations and residual of the point that was refused.
        self._readout, self._squares = self._measure(self._point)

    def _measure(self, point: Hidden) -> tuple[Readout, float]:
        readout = solve_readout(self._sweeps.evaluate(point), self._config.ridge)
        return readout, self._sweeps.loss(point, readout.matrix)

    def _bounded(self, point: Hidden) -> Hidden:
        """Clamp every column to its bound; biases are free."""
        layers = []
        for layer, bounds in zip(point.layers, self._bounds, strict=True):
            clamped = layer.clone()
            if bounds is not None:
                torch.clamp(clamped[:, :-1], -bounds, bounds, out=clamped[:, :-1])
            layers.append(clamped)
        return Hidden(point.phases, tuple(layers))

    def _write(self, point: Hidden, readout: Readout) -> None:
        """Bring the module up to date."""
        network = self.network
        network.phases_M.copy_(point.phases)
        for module, layer in zip(network.layers, point.layers, strict=True):
            module.weight_HM.copy_(layer[:, :-1])
            module.bias_H.copy_(layer[:, -1])
        network.readout_weight_CH.copy_(readout.matrix[:, :-1])
        network.readout_bias_C.copy_(readout.matrix[:, -1])


# Curvature factors of fewer samples are too noisy for a few hundred neurons.
MIN_CURVATURE_SAMPLES = 8192
MAX_DAMPING = 1e6


def _hidden_of(network: SineNetwork) -> Hidden:
    layers = (torch.cat([layer.weight_HM, layer.bias_H[:, None]], 1).detach() for layer in network.layers)
    return Hidden(network.phases_M.detach().clone(), tuple(layers))


def _named(prefix: str, hidden: Hidden) -> dict[str, Tensor]:
    layers = {f"{prefix}.layer.{i}": layer for i, layer in enumerate(hidden.layers)}
    return {f"{prefix}.phases": hidden.phases, **layers}


def _from_named(prefix: str, tensors: Mapping[str, Tensor], like: Hidden) -> Hidden:
    device = like.phases.device
    layers = (tensors[f"{prefix}.layer.{i}"].to(device, copy=True) for i in range(len(like.layers)))
    return Hidden(tensors[f"{prefix}.phases"].to(device, copy=True), tuple(layers))
