"""The input frequencies of a network beside what became of them: bounds, and how strongly they are used."""

from collections.abc import Iterator

import torch

from tuner.experiment.methods import hidden_sines
from tuner.experiment.networks.learned_bounds import learned
from tuner.experiment.networks.mrnet import LatticeSines, MRNet
from tuner.fit.sines.module import HiddenSine, SineNetwork
from tuner.fit.sines.row_bounds import row_costs
from tuner.fit.sines.trainable import Network
from tuner.shapes import IntArray
from tuner.signal.grid import Grid

Row = dict[str, float | int | None]


@torch.no_grad()
def chosen_frequencies(network: Network, grid: Grid) -> list[Row]:
    """One row per input frequency.

    Args:
        network: any; one without integer frequencies gives no rows.
        grid: grid of the signal.

    Returns:
        Rows of `stage`, `k0`, `k1`, ... (cycles per period), `largest` = |k|_inf, `of_nyquist` (the largest |k_d| as a
        fraction of that axis's Nyquist index), `bound` (c_j, learned or fixed; None without bounds) and `weight`, the
        largest |W_ij| of the column (None for a stage without hidden layers).
    """
    rows: list[Row] = []
    for stage, (frequencies, layer) in enumerate(_inputs(network)):
        fractions = row_costs(frequencies, grid.nyquist)
        for number, k in enumerate(frequencies.tolist()):
            row: Row = {"stage": stage} | {f"k{axis}": index for axis, index in enumerate(k)}
            row |= {"largest": max(map(abs, k)), "of_nyquist": float(fractions[number]), "bound": None, "weight": None}
            if layer is not None:
                row["weight"] = float(layer.weight_HM[:, number].abs().max())
                bounds = _bounds(layer)
                row["bound"] = None if bounds is None else float(bounds[number])
            rows.append(row)
    return rows


def _bounds(layer: HiddenSine) -> torch.Tensor | None:
    for bound in learned(layer):
        return bound.bounds_M.abs()
    return layer.bounds_M


def _inputs(network: Network) -> Iterator[tuple[IntArray, HiddenSine | None]]:
    """Integer input frequencies with the layer whose first columns they drive."""
    if isinstance(network, SineNetwork):
        yield network.frequencies_MD.numpy(), hidden_sines(network)[0]
    elif isinstance(network, MRNet):
        for number in range(network.detail):
            stage = network.stage(number)
            if isinstance(stage.sines, LatticeSines):
                layers = [layer for layer in stage.hidden if isinstance(layer, HiddenSine)]
                yield stage.sines.frequencies_MD.numpy(), layers[0] if layers else None
