"""Everything that can go wrong in the library, as one tree.

TunerError
├── SignalError              the input is not a signal that can be fitted
│   ├── UnsupportedFormat    not one of the formats that are read
│   ├── DamagedSignal        of a known format, but truncated or corrupt
│   ├── SignalTooLarge       over a limit, read from the header before any memory is taken
│   └── InvalidSignal        decoded, but its values cannot be fitted (empty axis, NaN, wrong dtype)
├── ConfigError              a setting is out of its range, or two settings contradict each other
├── FitError                 a fit cannot start or go on
│   ├── FitDiverged          the loss is no longer a number
│   ├── OutOfMemory          not even small parts of the samples fit in memory
│   └── StateMismatch        a checkpoint of another signal or configuration
└── FormatError              the bytes are not a representation that can be read
    ├── NotARepresentation   they do not begin with the magic of the format
    ├── UnsupportedVersion   written by a newer, incompatible version
    ├── CorruptFile          truncated, a checksum that differs, or fields that contradict each other
    └── LimitExceeded        the header asks for more than the reader allows

Each class has a `code` that never changes: programs compare codes, people read messages. A message says what came,
what was expected and what to do.
"""

from typing import ClassVar


class TunerError(Exception):
    """Base of every error that the library raises on purpose."""

    code: ClassVar[str] = "tuner_error"


class SignalError(TunerError):
    """The input is not a signal that can be fitted."""

    code = "signal_error"


class UnsupportedFormat(SignalError):
    """The input is not in one of the formats that are read."""

    code = "unsupported_format"


class DamagedSignal(SignalError):
    """The input is of a known format, but truncated or corrupt."""

    code = "damaged_signal"


class SignalTooLarge(SignalError):
    """The input is over a limit, as read from its header."""

    code = "signal_too_large"


class InvalidSignal(SignalError):
    """The decoded values cannot be fitted."""

    code = "invalid_signal"


class ConfigError(TunerError):
    """A setting is out of its range, or two settings contradict each other."""

    code = "config_error"


class FitError(TunerError):
    """A fit cannot start or go on."""

    code = "fit_error"


class FitDiverged(FitError):
    """The loss is no longer a number."""

    code = "fit_diverged"


class OutOfMemory(FitError):
    """Not even small parts of the samples fit in memory."""

    code = "out_of_memory"


class StateMismatch(FitError):
    """A checkpoint belongs to another signal or configuration."""

    code = "state_mismatch"


class FormatError(TunerError):
    """The bytes are not a representation that can be read."""

    code = "format_error"


class NotARepresentation(FormatError):
    """The bytes do not begin with the magic of the format."""

    code = "not_a_representation"


class UnsupportedVersion(FormatError):
    """The file was written by a newer, incompatible version."""

    code = "unsupported_version"


class CorruptFile(FormatError):
    """The file is truncated, fails a checksum, or contradicts itself."""

    code = "corrupt_file"


class LimitExceeded(FormatError):
    """The header asks for more than the reader allows."""

    code = "limit_exceeded"
