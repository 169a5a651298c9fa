"""What `tuner.represent` gives back: the file, what it decodes to, and how well that reproduces the signal."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from tuner.files import write_whole
from tuner.representation import Representation


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Result:
    """A signal as a file, with everything measured on what the file decodes to.

    Attributes:
        content: bytes of the .tnr file.
        representation: network that the file holds, which can be asked for values anywhere.
        psnr_db: peak signal-to-noise ratio of the decoded samples as they would be written, in dB.
        max_error: largest difference of a sample, as a share of the range of values.
        is_met: whether the target was met; true where none was given.
        message: how the fit ended and, where it fell short, what to try next.
        steps: number of training steps of all fits that were made.
        seconds: duration of the training of all fits, in seconds.
        summary: size, rate and quality of the file in the units of its kind of signal, as one line.
    """

    content: bytes
    representation: Representation
    psnr_db: float
    max_error: float
    is_met: bool
    message: str
    steps: int
    seconds: float
    summary: str

    def save(self, path: Path | str) -> None:
        """Write the file, whole or not at all; an existing one is replaced."""
        write_whole(Path(path), self.content)

    def __repr__(self) -> str:
        return f"<Result: {self.summary}>"

    def _repr_png_(self) -> bytes:
        from tuner.quality.thumbnail import thumbnail_png

        return thumbnail_png(self.representation)

    def _repr_html_(self) -> str:
        from tuner.quality.thumbnail import as_html

        return as_html(self._repr_png_(), f"{escape(self.summary)}<br>{escape(self.message)}")
