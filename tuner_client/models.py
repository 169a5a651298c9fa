"""What the service sends, as far as programs need it; `raw` has the rest, also what newer services add."""

from dataclasses import dataclass, field
from typing import Any

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """An uploaded file."""

    id: str
    sha256: str
    bytes: int
    filename: str | None
    facts: Json
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, raw: Json) -> "Signal":
        """From the service's JSON."""
        return cls(
            id=raw["id"],
            sha256=raw["sha256"],
            bytes=raw["bytes"],
            filename=raw.get("filename"),
            facts=raw.get("facts", {}),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The compressed file that a fit ended in."""

    bytes: int
    sha256: str
    psnr_db: float | None
    bits_per_sample: float | None

    @classmethod
    def of(cls, raw: Json) -> "Result":
        """From the service's JSON."""
        return cls(
            bytes=raw["bytes"],
            sha256=raw["sha256"],
            psnr_db=raw.get("psnr_db"),
            bits_per_sample=raw.get("bits_per_sample"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A request to turn a signal into a representation, and how far it is."""

    id: str
    status: str
    signal_id: str
    progress: Json | None
    outcome: str | None
    error_code: str | None
    error_message: str | None
    result: Result | None
    raw: Json = field(repr=False)

    @property
    def is_final(self) -> bool:
        """True if nothing will change any more."""
        return self.status in FINAL

    @classmethod
    def of(cls, raw: Json) -> "Fit":
        """From the service's JSON."""
        error = raw.get("error") or {}
        return cls(
            id=raw["id"],
            status=raw["status"],
            signal_id=raw["signal_id"],
            progress=raw.get("progress"),
            outcome=raw.get("outcome"),
            error_code=error.get("code"),
            error_message=error.get("message"),
            result=None if raw.get("result") is None else Result.of(raw["result"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened to a fit."""

    seq: int
    kind: str
    data: Json

    @property
    def is_final(self) -> bool:
        """True if it is the last one."""
        return self.kind in FINAL

    @classmethod
    def of(cls, raw: Json) -> "Event":
        """From the service's JSON."""
        return cls(seq=raw["seq"], kind=raw["kind"], data=raw.get("data", {}))
