"""A codec of Zarr 3, `tuner.tnr`: each chunk is a .tnr file, written by a fit and read without torch.

    import zarr
    from tuner.plugins.zarr import TunerCodec

    codec = TunerCodec(psnr_db=40)
    array = zarr.create_array("scan.zarr", data=volume, chunks=(64, 64, 64), serializer=codec, compressors=None)

Whoever reads it needs only the library installed: Zarr finds the codec by its name. It is lossy, and what it promises
of each chunk stands in the metadata of the array. Shape and type of the elements come back exactly.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.registry import register_codec

from tuner.errors import TunerError
from tuner.plugins.chunks import ChunkConfig, check_chunks, decode_chunk, encode_chunk

if TYPE_CHECKING:
    from zarr.core.chunk_grids import ChunkGrid

NAME: Final = "tuner.tnr"


@dataclass(frozen=True, init=False)
class TunerCodec(ArrayBytesCodec):
    """Chunks as representations.

    Attributes:
        config: target and effort of every chunk.
    """

    is_fixed_size = False
    config: ChunkConfig

    def __init__(self, **target_and_effort: Any) -> None:
        """Take the entries of `tuner.plugins.chunks.ChunkConfig`, exactly one target among them.

        Raises:
            ConfigError: if one has another name, or there is not one target.
        """
        object.__setattr__(self, "config", ChunkConfig.from_json(target_and_effort))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "TunerCodec":
        """The codec that the metadata of an array describe.

        Raises:
            ConfigError: if they are not of this codec.
        """
        return cls(**(data.get("configuration") or {}))

    def to_dict(self) -> dict[str, Any]:
        """What the metadata of an array say."""
        return {"name": NAME, "configuration": self.config.to_json()}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: "ChunkGrid") -> None:
        """Refuse an array before it is made.

        Raises:
            ValueError: if its elements or its chunks are none that a representation holds.
        """
        try:
            check_chunks(getattr(chunk_grid, "chunk_shape", shape), dtype.to_native_dtype())
        except TunerError as error:
            raise ValueError(f"the codec {NAME} does not take this array: {error}") from error

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        chunk = np.asarray(chunk_data.as_numpy_array())
        content = await asyncio.to_thread(encode_chunk, chunk, self.config)
        return chunk_spec.prototype.buffer.from_bytes(content)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        chunk = await asyncio.to_thread(decode_chunk, chunk_data.to_bytes(), chunk_spec.shape, dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(chunk)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Sizes are known after the fit only.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the size of a chunk is known after its fit only")


register_codec(NAME, TunerCodec)
