"""A device that fits cannot run on is named before the first fit, with the reason."""

import pytest
import torch

import worker.startable
from worker.device import complaint, main


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: str | None, gpus: int) -> None:
    """Torch as it is on a machine with so many GPUs, built for this version of CUDA."""
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


@pytest.mark.parametrize(
    ("device", "cuda", "gpus", "reason"),
    [
        ("cuda", None, 0, "was built without CUDA"),
        ("cuda:0", "13.0", 0, "finds no GPU"),
        ("cuda:2", "13.0", 2, "there are 2, counted from 0"),
    ],
)
def test_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, device: str, cuda: str | None, gpus: int, reason: str
) -> None:
    machine(monkeypatch, cuda=cuda, gpus=gpus)
    assert reason in (complaint(device) or "")
    monkeypatch.setenv("TUNER_WORKER_DEVICE", device)
    with pytest.raises(SystemExit, match=f"TUNER_WORKER_DEVICE is {device}, but .*{reason}"):
        main()


@pytest.mark.parametrize(("device", "gpus"), [("auto", 0), ("cpu", 0), ("cuda", 1), ("cuda:1", 2)])
def test_what_works_is_not_complained_of(monkeypatch: pytest.MonkeyPatch, device: str, gpus: int) -> None:
    machine(monkeypatch, cuda="13.0", gpus=gpus)
    assert complaint(device) is None
    monkeypatch.setenv("TUNER_WORKER_DEVICE", device)
    main()


def test_a_worker_does_not_start_for_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which the last of a thousand GPUs is not, on any machine."""
    monkeypatch.setenv("TUNER_WORKER_DEVICE", "cuda:999")
    with pytest.raises(SystemExit) as caught:
        worker.startable.main()
    assert caught.value.code == 1
