"""The samples of a signal as the natural gradient visits them: tiles of a grid, or runs of scattered points.

Here it is decided how large a tile is, and what may stay in memory between sweeps (`tuner.fit.natural.sweeps`).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from tuner.fit.config import NaturalGradientConfig
from tuner.fit.natural.coarse import coarser
from tuner.fit.natural.input_sines import DenseSines, InputSines
from tuner.fit.natural.separable import grid_sines
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.sines.module import SineNetwork
from tuner.memory import free_bytes
from tuner.shapes import BoolArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Bytes of one layer's activations in a tile, chosen by measurement: on a CPU the last-level cache holds a few of them.
TILE_BYTES_CPU = 2**20
TILE_BYTES_GPU = 2**28
MIN_TILE_POINTS = 64
# Lines of a grid that a tile on a CPU should have, and the bytes that it may take for them. A line by itself took four
# times as long when axes before the last were contracted tile by tile; for lines of many tiles it takes no longer.
TILE_LINES = 4
MAX_TILE_BYTES_CPU = 2**22
# Of the memory that is free when the fit begins.
MEMORY_SHARE = 4


def grid_sweeps(
    network: SineNetwork,
    signal: Signal,
    config: NaturalGradientConfig,
    *,
    members: int = 1,
    parts: int = 1,
    held_out: BoolArray | None = None,
) -> Sweeps:
    """All samples of a signal on its grid.

    Args:
        network: network that will be fitted; the samples go to its device.
        signal: samples to fit, on their grid.
        config: settings of the natural gradient.
        members: number of fits that will share these samples' places (`tuner.fit.natural.batch`).
        parts: number of times that tiles are made smaller for want of memory, when nothing is kept between sweeps
            either; 1 for neither.
        held_out: mask of the samples that the fit does not learn from, bool (*grid_shape); None for none. They are
            evaluated like all others, which keeps the fast ways of a grid, and weigh nothing.
    """
    device = network.phases_M.device
    grid = Grid(signal.grid_shape, network.period)
    sines = grid_sines(
        network.frequencies_MD,
        network.period,
        [torch.tensor(grid.axis(d), device=device) for d in range(len(grid.shape))],
        _tile_points(network, parts, members, lines_of=grid.shape[-1] if len(grid.shape) > 1 else None),
        phases_M=_fixed_phases(network, config),
        keep=parts == 1 and _fits(network, grid.size * members),
    )
    values = torch.tensor(signal.values, device=device)
    return _sweeps(network, sines, values, members, may_keep=parts == 1, held_out=held_out)


def coarser_sweeps(
    network: SineNetwork,
    signal: Signal,
    config: NaturalGradientConfig,
    *,
    parts: int = 1,
    held_out: BoolArray | None = None,
) -> Iterator[Sweeps]:
    """Coarser versions of the samples of a signal, the coarsest first, each made when it is asked for.

    Args and what they mean are those of `grid_sweeps`.
    """
    for coarse, unknown in coarser(signal, held_out):
        yield grid_sweeps(network, coarse, config, parts=parts, held_out=unknown)


def scattered_sweeps(
    network: SineNetwork,
    coords_PD: Float[Tensor, "points dims"],
    values_PC: Float[Tensor, "points channels"],
    config: NaturalGradientConfig,
    *,
    parts: int = 1,
) -> Sweeps:
    """Samples at any points, on the network's device; `parts` as for `grid_sweeps`."""
    sines = DenseSines(
        network.frequencies_MD,
        network.period,
        coords_PD,
        _tile_points(network, parts),
        phases_M=_fixed_phases(network, config),
        keep=parts == 1 and _fits(network, len(coords_PD)),
    )
    return _sweeps(network, sines, values_PC, may_keep=parts == 1)


def _fixed_phases(network: SineNetwork, config: NaturalGradientConfig) -> Tensor | None:
    return None if config.train_phases else network.phases_M.detach().clone()


def _fits(network: SineNetwork, points: int) -> bool:
    """Whether the input sines, or the activations, of all points may stay in memory."""
    widths = [2 * len(network.frequencies_MD), *(2 * len(layer.bias_H) for layer in network.layers)]
    return 4 * sum(widths) * points <= _free_bytes(network.phases_M.device) // MEMORY_SHARE


def _sweeps(
    network: SineNetwork,
    sines: InputSines,
    values: Tensor,
    members: int = 1,
    *,
    may_keep: bool = True,
    held_out: BoolArray | None = None,
) -> Sweeps:
    seen_P = None
    if held_out is not None and held_out.any():
        seen_P = sines.arrange(torch.tensor(~held_out, device=values.device)[..., None])[0]
    widths = [len(layer.bias_H) for layer in network.layers]
    keep = may_keep and _fits(network, sines.points * members)
    arranged = sines.arrange(values)[None]
    return Sweeps(sines, arranged, widths, keep=keep, threads=torch.get_num_threads(), seen_P=seen_P)


def _tile_points(network: SineNetwork, parts: int = 1, members: int = 1, *, lines_of: int | None = None) -> int:
    """Must depend on nothing but the networks, the grid and the kind of device: sums are made tile by tile.

    On a CPU not on the number of members either, so that each gets the bytes that it would get alone; a GPU, whose
    tiles take a share of its memory, divides them. `lines_of` is the number of samples in a line of the grid.
    """
    width = max(len(layer.bias_H) for layer in network.layers)
    if network.phases_M.device.type == "cpu":
        least, most = (size // (4 * width * parts) for size in (TILE_BYTES_CPU, MAX_TILE_BYTES_CPU))
        return max(MIN_TILE_POINTS, least, min(most, TILE_LINES * (lines_of or 0)))
    return max(MIN_TILE_POINTS, TILE_BYTES_GPU // (4 * width * parts * members))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_bytes()
