"""What a hostile file is, the table of all of them, and the answers that they get."""

from collections.abc import Callable
from dataclasses import dataclass

UNSUPPORTED, DAMAGED = "unsupported_format", "damaged_signal"
TOO_LARGE, INVALID = "signal_too_large", "invalid_signal"
OVER_BUDGET = "undecodable_signal"  # ended by the cage
CORRUPT, LIMIT = "corrupt_file", "limit_exceeded"

BOMB, SHAPE, CUT, NUMBER, NESTING = "bomb", "shape", "cut", "not a number", "nesting"
REFERENCE, MIX, MAGIC, MANY, CYCLE, PICKLE, WORK = (
    "outside reference",
    "polyglot",
    "magic",
    "many parts",
    "cycle",
    "pickle",
    "work",
)


@dataclass(frozen=True, slots=True)
class HostileFile:
    """One file of the corpus.

    Attributes:
        name: what tells it from all others.
        attack: kind of the attack.
        code: code of the error that answers it; None where it is read.
        make: makes its bytes.
        reader: "signal" for an upload, "representation" for a compressed file.
    """

    name: str
    attack: str
    code: str | None
    make: Callable[[], bytes]
    reader: str = "signal"


FILES: list[HostileFile] = []


def add(name: str, attack: str, code: str | None, make: Callable[[], bytes]) -> None:
    FILES.append(HostileFile(name, attack, code, make))


def compressed(name: str, attack: str, code: str | None, make: Callable[[], bytes]) -> None:
    FILES.append(HostileFile(f"tnr, {name}", attack, code, make, "representation"))
