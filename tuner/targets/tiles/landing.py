"""From the versions of all tiles to a file: those are chosen that meet the target together, and the whole is measured.

Whether a target can be met is seen from the versions alone, and so is when to stop fitting. A quality is landed on in a
few files, since blends are better than their parts; a size in one.
"""

from dataclasses import dataclass

from tuner.codec.decode import decode
from tuner.decibels import in_decibels
from tuner.signal.large import LargeSignal
from tuner.targets.report import LEAST_BYTES
from tuner.targets.tiles.measure import Quality, measured_quality
from tuner.targets.tiles.state import TileRecord
from tuner.targets.tiles.tile import TileSettings, join
from tuner.targets.tiles.versions import Version, within_file, within_squares
from tuner.targets.tiles.wanted import Wanted
from tuner.words import counted

_NEAR_DB, _LANDINGS = 0.03, 4
# A file that would be so far from its target has tiles fitted again, as many as it takes.
_FULL, _LOOSE_DB = 0.99, 0.1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TiledFile:
    """A large signal as a file, measured region by region.

    Attributes:
        content: bytes of the file.
        psnr_db: quality of the samples as they would be written, in dB.
        max_error: largest difference of a sample, as a share of the range of values.
        is_met: whether the target was met; true where none was given.
        sentence: how it ended, in words.
        steps: number of training steps of all fits.
        seconds: duration of these steps, in seconds.
        tiles: number of tiles.
    """

    content: bytes
    psnr_db: float
    max_error: float
    is_met: bool
    sentence: str
    steps: int
    seconds: float
    tiles: int


class Landing:
    """All that was fitted of a signal so far, and what is wanted of it.

    Args:
        signal: the signal that is represented.
        settings: grid of the tiles, and settings that all of their fits share.
        wanted: what the file has to meet.
        record: fits of the tiles, which may become more.
    """

    def __init__(self, signal: LargeSignal, settings: TileSettings, wanted: Wanted, record: TileRecord) -> None:
        self._signal, self._settings, self._grid = signal, settings, settings.grid
        self._wanted, self._record = wanted, record

    def is_spanned(self) -> bool:
        """Whether the versions that are there reach from below to above the target."""
        if self._wanted.is_free:
            return True
        versions = self._versions()
        if self._wanted.psnr_db is not None:
            least, most = (sum(pick(each.squares for each in tile) for tile in versions) for pick in (min, max))
            loosest: float = most * 10.0 ** (_LOOSE_DB / 10.0)
            return least <= self._wanted.squares <= loosest
        least, most = (sum(pick(len(each.packed) for each in tile) for tile in versions) for pick in (min, max))
        budget = self._budget(versions)
        return least <= budget and most >= _FULL * budget

    def file(self) -> TiledFile:
        """The file of the versions that serve the target best."""
        versions = self._versions()
        if self._wanted.psnr_db is not None:
            return self._on_quality(versions)
        content = self._on_size(versions)
        return self._measured(content, self._quality(content))

    def _versions(self) -> list[list[Version]]:
        """All versions of each tile, of whatever step."""
        found: list[list[Version]] = [[] for _ in range(self._grid.tiles)]
        for (_, number), each in self._record.fits.items():
            found[number] += each.versions
        return found

    def _budget(self, versions: list[list[Version]]) -> int:
        """Bytes that all tiles may have together, but for what lengths of lengths differ by."""
        assert self._wanted.max_bytes is not None  # noqa: S101  as asked for
        some = [each[0] for each in versions]
        whole = len(self._joined(some, self._report_of_size()))
        return self._wanted.max_bytes - whole + sum(len(each.packed) for each in some)

    def _on_size(self, versions: list[list[Version]]) -> bytes:
        """The best file within the limit, which the report of a large one is part of."""
        assert self._wanted.max_bytes is not None  # noqa: S101  as asked for
        report = self._report_of_size()
        chosen = within_file(
            versions, self._wanted.max_bytes, self._budget(versions), lambda some: len(self._joined(some, report))
        )
        return self._joined(chosen, report)

    def _on_quality(self, versions: list[list[Version]]) -> TiledFile:
        """The smallest file that is so good, nearly; else the best one."""
        wanted, squares = self._wanted.psnr_db or 0.0, self._wanted.squares
        best: TiledFile | None = None
        for _ in range(_LANDINGS):
            chosen = within_squares(versions, squares)
            content = self._joined(chosen, None)
            if len(content) >= LEAST_BYTES:
                content = self._joined(chosen, self._report())
            file = self._measured(content, self._quality(content))
            if best is None or self._is_better(file, best):
                best = file
            excess = file.psnr_db - wanted
            if 0.0 <= excess <= _NEAR_DB:
                break
            # Blends are better than their parts, and clipped values than others.
            reached = sum(each.squares for each in chosen)
            following = reached * 10.0 ** ((excess - _NEAR_DB / 2.0) / 10.0)
            if within_squares(versions, following) == chosen:
                break
            squares = following
        assert best is not None  # noqa: S101  there is a first try
        return best

    def _measured(self, content: bytes, quality: Quality) -> TiledFile:
        is_met = self._wanted.is_met(quality.psnr_db, len(content))
        reached = (
            f"{in_decibels(quality.psnr_db)}, errors up to {quality.max_error:.2g}, {len(content)} bytes in "
            f"{counted(self._grid.tiles, 'tile')}."
        )
        if self._wanted.is_free:
            sentence = f"All tiles were fitted: {reached}"
        else:
            sentence = f"The target of {self._wanted.target} was {'met' if is_met else 'missed'}: {reached}"
        return TiledFile(
            content=content,
            psnr_db=quality.psnr_db,
            max_error=quality.max_error,
            is_met=is_met,
            sentence=sentence,
            steps=self._record.steps,
            seconds=self._record.seconds,
            tiles=self._grid.tiles,
        )

    def _quality(self, content: bytes) -> Quality:
        return measured_quality(self._signal, decode(content), self._grid)

    def _joined(self, chosen: list[Version], report: dict[str, str | int | float] | None) -> bytes:
        return join(self._signal, self._settings, [each.packed for each in chosen], report)

    def _report_of_size(self) -> dict[str, str | int | float] | None:
        return self._report() if (self._wanted.max_bytes or 0) >= LEAST_BYTES else None

    def _report(self) -> dict[str, str | int | float]:
        """Words that are known before the file is."""
        return {"steps": self._record.steps, "trainer": "wavelets", "seed": self._settings.config.seed}

    def _is_better(self, file: TiledFile, other: TiledFile) -> bool:
        if file.is_met != other.is_met:
            return file.is_met
        if self._wanted.psnr_db is not None and min(file.psnr_db, other.psnr_db) >= self._wanted.psnr_db:
            return len(file.content) < len(other.content)
        if not file.is_met and self._wanted.max_bytes is not None:
            return len(file.content) < len(other.content)
        return file.psnr_db > other.psnr_db
