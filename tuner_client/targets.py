"""From the words of a command line to what POST /fits reads: the one place that knows both."""

from math import inf
from typing import Any, Final

# What people type, as for `tuner fit --target`, and what the request calls it. Its twin is `tuner.targets.target`,
# which a test holds equal: this package imports nothing of the library.
TARGETS: Final = {
    "psnr_db": ("psnr_db", float),
    "max_error": ("max_error", float),
    "bytes": ("bytes", int),
    "bits_per_sample": ("bits_per_sample", float),
    "seconds": ("seconds", float),
    "psnr": ("psnr_db", float),
    "error": ("max_error", float),
    "bits": ("bits_per_sample", float),
}
EXAMPLES: Final = "psnr=35, error=0.02, bytes=40000, bits=1.5 or seconds=60"  # what the command line shows


def fit_request(signal_id: str, *, target: str | None, preset: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /fits.

    Args:
        signal_id: the name that the service gave to the uploaded signal.
        target: a name and a number such as "psnr=35"; None for the preset's own network.
        preset: the name of a preset, or None for the service's choice.
        options: further members, as the service documents them.

    Raises:
        ValueError: if the target cannot be understood.
    """
    body: dict[str, Any] = {"signal_id": signal_id} | options
    if preset is not None:
        body["preset"] = preset
    if target is not None:
        name, _, value = target.partition("=")
        if name not in TARGETS:
            raise ValueError(f"the target is {target!r}, expected one of {', '.join(f'{word}=…' for word in TARGETS)}")
        member, number = TARGETS[name]
        kind = "a whole number" if number is int else "a number"
        try:
            asked = number(value)
        except ValueError:
            raise ValueError(f"the target is {target!r}, expected {kind} after {name}=") from None
        if not 0 < asked < inf:
            raise ValueError(f"the target is {target!r}, expected {kind} above 0 after {name}=")
        body["target"] = {member: asked}
    return body
