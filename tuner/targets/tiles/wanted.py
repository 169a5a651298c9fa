"""What all tiles of a signal have to meet together, as the sums that fits and files are chosen by."""

from dataclasses import dataclass

from tuner.network.tiles.grid import TileGrid
from tuner.signal.large import LargeSignal
from tuner.targets.ask import TilesAsk
from tuner.targets.files import PSNR_TOLERANCE_DB
from tuner.targets.target import Target, TargetKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """A quality or a size of the whole.

    Attributes:
        target: what was asked for; None for the size of the effort.
        psnr_db: quality that the tiles are fitted to, in dB; None where a size decides.
        max_bytes: most bytes of the file; None where a quality decides.
        values: number of values of all tiles together, shared ones counted in each.
        squares: sum of the squared errors of all tiles that the quality stands for.
    """

    target: Target | None
    psnr_db: float | None
    max_bytes: int | None
    values: int
    squares: float

    @classmethod
    def of(cls, signal: LargeSignal, ask: TilesAsk, grid: TileGrid) -> "Wanted":
        """What a request asks of the tiles of a signal."""
        config, target, max_bytes = ask.config, ask.target, None
        if target is not None and target.kind.is_size:
            max_bytes = target.max_bytes(signal.sample_count)
        elif config.bits_per_sample is not None:
            max_bytes = int(config.bits_per_sample * signal.sample_count / 8.0)
        wanted: float = 10.0 ** (-(config.psnr_db or 0.0) / 10.0)
        # Rounding to samples adds a twelfth of a step squared to what fits see.
        scale = signal.storage.effective.scale
        added = 1.0 / (12.0 * scale**2) if signal.sample_format.is_integer else 0.0
        values = grid.samples * signal.channels
        return cls(target, config.psnr_db, max_bytes, values, max(wanted - added, wanted / 4.0) * values)

    @property
    def is_free(self) -> bool:
        """Whether whatever the fits come to will do."""
        return self.target is None or self.target.kind is TargetKind.SECONDS

    def is_met(self, psnr_db: float, size: int) -> bool:
        """Whether a file is what was asked for.

        Args:
            psnr_db: quality of the file in dB.
            size: size of the file in bytes.
        """
        if self.target is None:
            return True
        if self.target.kind is TargetKind.PSNR_DB:
            return psnr_db >= self.target.value - PSNR_TOLERANCE_DB
        return not self.target.kind.is_size or size <= (self.max_bytes or 0)
