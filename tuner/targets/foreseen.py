"""What a search is expected to come to, whatever the kind of network. No arrays, no torch here."""

from dataclasses import dataclass
from math import log10

from tuner.decibels import in_decibels


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """What a fit is expected to come to.

    Attributes:
        weights: the number of weights of the network.
        bytes: size of the file in bytes.
        psnr_db: the PSNR of the file, in dB.
        steps: the steps of training.
        work: the work of the whole fit, its files included.
        unforeseen: why size and quality are no numbers to rely on, in a sentence: what is asked for cannot be had, or
            nobody can say at what size; None if they are.
    """

    weights: int
    bytes: int
    psnr_db: float
    steps: int
    work: float
    unforeseen: str | None = None


def beyond_db(psnr_db: float, most_db: float) -> str:
    """A sentence for a quality that no file is expected to have."""
    asked, most = in_decibels(psnr_db, digits="g"), in_decibels(most_db, digits=".0f")
    return (
        f"{asked} is more than a file of this signal is expected to reach, about {most}: it may be "
        "missed, or be had only by a file that is exact, whose size nobody can say"
    )


def below_bytes(max_bytes: int, least_bytes: float) -> str:
    """A sentence for a size that no file has."""
    return f"no file has at most {max_bytes} bytes: ask for more, about {least_bytes:.0f} at least"


def near_samples(psnr_db: float, sample_format: str | None) -> str | None:
    """A sentence for a quality at which integers come back as they were, but for some; None if they do not.

    Errors of less than half a step are gone once values are written as samples: from there to a file that is exact it
    is one or two bits a value, while decibels, of ever fewer samples, jump.

    Args:
        psnr_db: quality that is expected of values, in dB.
        sample_format: how the source stored a sample, such as "u8"; None if nobody knows.
    """
    if sample_format is None or sample_format.startswith("f"):
        return None
    bits = int(sample_format[1:])
    rounding_db = 20.0 * log10(2.0**bits - 1.0) + 10.0 * log10(12.0)
    if psnr_db <= rounding_db:
        return None
    return (
        f"above {in_decibels(rounding_db, digits='.0f')} all but some samples of {bits} bits come back as they were: "
        "how many do not, and how large the file is, nobody can say"
    )


def beyond_samples(psnr_db: float, sample_format: str | None, values: int) -> str | None:
    """A sentence for a quality that integers cannot tell from exactness; None if they can.

    Args:
        psnr_db: quality that is asked for, in dB.
        sample_format: how the source stored a sample, such as "u8"; None if nobody knows.
        values: number of samples of the signal, each channel counted.
    """
    if sample_format is None or sample_format.startswith("f"):
        return None
    bits = int(sample_format[1:])
    finest_db = 20.0 * log10(2.0**bits - 1.0) + 10.0 * log10(values)
    if psnr_db <= finest_db:
        return None
    asked, finest = in_decibels(psnr_db, digits="g"), in_decibels(finest_db, digits=".1f")
    return (
        f"{asked} is more than samples of {bits} bits can tell apart, {finest} where one of them is "
        "off by one: only a file that is exact has it, and its size nobody can say"
    )
