"""A codec of numcodecs, `tuner.tnr`, for arrays of Zarr 2: each chunk is a .tnr file.

    from tuner.plugins.numcodecs import TunerCodec

    array = zarr.create_array(
        "scan.zarr", data=volume, chunks=(64, 64, 64), zarr_format=2, filters=None, compressors=TunerCodec(psnr_db=40)
    )

It stands where a compressor does, the only codec of its array. numcodecs does not say what a chunk should become, so
that foreign byte orders, which no file tells apart, are refused; the codec of Zarr 3 takes them.
"""

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.registry import register_codec
from numpy.typing import NDArray

from tuner.codec.decode import decode
from tuner.errors import ConfigError
from tuner.plugins.chunks import ChunkConfig, encode_chunk
from tuner.signal.samples import SampleFormat

NAME: Final = "tuner.tnr"


class TunerCodec(Codec):  # type: ignore[misc]
    """Chunks as representations."""

    codec_id = NAME

    def __init__(self, **target_and_effort: Any) -> None:
        """Take the entries of `tuner.plugins.chunks.ChunkConfig`, exactly one target among them.

        Raises:
            ConfigError: if one has another name, or there is not one target.
        """
        self.config = ChunkConfig.from_json(target_and_effort)

    def get_config(self) -> dict[str, Any]:
        """What the metadata of an array say."""
        return {"id": NAME, **self.config.to_json()}

    def encode(self, buf: NDArray[Any]) -> bytes:
        """Fit a chunk, in the order in which it lies in memory.

        Raises:
            InvalidSignal: if its elements are none that a representation holds.
            ConfigError: if they would not come back as they are.
        """
        chunk = np.asarray(buf)
        if not chunk.dtype.isnative or SampleFormat.of(chunk.dtype).dtype != chunk.dtype:
            raise ConfigError(
                f"elements are {chunk.dtype}, expected integers or floats in the byte order of this "
                "machine: convert them, or use Zarr 3"
            )
        columns_first = chunk.flags.f_contiguous and not chunk.flags.c_contiguous
        return encode_chunk(chunk.T if columns_first else chunk, self.config)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Read a chunk, without its axes of length one.

        Args:
            buf: the .tnr file as any buffer.
            out: array to be filled, or None for a new one.

        Returns:
            The elements in the order in which they lay in memory.

        Raises:
            FormatError: if the file cannot be read.
        """
        signal = decode(bytes(buf)).render()
        chunk = signal.storage.to_samples(signal.values)[..., 0]
        if out is None:
            return chunk
        np.copyto(out.reshape(-1), chunk.reshape(-1))
        return np.asarray(out)


register_codec(TunerCodec)
