"""A target: the one number that a file must meet, and how it is spelled wherever it can be asked for.

The library, the command line, the HTTP service and its client take the same names, which are those of `TargetKind`, and
on a command line some short forms of them. The table is `SPELLINGS`; the service's schema and the client, which import
nothing from here, are held to it by a test. No torch here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from tuner.decibels import in_decibels
from tuner.errors import ConfigError


class TargetKind(StrEnum):
    """Which property of the result is asked for; the values are the names that every interface takes."""

    PSNR_DB = "psnr_db"
    MAX_ERROR = "max_error"
    BYTES = "bytes"
    BITS_PER_SAMPLE = "bits_per_sample"
    SECONDS = "seconds"

    @property
    def is_quality(self) -> bool:
        """Whether it is asked how good the result is, and the smallest file that is so good is wanted."""
        return self in {TargetKind.PSNR_DB, TargetKind.MAX_ERROR}

    @property
    def is_size(self) -> bool:
        """Whether it is asked how large the file may be, and the best file of that size is wanted."""
        return self in {TargetKind.BYTES, TargetKind.BITS_PER_SAMPLE}


SPELLINGS: Final[dict[str, TargetKind]] = {kind.value: kind for kind in TargetKind} | {
    "psnr": TargetKind.PSNR_DB,
    "error": TargetKind.MAX_ERROR,
    "bits": TargetKind.BITS_PER_SAMPLE,
}
EXAMPLES: Final = "psnr=35, error=0.02, bytes=40000, bits=1.5 or seconds=60"  # what the command lines show


@dataclass(frozen=True, slots=True)
class Target:
    """One number that the result must meet.

    Attributes:
        kind: the property of the result that is asked for.
        value: the number, above 0. By kind: the least PSNR in dB; the largest difference of a sample, as a share of
            the range of values; the most bytes of the file; the most bits of the file per sample, all channels
            together; the most seconds of training.

    Raises:
        ConfigError: if the value is not a finite number above 0.
    """

    kind: TargetKind
    value: float

    def __post_init__(self) -> None:
        if not 0.0 < self.value < inf:
            raise ConfigError(f"the target {self.kind} is {self.value}, expected a finite number above 0")

    @classmethod
    def parse(cls, text: str) -> "Target":
        """The target that a command line names: `psnr=35`, `bytes=40000` and so on.

        Args:
            text: a name out of `SPELLINGS`, an equals sign and a number, which is a whole one for bytes.

        Raises:
            ConfigError: if the text names no target.
        """
        name, _, value = text.partition("=")
        kind = SPELLINGS.get(name)
        try:
            if kind is not None:
                return cls(kind, int(value) if kind is TargetKind.BYTES else float(value))
        except ValueError as error:
            whole = "a whole number" if kind is TargetKind.BYTES else "a number"
            raise ConfigError(f"the target is {text!r}, expected {whole} after {name}=") from error
        raise ConfigError(f"the target is {text!r}, expected one of {', '.join(f'{word}=…' for word in SPELLINGS)}")

    @classmethod
    def of(cls, asked: Mapping[str, float | None] | None) -> "Target | None":
        """The target among members of a request, such as `{"psnr_db": 35}`; None if there is none.

        Args:
            asked: values by a name out of `SPELLINGS`; a value of None counts as left out.

        Raises:
            ConfigError: if there are several, or one has an unknown name.
        """
        given = {name: value for name, value in (asked or {}).items() if value is not None}
        if not given:
            return None
        if len(given) > 1 or not given.keys() <= SPELLINGS.keys():
            raise ConfigError(f"the target is {', '.join(given)}, expected one of {', '.join(TargetKind)}")
        ((name, value),) = given.items()
        return cls(SPELLINGS[name], value)

    def named(self) -> dict[str, float]:
        """The target as the one member of a request, such as `{"psnr_db": 35.0}`; `of` reads it."""
        return {self.kind.value: self.value}

    def __str__(self) -> str:
        if self.kind is TargetKind.PSNR_DB:
            return in_decibels(self.value, digits="g")
        unit = "largest error" if self.kind is TargetKind.MAX_ERROR else self.kind.value
        return f"{self.value:g} {unit.replace('_', ' ')}"

    def max_bytes(self, samples: int) -> int | None:
        """Bytes that the file of a signal of so many samples may have, or None if its size is not the target."""
        if self.kind is TargetKind.BYTES:
            return int(self.value)
        return int(self.value * samples / 8.0) if self.kind is TargetKind.BITS_PER_SAMPLE else None
