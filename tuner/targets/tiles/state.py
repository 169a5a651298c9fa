"""What is known of a large signal while its tiles are fitted: a survey of each, and the fits that have ended.

Everything else follows from these, so that a search which begins with them goes on where it was interrupted, and loses
no more than the tile that was under way. To whoever keeps it the record is a `FitState` like any other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any

import numpy as np
import torch

from tuner.errors import StateMismatch
from tuner.fit.state import FitState
from tuner.shapes import DoubleArray
from tuner.targets.tiles.tile import FittedTile
from tuner.targets.tiles.versions import Version

_RECORD, _SURVEYS, _PACKED = "tiles", "surveys", "packed"


@dataclass(slots=True, eq=False)
class TileRecord:
    """Tiles that were looked at and fitted.

    Attributes:
        surveys: sizes of the coefficients, by the number of the tile.
        fits: fitted tiles, by the step of the latents and the number of the tile.
    """

    surveys: dict[int, DoubleArray] = field(default_factory=dict)
    fits: dict[tuple[float, int], FittedTile] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Number of training steps of all fits."""
        return sum(each.steps for each in self.fits.values())

    @property
    def seconds(self) -> float:
        """Duration of these steps in seconds."""
        return fsum(each.seconds for each in self.fits.values())

    def to_fit_state(self, config: str, signal: str, history: Sequence[float] = ()) -> FitState:
        """The record as a checkpoint.

        Args:
            config: fingerprint of everything that was asked for.
            signal: fingerprint of the signal, as far as it was read for it.
            history: mean squared error of each step, where somebody wants it.
        """
        fits, packed = [], []
        for (step, number), each in self.fits.items():
            fits.append(
                {
                    "latent_step": step,
                    "tile": number,
                    "own": each.own,
                    "steps": each.steps,
                    "seconds": each.seconds,
                    "versions": [[len(version.packed), version.squares] for version in each.versions],
                }
            )
            packed += [version.packed for version in each.versions]
        record = {"fits": fits, "surveyed": list(self.surveys)}
        surveys = np.stack(list(self.surveys.values())) if self.surveys else np.zeros((0, 0))
        return FitState(
            config=config,
            signal=signal,
            step=self.steps,
            seconds=self.seconds,
            history=tuple(history),
            tensors={
                _RECORD: _tensor(json.dumps(record).encode()),
                _SURVEYS: torch.from_numpy(surveys),
                _PACKED: _tensor(b"".join(packed)),
            },
        )

    @classmethod
    def from_fit_state(cls, state: FitState, config: str, signal: str) -> "TileRecord":
        """Take apart what `to_fit_state` put together.

        Args:
            state: checkpoint that `to_fit_state` made.
            config: fingerprint of everything that is asked for now.
            signal: fingerprint of the signal that is given now.

        Raises:
            StateMismatch: if the state is of another request or signal, or of no tiles.
        """
        if (state.config, state.signal) != (config, signal):
            raise StateMismatch(
                f"the checkpoint is of another request or signal ({state.config[:12]}..., {state.signal[:12]}..., "
                f"expected {config[:12]}..., {signal[:12]}...): resume with those it was made with, or start anew"
            )
        try:
            record: dict[str, Any] = json.loads(state.tensors[_RECORD].numpy().tobytes())
            packed, start, found = state.tensors[_PACKED].numpy().tobytes(), 0, cls()
            surveys = state.tensors[_SURVEYS].numpy()
            found.surveys = {int(number): surveys[at].copy() for at, number in enumerate(record["surveyed"])}
            for each in record["fits"]:
                versions = []
                for length, squares in each["versions"]:
                    versions.append(Version(packed[start : start + length], float(squares)))
                    start += length
                found.fits[float(each["latent_step"]), int(each["tile"])] = FittedTile(
                    versions=tuple(versions), own=each["own"], steps=each["steps"], seconds=each["seconds"]
                )
            if start != len(packed):
                raise ValueError(f"versions have {start} bytes together, expected {len(packed)}")
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StateMismatch(f"the checkpoint holds no tiles: {error}") from error
        return found


def _tensor(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.zeros(0, dtype=torch.uint8)
