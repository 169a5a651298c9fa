"""From the words of a command line to what POST /fits reads: the one place that knows both."""

from typing import Any

# What people type, as for `tuner fit --target`, and what the request calls it.
TARGETS = {
    "psnr": ("psnr_db", float),
    "max_error": ("max_error", float),
    "bytes": ("bytes", int),
    "bits_per_sample": ("bits_per_sample", float),
    "seconds": ("seconds", float),
}


def fit_request(signal_id: str, *, target: str | None, preset: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /fits.

    Args:
        signal_id: of the uploaded signal.
        target: such as "psnr=35"; None for the preset's own network.
        preset: name of a preset, or None for the service's choice.
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
        try:
            body["target"] = {member: number(value)}
        except ValueError:
            raise ValueError(f"the target is {target!r}, expected a number after {name}=") from None
    return body
