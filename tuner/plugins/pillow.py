"""Pillow opens and saves .tnr files once this module is imported.

    import tuner.plugins.pillow
    from PIL import Image

    with Image.open("photo.tnr") as image:  # size, mode and colour profile; nothing is decoded yet
        image.convert("L").save("grey.png")
    Image.open("photo.png").save("photo.tnr", psnr_db=35)  # any target and option of `tuner.represent`

Pictures are saved as `tuner.represent` takes them, upright and with inks as colours. They open as they are, videos
frame by frame, arrays of two axes as one grey picture. Pillow has no colours of 16 bits: such are given with 8, as it
does with PNG. `draft` changes nothing: fewer samples of a network are no smoothed picture, so that a smaller one is
made from the whole, as `thumbnail` does.
"""

from dataclasses import replace
from typing import IO, Any, Final

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from tuner.codec.encode import EXTENSION, MEDIA_TYPE
from tuner.codec.file.header import MAGIC
from tuner.errors import FormatError, LimitExceeded, TunerError
from tuner.plugins.asking import asked
from tuner.plugins.glance import Glance
from tuner.plugins.lazy_samples import LazySamples
from tuner.signal.given import signal_of
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat

FORMAT: Final = "TNR"
_COLOURS: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
# Of one channel; formats that a mode does not hold exactly are missing, but for doubles.
_GREYS: Final = {
    SampleFormat.U8: "L",
    SampleFormat.U16: "I;16",
    SampleFormat.S8: "I",
    SampleFormat.S16: "I",
    SampleFormat.S24: "I",
    SampleFormat.S32: "I",
    SampleFormat.F16: "F",
    SampleFormat.F32: "F",
    SampleFormat.F64: "F",
}
_HELD: Final = {"I": np.int32, "F": np.float32}


class TnrImageFile(ImageFile.ImageFile):
    """A picture, or the frames of a video, behind the header of a file; pixels are computed when they are needed."""

    format = FORMAT
    format_description = "Compressed neural representation"

    def _open(self) -> None:
        file = self.fp
        if file is None:
            raise ValueError("the file is closed, expected an open one")
        try:
            self._samples = LazySamples(file)
        except LimitExceeded as error:
            raise Image.DecompressionBombError(str(error)) from error
        except FormatError as error:
            raise UnidentifiedImageError(f"cannot open the .tnr file: {error}") from error
        facts = self._samples.facts
        self._mode = _mode(facts)
        height, width = facts.grid_shape[-2:]
        self._size = width, height
        self.n_frames = facts.grid_shape[0] if facts.kind is SignalKind.VIDEO else 1
        self.is_animated = self.n_frames > 1
        self._frame, self._shown = 0, -1
        if facts.icc_profile is not None:
            self.info["icc_profile"] = facts.icc_profile

    def load(self) -> Any:
        """Compute the pixels of the current picture, once.

        Raises:
            OSError: if the network of the file is damaged.
        """
        if self._shown != self._frame and (self.fp is not None or self._shown >= 0):
            try:
                frame = (self._frame,) if self._samples.facts.kind is SignalKind.VIDEO else ()
                pixels = self._samples[frame]
            except FormatError as error:
                raise OSError(f"cannot decode the .tnr file: {error}") from error
            self.im = _picture(pixels, self.mode).im
            self._shown = self._frame
            # Everything that was in the file is in memory.
            if self.fp is not None and self._exclusive_fp and not self.is_animated:
                self.fp.close()
                self.fp = None
        return super().load()

    def verify(self) -> None:
        """Decode the file, but for its pixels.

        Raises:
            OSError: if the network of the file is damaged.
        """
        try:
            _ = self._samples.representation
        except FormatError as error:
            raise OSError(f"cannot decode the .tnr file: {error}") from error
        super().verify()

    def seek(self, frame: int) -> None:
        """Go to a frame of a video.

        Raises:
            EOFError: if there is none of that number.
        """
        if not self._seek_check(frame):
            return
        self._frame = frame

    def tell(self) -> int:
        """Number of the current frame, from 0."""
        return self._frame


def _mode(facts: Glance) -> str:
    """The mode of a file's picture.

    Raises:
        UnidentifiedImageError: if it holds no picture that Pillow has a mode for.
    """
    axes = len(facts.grid_shape)
    if axes == {SignalKind.IMAGE: 2, SignalKind.VIDEO: 3}.get(facts.kind) and facts.channels in _COLOURS:
        deep = facts.channels == 1 and facts.sample_format is SampleFormat.U16
        return "I;16" if deep else _COLOURS[facts.channels]
    if axes == 2 and facts.channels == 1 and facts.sample_format in _GREYS:
        return _GREYS[facts.sample_format]
    raise UnidentifiedImageError(
        f"the .tnr file holds a signal of kind {facts.kind}, {facts.grid_shape} samples of {facts.channels} channels "
        f"as {facts.sample_format}, expected a picture or a video: read it with tuner.load, xarray or napari"
    )


def _picture(pixels: np.ndarray, mode: str) -> Image.Image:
    if pixels.dtype == np.uint16 and mode != "I;16":
        pixels = np.rint(pixels / 257.0).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.astype(_HELD.get(mode, pixels.dtype))))


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, file: IO[bytes], _filename: str | bytes) -> None:
    """Fit a picture and write the file; nothing is written if that fails.

    Raises:
        OSError: if the picture is of a mode that is not kept, or cannot be fitted.
    """
    options: dict[str, Any] = image.encoderinfo
    try:
        signal = signal_of(image)
        if signal.kind is SignalKind.IMAGE and "icc_profile" in options:
            signal = replace(signal, icc_profile=options["icc_profile"])
        content = asked(signal, options)
    except (TunerError, TypeError, ValueError) as error:
        raise OSError(f"cannot write the picture as .tnr: {error}") from error
    file.write(content)


def register() -> None:
    """Make the format known to Pillow; done when the module is imported."""
    Image.register_open(FORMAT, TnrImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MEDIA_TYPE)


register()
