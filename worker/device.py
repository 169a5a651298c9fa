"""What a worker computes on, and how much memory fits may take of it.

`python -m worker.device` ends with a sentence where that is not there.
"""

from pathlib import Path

import torch

from store.refusal import refuse
from tuner.memory import data_bytes
from worker.settings import WorkerSettings


def device_of(wish: str) -> str:
    """The device of a setting, in torch's words.

    Args:
        wish: the setting; "auto" takes a GPU if there is one.
    """
    if wish == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wish


def complaint(device: str) -> str | None:
    """Why fits cannot run on the device of a setting, in a sentence; None if they can.

    Args:
        device: the setting; "auto" and "cpu" always work.
    """
    if not device.startswith("cuda"):
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        reason = f"PyTorch {torch.__version__} was built without CUDA: install a build with it (docs/deploy.md)"
    elif not torch.cuda.is_available():
        reason = f"PyTorch {torch.__version__} finds no GPU: look at nvidia-smi, and at what the container may see"
    else:
        index, count = int(device.partition(":")[2] or 0), torch.cuda.device_count()
        if index < count:
            return None
        reason = f"there are {count}, counted from 0"
    return f"TUNER_WORKER_DEVICE is {device}, but {reason}; auto takes the processor where there is no GPU"


class Description:
    """Describes the device and its memory, for people; made before the first fit, whose memory it tells from its own.

    Args:
        settings: settings of the worker.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._device = device_of(settings.device)
        self._processor_name = _processor_name()
        self._own_bytes = data_bytes()

    def now(self) -> dict[str, str | int | None]:
        """The description at this moment, as JSON; what the system does not tell is None."""
        return {"device": self._device, **(self._processor() if self._device == "cpu" else self._gpu())}

    def _processor(self) -> dict[str, str | int | None]:
        held = data_bytes()
        used = None if held is None or self._own_bytes is None else max(0, held - self._own_bytes)
        return {
            "device_name": self._processor_name,
            "threads": torch.get_num_threads(),
            "memory_bytes": self._settings.fit_memory_bytes,
            "used_bytes": used,
        }

    def _gpu(self) -> dict[str, str | int | None]:
        has = torch.cuda.get_device_properties(self._device)
        return {
            "device_name": has.name,
            "memory_bytes": has.total_memory,
            "used_bytes": torch.cuda.memory_reserved(self._device),
        }


def main() -> None:
    """End with a sentence if fits cannot run on the device of the environment.

    Raises:
        SystemExit: if so.
    """
    text = complaint(WorkerSettings().device)
    refuse("worker", [text] if text else [])


def _processor_name() -> str | None:
    """What the processor calls itself, where Linux says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None)


if __name__ == "__main__":
    main()
