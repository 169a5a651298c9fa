"""What a search is expected to come to, whatever the kind of network. No arrays, no torch here."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """What a fit is expected to come to.

    Attributes:
        weights: the number of weights of the network.
        bytes: size of the file in bytes.
        psnr_db: the PSNR of the file, in dB.
        steps: the steps of training.
        work: the work of the whole fit, its files included.
    """

    weights: int
    bytes: int
    psnr_db: float
    steps: int
    work: float
