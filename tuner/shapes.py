"""Types of arrays, and how arrays are named in formulas: a name ends in one capital letter for each axis.

| letter | axis |
|---|---|
| P | points, the samples of a signal in row-major order of its grid |
| D | dimensions of a coordinate |
| M | input frequencies (the paper's m) |
| H | hidden neurons (n); a second hidden axis is written I for the layer's inputs |
| C | channels of a value |

So `weight_HM` maps M sines to H neurons and `values_PC` holds one row per point. A grid of values keeps its own axes
and ends in its channels: `values` of a `Signal` is (*grid_shape, channels).
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
IndexArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
SampleArray = NDArray[np.unsignedinteger]
