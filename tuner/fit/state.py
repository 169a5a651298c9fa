"""A fit frozen between two steps: everything needed to end as if it had never been interrupted.

The bytes are a safetensors file (tensors and a JSON header, nothing that can execute) whose metadata name the format,
the configuration and the signal, so that a checkpoint is never continued under another one. `Progress.capture` makes a
state, `fit(resume=...)` takes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from tuner.errors import StateMismatch

FORMAT: Final = "tuner-fit-state"
VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FitState:
    """A checkpoint.

    Attributes:
        config: SHA-256 of the configuration, in hexadecimal.
        signal: SHA-256 of the signal and of what else the fit sees, in hexadecimal.
        step: number of steps taken.
        seconds: time spent in steps so far, in seconds.
        history: mean squared error that each step reported.
        tensors: everything that later steps of the trainer depend on, by name, on the CPU.
    """

    config: str
    signal: str
    step: int
    seconds: float
    history: tuple[float, ...]
    tensors: Mapping[str, Tensor]

    def to_bytes(self) -> bytes:
        """The state as a safetensors file; equal states give equal bytes."""
        facts = {"version": VERSION, "config": self.config, "signal": self.signal, "step": self.step}
        facts |= {"seconds": self.seconds}
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        return bytes(safetensors.save(tensors, metadata={FORMAT: json.dumps(facts)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> "FitState":
        """Read what `to_bytes` wrote.

        Raises:
            StateMismatch: if the bytes are damaged, something else, or of another version.
        """
        try:
            tensors = safetensors.load(data)
            facts = json.loads(_metadata(data)[FORMAT])
        except (SafetensorError, KeyError, ValueError) as error:
            raise StateMismatch(f"these {len(data)} bytes are not a checkpoint, or are damaged: {error}") from error
        if facts["version"] != VERSION:
            raise StateMismatch(
                f"the checkpoint has version {facts['version']}, expected {VERSION}: start the fit anew"
            )
        return cls(
            config=facts["config"],
            signal=facts["signal"],
            step=facts["step"],
            seconds=facts["seconds"],
            history=tuple(tensors.pop("history").tolist()),
            tensors=tensors,
        )


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: its header is JSON, after its length in 8 bytes, little endian."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata
