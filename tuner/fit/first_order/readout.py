"""The best output layer for given hidden neurons: variable projection.

For fixed hidden layers the loss is quadratic in (C, e), so they need no training: they are the solution of a ridge
regression with an n x n Gram matrix (Golub & Pereyra 1973, "The differentiation of pseudo-inverses and nonlinear least
squares problems whose variables separate"). At that solution the gradient of the loss with respect to the hidden
layers is the plain one with (C, e) held fixed. The natural gradient has a batched solver of its own
(`tuner.fit.natural.direction`).
"""

import torch
from jaxtyping import Float
from torch import Tensor


class ReadoutSolver:
    """Sums over samples that determine the output layer; samples may come in parts.

    Args:
        hidden: number of neurons in the last hidden layer (H).
        channels: number of channels of the signal (C).
        device: device on which the samples are.
    """

    def __init__(self, hidden: int, channels: int, device: torch.device) -> None:
        self._samples = 0
        self._hidden_sum_H = torch.zeros(hidden, dtype=torch.float64, device=device)
        self._value_sum_C = torch.zeros(channels, dtype=torch.float64, device=device)
        self._gram_HH = torch.zeros(hidden, hidden, dtype=torch.float64, device=device)
        self._cross_CH = torch.zeros(channels, hidden, dtype=torch.float64, device=device)

    def add(self, hidden_HP: Float[Tensor, "hidden points"], values_CP: Float[Tensor, "channels points"]) -> None:
        """Take more samples into account."""
        self._samples += hidden_HP.shape[1]
        self._hidden_sum_H += hidden_HP.sum(1)
        self._value_sum_C += values_CP.sum(1)
        self._gram_HH += hidden_HP @ hidden_HP.T
        self._cross_CH += values_CP @ hidden_HP.T

    def solve(self, ridge: float) -> tuple[Float[Tensor, "channels hidden"], Float[Tensor, " channels"]]:
        """The weight and the bias that minimise the squared error plus the ridge term.

        Args:
            ridge: penalty of the weights, relative to the mean square of a sine, 1/2; the bias is not penalised.

        Returns:
            C (C, H) and e (C,), float32.
        """
        mean_H, mean_C = self._hidden_sum_H / self._samples, self._value_sum_C / self._samples
        covariance_HH = self._gram_HH / self._samples - torch.outer(mean_H, mean_H)
        covariance_HH.diagonal().add_(0.5 * ridge)
        cross_CH = self._cross_CH / self._samples - torch.outer(mean_C, mean_H)
        # The "_ex" form lets a diverged fit (NaN) through to where the loss is judged, instead of failing here.
        weight_CH = torch.linalg.solve_ex(covariance_HH, cross_CH.T).result.T
        return weight_CH.float(), (mean_C - weight_CH @ mean_H).float()
