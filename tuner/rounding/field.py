"""Distance fields that were fitted to their surface: rounded so that the surface stays where it is.

`tuner.rounding.compress` may lose a share of the error that a fit has left on the grid. A fit with the eikonal loss
leaves more there, far from the surface, and less on it, so a share of the former would be much of the latter. Here
rounding is held against the fitted field itself.
"""

from math import log10
from typing import Final

from tuner.representation import Representation
from tuner.rounding.compress import compress

_SHARE: Final = 0.01  # of the distance between two samples, by which rounding moves the field
_START_DB: Final = 100.0  # of a network against its own values, as `compress` counts


def compress_field(representation: Representation) -> bytes:
    """Write the coarsest file whose field is within a hundredth of a step (root mean square) of the fitted one.

    Args:
        representation: representation of a distance field, as it was fitted.

    Returns:
        A .tnr file.
    """
    step = 2.0 / max(representation.grid_shape)  # in values: the longest side of the grid is 2
    floor_db = -20.0 * log10(_SHARE * step)
    return compress(representation, representation.render(), max_loss_db=_START_DB - floor_db)
