"""The natural-gradient descent: Gauss-Newton directions in Kronecker factors, output layers that are always optimal.

It runs B fits of one shape in step: every sweep and every factorisation is made for all of them, while damping, the
previous step and the verdict on a step are each member's own. One fit is a batch of one (`tuner.fit.natural.trainer`);
`tuner.fit.natural.batch` runs many.

An iteration linearises the networks once and solves the linear least-squares problem a little way: a few directions,
each preconditioned by the curvature factors and combined with all earlier ones, the previous step among them, by the
exact quadratic model (`tuner.fit.natural.direction`); this is preconditioned conjugate gradients with a memory. Then
the weights are clamped to their bounds and the true loss decides. A step counts only if the loss fell; if it did not,
the combination of fewer directions is tried, then shorter ones. With a prior on the weights (`tuner.fit.natural.prior`)
it is the loss and the prior's share together that must fall.

The first step may be a few on coarser samples of the same signals, without a prior: they cost little, and bring as much
as steps on all samples do as long as everything is still wrong.

`docs/decisions/0005-natural-gradient.md` has the measurements behind the choices.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.config import NaturalGradientConfig
from tuner.fit.natural.direction import (
    Preconditioner,
    PriorPreconditioner,
    Readout,
    best_combination,
    solve_readout,
)
from tuner.fit.natural.prior import Prior
from tuner.fit.natural.sums import Correction, Hidden, Moves
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.stripes import single_threaded

# How damping answers: a step accepted at full length, one that had to be shortened, one that failed.
EASE, TIGHTEN, RETREAT = 0.6, 2.0, 10.0
HALVINGS = 3
# Share of the promised fall that a combination of several directions must bring; else the first one alone is safer.
TRUST = 0.5
MAX_DAMPING = 1e6
# Curvature factors of fewer samples are too noisy for a few hundred neurons.
MIN_CURVATURE_SAMPLES = 8192


class Descent:
    """B fits of one shape that take their steps together.

    Args:
        sweeps: samples of all fits, ready to be swept over (`tuner.fit.natural.samples`).
        point: weights and phases at which the fits start.
        bounds: largest weight of each column of each hidden layer, (I,), or None; common to all members.
        config: damping, ridge and how many directions are tried at a point.
        costs: costs of a weight of each column of each hidden layer under the prior, (I,) float64; None for no prior.
        coarser: function that makes coarser samples of all fits, the coarsest first (`tuner.fit.natural.coarse`), on
            which the first step is taken; it is called when that step begins. None for none.
    """

    def __init__(
        self,
        sweeps: Sweeps,
        point: Hidden,
        bounds: Sequence[Tensor | None],
        config: NaturalGradientConfig,
        costs: Sequence[Tensor] | None = None,
        coarser: Callable[[], Iterable[Sweeps]] | None = None,
    ) -> None:
        self._sweeps = sweeps
        self._coarser = coarser
        self._config = config
        self._bounds = list(bounds)
        self.point = point
        self._previous = point.still()
        self._moved = False  # whether any member's previous step is more than zeros, known without asking a GPU
        device = point.phases.device
        self._damping = torch.full((point.members,), config.damping, dtype=torch.float64, device=device)
        self._steps = 0
        self._prior = None if costs is None or config.prior == 0.0 else Prior(costs, point.members)
        self._measured: tuple[Readout, Tensor] | None = None  # at the point; not before it is asked for

    @property
    def readout(self) -> Readout:
        """The best output layers at the point."""
        return self._at_point()[0]

    @property
    def losses(self) -> Tensor:
        """Mean squared error of each member at its point, (B,); its output layer is the best one for all samples."""
        losses: Tensor = self._at_point()[1] / (self._sweeps.samples * self._sweeps.targets_BCP.shape[1])
        return losses

    @torch.no_grad()
    def step(self) -> None:
        """Take one step; a member that no step helps stays where it is.

        A first step that fails, for want of memory, leaves the descent where it was: the next one begins anew.
        """
        beginning = self._motion
        try:
            if self._steps or self._coarser is None or not self._begin(self._coarser()):
                with single_threaded():
                    self._advance()
        except Exception:
            self._motion = beginning
            self._measured = None
            raise
        self._steps += 1

    def keep(self, members: Tensor) -> None:
        """Go on with some of the members only, by their indices (B',); the others cost nothing from now on."""
        readout, squares = self._at_point()
        self._sweeps = self._sweeps.of(members)
        self.point, self._previous = self.point.of(members), self._previous.of(members)
        self._measured = readout.of(members), squares[members]
        self._damping = self._damping[members]
        if self._prior is not None:
            self._prior.strength = self._prior.strength[members]
        self._moved = self._previous.moves()
        with single_threaded(), torch.no_grad():
            self._sweeps.loss(self.point, self.readout.matrix)

    def tensors(self) -> dict[str, Tensor]:
        """The point, the previous step (zero if there is none), the damping and the count of steps."""
        return {
            **_named("point", self.point),
            **_named("previous", self._previous),
            **({} if self._prior is None else {"strength": self._prior.strength}),
            "damping": self._damping,
            "steps": torch.tensor(self._steps, dtype=torch.int64),
        }

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the `tensors` of another descent of the same signals and configuration.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
        for name, own in self.tensors().items():
            if name not in tensors or tensors[name].shape != own.shape:
                came = tuple(tensors[name].shape) if name in tensors else "nothing"
                raise StateMismatch(f"the checkpoint has {came} as {name}, expected shape {tuple(own.shape)}")
        self._steps = int(tensors["steps"])
        self._damping = tensors["damping"].to(self._damping.device, copy=True)
        if self._prior is not None:
            self._prior.strength = tensors["strength"].to(self._damping.device, copy=True)
        self.point = _from_named("point", tensors, self.point)
        self._previous = _from_named("previous", tensors, self.point)
        self._moved = self._previous.moves()
        self._measured = None

    @torch.no_grad()
    def _at_point(self) -> tuple[Readout, Tensor]:
        """The best output layers at the point, and the sums of squares that they leave."""
        if self._measured is None:
            with single_threaded():
                self._covariance = self._sweeps.sines.covariance(self.point.phases)
                self._measured = self._measure(self.point)
        return self._measured

    def _begin(self, coarser: Iterable[Sweeps]) -> bool:
        """Take a few steps on each of the coarser samples, without a prior; False if there are none."""
        begun = False
        for sweeps in coarser:
            begun = True
            start = Descent(sweeps, self.point, self._bounds, self._config)
            start._motion = self._motion
            for _ in range(self._config.coarse_steps):
                start.step()
            self._motion = start._motion
        # What failed on few samples says nothing of many.
        self._damping = self._damping.clamp(max=self._config.damping)
        self._measured = None
        return begun

    @property
    def _motion(self) -> tuple[Hidden, Hidden, bool, Tensor]:
        """The point, the previous step, whether there was any, and the damping."""
        return self.point, self._previous, self._moved, self._damping

    @_motion.setter
    def _motion(self, motion: tuple[Hidden, Hidden, bool, Tensor]) -> None:
        self.point, self._previous, self._moved, self._damping = motion

    def _advance(self) -> None:
        """One iteration, from the slopes at the present point to a better one."""
        readout, squares = self._at_point()
        directions, lengths, promise = self._directions()
        before = self._objective(self.point, squares)
        found = torch.zeros_like(squares, dtype=torch.bool)
        best = self.point
        settled = [False]
        for attempt, factors in enumerate(lengths):
            candidate = self._bounded(self.point.plus(list(zip(factors.T, directions, strict=True))))
            # Members that found their step stay there: their activations are measured again, unchanged.
            candidate = best.where(found, candidate)
            readout, squares = self._measure(candidate)
            # Several directions far beyond the linear model can end in a worse valley, if a little lower at first.
            asked = TRUST * promise if attempt == 0 and self._config.inner_steps > 1 else 0.0
            fell = ~found & (self._objective(candidate, squares) < before - asked)
            self._damping = torch.where(fell, self._damping * (TIGHTEN if attempt else EASE), self._damping)
            best, found = candidate, found | fell
            settled = found.tolist()
            if all(settled):
                break
        if not all(settled):
            # Nothing helped: stay, forget the previous step, and trust the curvature less.
            best = best.where(found, self.point)
            readout, squares = self._measure(best)
            self._damping = torch.where(found, self._damping, (self._damping * RETREAT).clamp(max=MAX_DAMPING))
        self._damping = self._damping.clamp(min=self._config.damping_floor)
        self._previous = best.minus(self.point).where(found, self.point.still())
        self._moved = any(settled)
        self.point, self._measured = best, (readout, squares)
        if self._prior is not None:
            self._prior.weigh(best, squares, self._determined, self._sweeps, self._config.prior)
        if self._config.train_phases:
            self._covariance = self._sweeps.sines.covariance(best.phases)

    def _directions(self) -> tuple[list[Hidden], list[Tensor], Tensor]:
        """Directions from the present point, and how far to go along each (B, K): all of them, then safer choices.

        Also what the linear model promises of the first choice, (B,).
        """
        config, sweeps, point, readout = self._config, self._sweeps, self.point, self.readout.matrix
        share = max(1, min(config.curvature_share, sweeps.samples // MIN_CURVATURE_SAMPLES))
        curvature = sweeps.curvature(point, readout, share=share, offset=self._steps)
        preconditioner: Preconditioner | PriorPreconditioner
        if self._prior is None:
            preconditioner = Preconditioner(
                curvature, self._covariance, point, self._damping, phases=config.train_phases
            )
        else:
            preconditioner = PriorPreconditioner(curvature, self._covariance, point, self._damping, self._prior)
            self._determined = preconditioner.determined
        gradient = self._gradient(None, [])
        directions = [preconditioner.direction(gradient)]
        if self._moved:
            directions.insert(0, self._previous)
        moves = self._moves(directions, directions)
        correction, promise = best_combination(moves, self.readout.factor)
        lengths = [correction.coefficients]
        for _ in range(config.inner_steps - 1):
            direction = preconditioner.direction(self._gradient(correction, directions))
            directions.append(direction)
            moves = self._moves([direction], directions)
            correction, promise = best_combination(moves, self.readout.factor)
            lengths.append(correction.coefficients)
        shorter = [lengths[0] * 0.5**i for i in range(1, HALVINGS + 1)]
        tried = [lengths[-1], *lengths[:1][: len(lengths) - 1], *shorter]
        padded = [torch.nn.functional.pad(factors, (0, len(directions) - factors.shape[1])) for factors in tried]
        return directions, padded, promise.clamp(min=0.0)

    def _gradient(self, correction: Correction | None, directions: list[Hidden]) -> Hidden:
        """Of half the mean of the objective, at the point or where the linear model ends after some directions."""
        gradient = self._sweeps.gradient(self.point, self.readout.matrix, correction)
        if self._prior is None:
            return gradient
        reached = self.point
        if correction is not None:
            reached = reached.plus(list(zip(correction.coefficients.T, directions, strict=True)))
        return self._prior.pulled(gradient, reached)

    def _moves(self, new: list[Hidden], directions: list[Hidden]) -> Moves:
        """The sums of the quadratic model for all directions, of which some are new."""
        turning = self._config.train_phases
        moves = self._sweeps.directional(self.point, self.readout.matrix, new, turning=turning)
        return moves if self._prior is None else self._prior.added(moves, self.point, directions, self._sweeps.samples)

    def _objective(self, point: Hidden, squares: Tensor) -> Tensor:
        """What a step must lower: the sum of squares, and the prior's share."""
        if self._prior is None:
            return squares
        return squares + self._sweeps.samples * self._prior.strength * self._prior.energy(point)

    def _measure(self, point: Hidden) -> tuple[Readout, Tensor]:
        readout = solve_readout(self._sweeps.evaluate(point), self._config.ridge)
        return readout, self._sweeps.loss(point, readout.matrix)

    def _bounded(self, point: Hidden) -> Hidden:
        """Clamp every column to its bound; biases are free."""
        layers = []
        for layer, bounds in zip(point.layers, self._bounds, strict=True):
            clamped = layer.clone()
            if bounds is not None:
                torch.clamp(clamped[:, :, :-1], -bounds, bounds, out=clamped[:, :, :-1])
            layers.append(clamped)
        return Hidden(point.phases, tuple(layers))


def _named(prefix: str, hidden: Hidden) -> dict[str, Tensor]:
    layers = {f"{prefix}.layer.{i}": layer for i, layer in enumerate(hidden.layers)}
    return {f"{prefix}.phases": hidden.phases, **layers}


def _from_named(prefix: str, tensors: Mapping[str, Tensor], like: Hidden) -> Hidden:
    device = like.phases.device
    layers = (tensors[f"{prefix}.layer.{i}"].to(device, copy=True) for i in range(len(like.layers)))
    return Hidden(tensors[f"{prefix}.phases"].to(device, copy=True), tuple(layers))
