"""The smallest file that loses at most so many decibels: choose how coarsely to round, by trying.

One number q scales the steps of all tensors, which keep the proportions of `tuner.rounding.sensitivity`. Plain rounding
on a sample of rows and columns gives a first q, by bisection. Then, for a few values of q around it, the network is
rounded so that the weights that are still free absorb what rounding did, and is measured on the whole grid: where there
is time, all weights of a small network together (`tuner.rounding.joint_rounding`), else a layer at a time
(`tuner.rounding.layerwise`). Called after a fit.
"""

from dataclasses import replace
from math import isfinite, sqrt

import numpy as np

from tuner.codec.encode import encode
from tuner.codec.sines.quantise import dequantise, quantise, tensors
from tuner.errors import ConfigError, InvalidSignal
from tuner.network.parameters import HiddenLayer, Steps
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import values_at
from tuner.network.sines.windows import fold, unfolded
from tuner.representation import Representation
from tuner.rounding.joint_rounding import JointRounding
from tuner.rounding.layerwise import Target, round_network
from tuner.rounding.sensitivity import RowSteps, balanced_row_steps
from tuner.rounding.view import View
from tuner.shapes import FloatArray
from tuner.signal.signal import Signal

_CURVATURE_POINTS = 1 << 12
_SEARCH_POINTS = 1 << 16
Proportions = tuple[RowSteps, ...]
_Trial = tuple[float, float]  # q, and how many decibels it lost

# Least squares with n unknowns on P points is off by n/P of the error: 0.004 dB.
_SOLVE_POINTS_PER_NEURON = 1 << 10
# Points to refine on: at most so many floats, 384 MB, at least so many values for each weight.
_TARGET_FLOATS = 96 << 20
_VALUES_PER_WEIGHT = 2.0
# In joint rounding hidden weights make up for each other; those of the output layer come last, with none left to do so.
_READOUT_STEPS = 0.7
# By how much steps may then be longer than in plain rounding, about: with one hidden layer, and with several.
_COARSER_JOINTLY = (1.3, 2.1)
_BISECTIONS = 5  # of an interval from q to 2q
_TRIALS = 4
_LARGEST_CHANGE = 3.0  # of q; where the fit had not ended, rounding may even gain
# A trial that loses between this share of what is allowed, what training gained included, and all of it is good enough:
# 0.08 bits per weight at most.
# Two nearly equal q round every weight differently, so that losses scatter by some percent anyway.
_ENOUGH = 0.9
_FINEST_LEVELS = 1 << 19
# Of two pictures so close to the original nobody can say which is better; losses are counted from here down.
_INDISTINGUISHABLE_DB = 100.0


def compress(
    representation: Representation, signal: Signal, *, max_loss_db: float = 0.1, thorough: bool = False
) -> bytes:
    """Write the coarsest file whose picture PSNR is at most `max_loss_db` below that of the representation.

    Columns are sorted by frequency and angles brought within half a turn of zero, which changes no value. Where even 20
    bits per weight lose more, as on a picture that is reproduced all but perfectly, that finest file is returned.

    Args:
        representation: a representation as it was fitted.
        signal: the signal that it was fitted to.
        max_loss_db: decibels of picture PSNR that may be lost, > 0.
        thorough: whether to train on, before and while weights are rounded, which may gain what rounding loses; a
            smaller file, after one to two times as long as the fit took.

    Returns:
        A .tnr file; the same bytes for the same arguments on the same machine.

    Raises:
        ConfigError: if `max_loss_db` is not a positive number.
        InvalidSignal: if the signal does not have the grid and the channels of the representation.
    """
    if not (isfinite(max_loss_db) and max_loss_db > 0.0):
        raise ConfigError(f"max_loss_db is {max_loss_db}, expected a finite number above 0: rounding always loses some")
    if (signal.grid_shape, signal.channels) != (representation.grid_shape, representation.channels):
        raise InvalidSignal(
            f"the signal is {signal.grid_shape} with {signal.channels} channels, expected "
            f"{representation.grid_shape} with {representation.channels}: the one that was fitted"
        )
    parameters = canonical(representation.sine_parameters)
    line, signal = signal, fold(signal, parameters.channels // signal.channels)
    curvature = View.sampled(signal, _CURVATURE_POINTS)
    whole = View(signal)
    solving = View.sampled(signal, _SOLVE_POINTS_PER_NEURON * (parameters.readout_weight.shape[1] + 1))
    target = _target(signal, parameters) if thorough else None
    start_db = min(whole.psnr_db(parameters), _INDISTINGUISHABLE_DB)
    joint = None
    if target is not None and JointRounding.fits(parameters):
        joint = JointRounding(parameters, signal, solving, target)
        parameters = joint.trained
    # The loss is counted from the network as it was fitted: what training gained may be lost again.
    spare_db = max_loss_db + max(0.0, min(whole.psnr_db(parameters), _INDISTINGUISHABLE_DB) - start_db)
    proportions = balanced_row_steps(parameters, curvature.coords())
    if joint is not None:
        proportions = (*proportions[:-2], *(rows.times(_READOUT_STEPS) for rows in proportions[-2:]))
    finest = _finest_quality(parameters, proportions)
    quality = _search(parameters, proportions, View.sampled(signal, _SEARCH_POINTS), spare_db, finest)
    if joint is not None:
        quality *= _COARSER_JOINTLY[len(parameters.hidden) > 1]
    best, trials = b"", 0
    good: _Trial | None = None  # with the largest q that was fine enough
    bad: _Trial | None = None  # with the smallest that was not
    while True:
        steps = _scaled(proportions, quality)
        if joint is None:
            rounded = round_network(parameters, steps, curvature, solving, target)
        else:
            rounded = joint.round(steps, curvature)
        data = encode(replace(representation, parameters=unfolded(rounded, line)), steps)
        loss_db = start_db - whole.psnr_db(rounded)
        trials += 1
        if loss_db <= max_loss_db and (not best or len(data) < len(best)):
            best = data
        enough_db = max_loss_db - (1.0 - _ENOUGH) * spare_db
        if (best and (trials >= _TRIALS or enough_db <= loss_db <= max_loss_db)) or quality <= finest:
            return best or data
        if loss_db > max_loss_db:
            bad = min(bad or (quality, loss_db), (quality, loss_db))
        else:
            good = max(good or (quality, loss_db), (quality, loss_db))
        if good and bad:
            quality = _between(good, bad, (enough_db + max_loss_db) / 2.0)
        else:
            quality *= _correction(loss_db + spare_db - max_loss_db, spare_db)
        quality = max(finest, quality)


def _target(signal: Signal, parameters: SineParameters) -> Target | None:
    """Where, and towards what, weights make up for each other.

    On the whole grid towards the signal, which goes on with the fit. On a part of it only towards the network as it
    was: otherwise the weights would learn the noise of that part. None where even that part would be too small.
    """
    neurons = sum(len(layer.bias) for layer in parameters.hidden)
    most = _TARGET_FLOATS // (len(parameters.frequencies) + 4 * neurons)
    if most >= signal.sample_count:
        whole = View(signal)
        return whole.coords(), whole.flat_values()
    if most * signal.channels < _VALUES_PER_WEIGHT * parameters.weight_count:
        return None
    coords = View.sampled(signal, most).coords()
    return coords, values_at(parameters, coords)


def canonical(parameters: SineParameters) -> SineParameters:
    """The same function with what a file does not keep brought to a standard form.

    Columns in lexicographic order of their frequencies, phases and hidden biases in [-pi, pi], the period a float32,
    no bounds.
    """
    order = np.lexsort(parameters.frequencies.T[::-1])
    first, *deeper = parameters.hidden
    return SineParameters(
        frequencies=parameters.frequencies[order],
        period=float(np.float32(parameters.period)),
        phases=_wrap(parameters.phases[order]),
        hidden=(
            HiddenLayer(weight=first.weight[:, order], bias=_wrap(first.bias)),
            *(HiddenLayer(weight=layer.weight, bias=_wrap(layer.bias)) for layer in deeper),
        ),
        readout_weight=parameters.readout_weight,
        readout_bias=parameters.readout_bias,
    )


def _search(
    parameters: SineParameters, proportions: Proportions, view: View, max_loss_db: float, finest: float
) -> float:
    """About the largest q with which plain rounding loses no more than is allowed on `view`."""
    floor_db = min(view.psnr_db(parameters), _INDISTINGUISHABLE_DB) - max_loss_db

    def good(quality: float) -> bool:
        rounded = dequantise(quantise(parameters, _scaled(proportions, quality)))
        return view.psnr_db(rounded) >= floor_db

    quality = max(finest, _predicted_quality(parameters, floor_db, max_loss_db))
    while quality > finest and not good(quality):
        quality = max(finest, quality / 2.0)
    while good(2.0 * quality) and quality < 1.0:
        quality *= 2.0
    factor = 2.0
    for _ in range(_BISECTIONS):
        factor = sqrt(factor)
        if good(quality * factor):
            quality *= factor
    return quality


def _scaled(proportions: Proportions, quality: float) -> Steps:
    return tuple(rows.scaled(quality) for rows in proportions)


def _correction(loss_db: float, max_loss_db: float) -> float:
    """Factor for q after a trial, towards the middle of what is good enough: squared error grows as q^2."""
    added, allowed = (10.0 ** (loss / 10.0) - 1.0 for loss in (loss_db, (1.0 + _ENOUGH) / 2.0 * max_loss_db))
    return min(_LARGEST_CHANGE, max(0.5, sqrt(allowed / added))) if added > 0.0 else _LARGEST_CHANGE


def _between(good: _Trial, bad: _Trial, wanted_db: float) -> float:
    """The q between two trials that loses about so much, if loss grows as q^2 from whatever training gained."""
    (fine, little_db), (coarse, much_db) = good, bad
    share = (wanted_db - little_db) / (much_db - little_db)
    quality = sqrt(max(0.0, fine * fine + share * (coarse * coarse - fine * fine)))
    # Well inside, whatever they lost: losses scatter.
    low, high = (fine * float((coarse / fine) ** part) for part in (0.2, 0.8))
    return min(max(quality, low), high)


def _predicted_quality(parameters: SineParameters, floor_db: float, max_loss_db: float) -> float:
    """The q for which n weights, each adding q^2/12, add the squared error that the allowed loss stands for."""
    allowed_mse = 10.0 ** (-floor_db / 10.0) * (1.0 - 10.0 ** (-max_loss_db / 10.0))
    return sqrt(12.0 * parameters.channels * allowed_mse / parameters.weight_count)


def _finest_quality(parameters: SineParameters, proportions: Proportions) -> float:
    """The q below which the largest weight of some tensor would take more than 2^20 steps."""
    return max(
        float(np.abs(array).max(initial=0.0)) / (rows.base * _FINEST_LEVELS) + 1e-12
        for array, rows in zip(tensors(parameters), proportions, strict=True)
    )


def _wrap(angles: FloatArray) -> FloatArray:
    turns = np.rint(angles.astype(np.float64) / (2.0 * np.pi))
    return (angles - 2.0 * np.pi * turns).astype(np.float32)
