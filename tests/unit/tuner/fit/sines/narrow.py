"""A process that fits a picture under a limit on its address space: `python -m tests.unit.tuner.fit.sines.narrow 96 1`.

Prints how many steps it made, or the code of the error.
"""

import resource
import sys
from pathlib import Path

import numpy as np
import torch

from tuner.errors import TunerError
from tuner.fit import Budget, FitConfig, Progress, Verdict, fit
from tuner.fit.config import NaturalGradientConfig
from tuner.network.sines.config import NetworkConfig
from tuner.signal.signal import Signal

STEPS = 3


def main(spare_mebibytes: int, after_step: int) -> None:
    """Fit with so much memory beyond what the process has when the limit begins: before the fit, or after a step."""
    # Of this picture a fit keeps 300 MiB of activations if it may, and a part of it takes a few.
    signal = Signal(values=np.random.default_rng(1).random((560, 600, 1), dtype=np.float32))
    config = FitConfig(
        network=NetworkConfig(frequencies=64, hidden=(64,)),
        trainer=NaturalGradientConfig(),
        budget=Budget(max_steps=STEPS),
    )

    def narrow(progress: Progress) -> Verdict:
        if progress.step == after_step:
            _limit(spare_mebibytes)
        return Verdict.CONTINUE

    torch.set_num_threads(1)
    fit(Signal(values=signal.values[:32, :32]), config)  # libraries take what they need only once
    if after_step == 0:
        _limit(spare_mebibytes)
    try:
        sys.stdout.write(str(fit(signal, config, on_step=narrow).steps))
    except TunerError as error:
        sys.stdout.write(error.code)


def _limit(spare_mebibytes: int) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = taken + (spare_mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
