"""Checkpoints: exact bytes, and no harm from damaged ones."""

import pytest
import torch

from tuner.errors import StateMismatch
from tuner.fit.state import FitState

STATE = FitState(
    config="c" * 64,
    signal="s" * 64,
    step=12,
    seconds=3.25,
    history=(0.5, 0.1 + 0.2),
    tensors={"weights": torch.arange(6.0).reshape(2, 3).T, "random": torch.arange(9, dtype=torch.uint8)},
)


def test_what_is_written_is_read_back() -> None:
    again = FitState.from_bytes(STATE.to_bytes())
    for name in ("config", "signal", "step", "seconds", "history"):
        assert getattr(again, name) == getattr(STATE, name)
    assert again.tensors.keys() == STATE.tensors.keys()
    for name, tensor in STATE.tensors.items():
        assert torch.equal(again.tensors[name], tensor)
        assert again.tensors[name].dtype == tensor.dtype


def test_equal_states_give_equal_bytes() -> None:
    assert STATE.to_bytes() == FitState.from_bytes(STATE.to_bytes()).to_bytes()


@pytest.mark.parametrize("length", [0, 4, 8, 100, -1])
def test_truncated_bytes_are_refused(length: int) -> None:
    with pytest.raises(StateMismatch, match="not a checkpoint"):
        FitState.from_bytes(STATE.to_bytes()[:length])


def test_other_bytes_are_refused() -> None:
    from safetensors.torch import save

    for other in (b"\x80\x04N.", b"{}" * 40, save({"a": torch.zeros(2)}), b"\xff" * 200):
        with pytest.raises(StateMismatch):
            FitState.from_bytes(other)


def test_another_version_is_refused_by_number() -> None:
    data = STATE.to_bytes().replace(rb"\"version\": 1", rb"\"version\": 7")
    with pytest.raises(StateMismatch, match="version 7, expected 1"):
        FitState.from_bytes(data)
