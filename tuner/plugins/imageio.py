"""imageio reads and writes .tnr files once this module is imported.

    import imageio.v3 as iio
    import tuner.plugins.imageio

    volume = iio.imread("scan.tnr")
    frame = iio.imread("clip.tnr", index=7)  # one frame of a video, without the others
    iio.imwrite("photo.tnr", pixels, psnr_db=35)  # any target and option of `tuner.represent`

The images of a video are its frames; any other file is a single image, whatever the number of its axes.
"""

from collections.abc import Iterator
from dataclasses import asdict
from types import EllipsisType
from typing import Any, Final

import numpy as np
from imageio.config import extension_list, known_extensions, known_plugins
from imageio.config.extensions import FileExtension
from imageio.config.plugins import PluginConfig
from imageio.core.request import RETURN_BYTES, InitializationError, IOMode, Request
from imageio.core.v3_plugin_api import ImageProperties, PluginV3

from tuner.codec.encode import EXTENSION
from tuner.errors import FormatError, TunerError
from tuner.plugins.asking import OPTIONS, asked
from tuner.plugins.lazy_samples import LazySamples
from tuner.signal.details import details_to_map
from tuner.signal.given import signal_of
from tuner.signal.kind import SignalKind

NAME: Final = "tuner"
Index = int | EllipsisType | None


class TunerPlugin(PluginV3):
    """A .tnr file, opened for reading or for writing."""

    def __init__(self, request: Request) -> None:
        """Look at the file.

        Raises:
            InitializationError: if it cannot be read, or another kind of file is to be written.
        """
        super().__init__(request)
        self._samples: LazySamples | None = None
        if request.mode.io_mode == IOMode.write:
            if request.extension != EXTENSION:
                raise InitializationError(f"the extension is {request.extension}, expected {EXTENSION}")
            return
        try:
            self._samples = LazySamples(request.get_file())
        except FormatError as error:
            raise InitializationError(str(error)) from error

    @property
    def samples(self) -> LazySamples:
        """Samples of the file.

        Raises:
            OSError: if it was opened for writing.
        """
        if self._samples is None:
            raise OSError("the file was opened for writing, expected reading: open it again")
        return self._samples

    @property
    def _is_video(self) -> bool:
        return self.samples.facts.kind is SignalKind.VIDEO

    def _place(self, index: Index) -> Any:
        """Which samples an image consists of.

        Raises:
            ValueError: if there is no image of that number.
        """
        count = self.samples.shape[0] if self._is_video else 1
        if isinstance(index, int):
            if not 0 <= index < count:
                raise ValueError(f"index is {index}, expected 0 to {count - 1}")
            return (index,) if self._is_video else ()
        return () if self._is_video or index is None else (None,)

    def read(self, *, index: Index = None) -> np.ndarray:
        """One image, or all of them.

        Args:
            index: number of a frame of a video; of a file without frames only 0. Ellipsis for all images along a new
                first axis; None for everything as it is.

        Returns:
            The samples as their source stored them.

        Raises:
            ValueError: if there is no image of that number.
            OSError: if the file is damaged.
        """
        place = self._place(index)
        try:
            return self.samples[()][None] if place == (None,) else self.samples[place]
        except FormatError as error:
            raise OSError(f"cannot decode the .tnr file: {error}") from error

    def iter(self) -> Iterator[np.ndarray]:
        """The frames of a video one after the other, or the only image."""
        for index in range(self.samples.shape[0] if self._is_video else 1):
            yield self.read(index=index)

    def properties(self, index: Index = None) -> ImageProperties:
        """Shape and type of what `read` gives, without decoding."""
        place, shape = self._place(index), self.samples.shape
        if place == (None,):
            shape = (1, *shape)
        elif place:
            shape = shape[1:]
        batch = index is ... or (index is None and self._is_video)
        return ImageProperties(
            shape=shape, dtype=self.samples.dtype, n_images=shape[0] if batch else None, is_batch=batch
        )

    def metadata(self, index: Index = None, exclude_applied: bool = True) -> dict[str, Any]:
        """What the file says beside its samples; nothing of it has been applied to them, but for the scaling."""
        self._place(index)
        facts = self.samples.facts
        known: dict[str, Any] = {"kind": facts.kind.value, "sample_format": facts.sample_format.value}
        if facts.icc_profile is not None:
            known["icc_profile"] = facts.icc_profile
        if facts.metadata.details is not None:
            known |= details_to_map(facts.metadata.details)
        if facts.metadata.scaling is not None and not exclude_applied:
            known["scaling"] = asdict(facts.metadata.scaling)
        return known | {"report": dict(facts.metadata.report)}

    def write(self, ndimage: Any, **options: Any) -> bytes | None:
        """Fit an array and write the file.

        Args:
            ndimage: array; `tuner.signal.given.signal_of` says how it is understood.
            **options: target and options of `tuner.represent`.

        Returns:
            The content, where the target is "<bytes>", else None.

        Raises:
            TypeError: if there is no such option.
            OSError: if the array cannot be fitted.
        """
        if unknown := sorted(options.keys() - set(OPTIONS)):
            raise TypeError(f"there is no option {', '.join(unknown)}, expected some of {', '.join(OPTIONS)}")
        try:
            content = asked(signal_of(np.asarray(ndimage)), options)
        except TunerError as error:
            raise OSError(f"cannot write the array as .tnr: {error}") from error
        self.request.get_file().write(content)
        return content if str(self.request.raw_uri).startswith(RETURN_BYTES) else None


def register() -> None:
    """Make the format known to imageio; done when the module is imported."""
    known_plugins[NAME] = PluginConfig(name=NAME, class_name=TunerPlugin.__name__, module_name=__name__)
    if EXTENSION not in known_extensions:
        extension = FileExtension(name="Compressed neural representation", extension=EXTENSION, priority=[NAME])
        known_extensions[EXTENSION] = [extension]
        extension_list.append(extension)


register()
