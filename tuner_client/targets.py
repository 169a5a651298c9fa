"""From the words of a command line to what POST /fits reads: the one place that knows both."""

from typing import Any

# What people type, and where it goes in the request.
TARGETS = {
    "psnr": ("target_psnr_db", float),
    "error": ("target.max_error", float),
    "bytes": ("target.bytes", int),
    "bits": ("target.bits_per_sample", float),
    "seconds": ("target.seconds", float),
}


def fit_request(signal_id: str, *, target: str | None, effort: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /fits.

    Args:
        signal_id: of the uploaded signal.
        target: such as "psnr=35"; None for the preset's own network.
        effort: name of a preset, or None for the service's choice.
        options: further members, as the service documents them.

    Raises:
        ValueError: if the target cannot be understood.
    """
    body: dict[str, Any] = {"signal_id": signal_id} | options
    if effort is not None:
        body["effort"] = effort
    if target is not None:
        name, _, value = target.partition("=")
        if name not in TARGETS:
            raise ValueError(f"the target is {target!r}, expected one of {', '.join(f'{word}=…' for word in TARGETS)}")
        place, number = TARGETS[name]
        try:
            amount = number(value)
        except ValueError:
            raise ValueError(f"the target is {target!r}, expected a number after {name}=") from None
        outer, _, inner = place.partition(".")
        body[outer] = {inner: amount} if inner else amount
    return body
