"""A fit plans with what its process may take, not with what the rest of the machine has free."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.memory import data_bytes, free_bytes

if sys.platform != "linux":
    pytest.skip("nothing says how much a process holds", allow_module_level=True)

ROOM = 64 << 20
KEPT = f"""
import resource
import numpy as np, torch
from tuner.fit.config import NaturalGradientConfig
from tuner.memory import data_bytes
from tuner.fit.natural.samples import grid_sweeps
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

torch.set_num_threads(1)
signal = Signal(values=np.zeros((256, 256, 3), np.float32))
config = NetworkConfig(frequencies=64, hidden=(32,))
network = SineNetwork.initial(config, Grid((256, 256), config.period), 3, 0)
print(grid_sweeps(network, signal, NaturalGradientConfig()).keep)
resource.setrlimit(resource.RLIMIT_DATA, ((data_bytes() or 0) + {ROOM}, resource.RLIM_INFINITY))
print(grid_sweeps(network, signal, NaturalGradientConfig()).keep)
"""


def test_a_limit_of_the_process_is_what_is_free() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, ((data_bytes() or 0) + ROOM, before[1]))
        assert free_bytes() <= ROOM
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert free_bytes() > ROOM


def test_what_holds_copies_of_files_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has run for a while hardly a page is empty."""
    said = tmp_path / "meminfo"
    said.write_text("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 64 kB\n")
    monkeypatch.setattr("tuner.memory._OF_THE_MACHINE", said)
    assert free_bytes() == 64 << 10
    monkeypatch.setattr("tuner.memory._OF_THE_MACHINE", tmp_path / "missing")
    assert free_bytes() > 64 << 10


def test_activations_are_kept_only_where_the_process_has_room() -> None:
    """What 50 MB of them take is a small part of the machine, and more than a quarter of what is left here."""
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
