"""What a fit takes of memory, by what is known when it is submitted.

What is known is the number of values and, where that is certain, the kind of network; the two numbers here were
measured for the largest that such a fit takes (`make bench-memory`, docs/decisions/0041-what-a-fit-tells.md), so that
what passes runs within the budget to which its worker holds it.

Networks of sines see their samples in parts and keep between two steps no more than a quarter of the room that their
process is left (`tuner.memory`): what they take beyond that is a number of arrays as long as the signal. Latents of
wavelets are trained all at once. What is fitted in tiles takes the memory of a tile, whatever its size; its samples are
read from a file.
"""

from math import prod
from typing import Final

from store.models import Signal
from store.spec import CodecSpec, FitSpec

# Of a network of sines: values, targets, residual and directions, and what rounding and comparing hold besides.
BYTES_PER_VALUE: Final = 60
# A picture of C channels takes a + b C bytes a sample with wavelets; the networks of the other presets are larger.
_WAVELETS_FAST, _WAVELETS = (150, 200), (180, 220)
# So many values are fitted with wavelets whatever the kind of signal, where nothing else is asked for. A picture of
# more than the other number is cut into tiles, of which the largest that nobody asked for has 72 x 72 x 72 samples.
_SURELY_WAVELETS, MOST_PICTURE_VALUES, _TILE_SAMPLES = 1 << 23, 15 << 20, 72**3
_MOST_AXES = 3


def memory_bytes(signal: Signal, spec: FitSpec | None = None) -> int:
    """Memory that a fit of a signal takes, beyond what its process begins with.

    Args:
        signal: row of the signal, with the facts that inspection found.
        spec: what is asked for; None if that cannot be read.
    """
    samples, channels = prod(signal.grid_shape), int(signal.facts["channels"])
    values = samples * channels
    is_cut = spec is not None and _is_in_tiles(signal, spec, values)
    least = 0 if is_cut else BYTES_PER_VALUE * values
    if spec is None or not (is_cut or _is_surely_wavelets(signal, spec, values)):
        return least
    per_sample, per_value = _WAVELETS_FAST if spec.preset == "fast" else _WAVELETS
    if is_cut:
        side = spec.network.tiles
        samples = min(samples, _TILE_SAMPLES if side is None else side ** len(signal.grid_shape))
    return max(least, (per_sample + per_value * channels) * samples)


def _is_in_tiles(signal: Signal, spec: FitSpec, values: int) -> bool:
    """Whether a signal is cut: on request, or because it is too large for one network of wavelets."""
    if spec.network.tiles is not None:
        return True
    if len(signal.grid_shape) > _MOST_AXES or (spec.target is not None and spec.target.max_error is not None):
        return False
    most = MOST_PICTURE_VALUES if signal.facts.get("kind") == "image" else _SURELY_WAVELETS
    return values > most and (spec.network_kind() == "wavelets" or (spec.network_kind() is None and _is_usual(spec)))


def _is_surely_wavelets(signal: Signal, spec: FitSpec, values: int) -> bool:
    if signal.facts.get("kind") != "image" or len(signal.grid_shape) != 2:
        return False
    if spec.network_kind() is not None:
        return spec.network_kind() == "wavelets"
    limits_error = spec.target is not None and spec.target.max_error is not None
    return _is_usual(spec) and values <= MOST_PICTURE_VALUES and not limits_error


def _is_usual(spec: FitSpec) -> bool:
    """Whether the choice of network is free: a target is named, or nothing that only sines have."""
    return spec.target is not None or spec.codec == CodecSpec()
