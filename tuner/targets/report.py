"""The short report of a fit that its file carries: what anyone who finds the file would like to know of its making.

Quality of the file, steps, trainer, seed, and the name of the settings: about 90 bytes. No seconds: the same request
gives the same bytes, and time is not the same twice. Where a quality or a size was asked for, the bytes are the point,
so files below 64 KiB carry none, and no file grows beyond its limit (docs/decisions/0010-asking-by-target.md). `tuner
info` prints it.
"""

from dataclasses import replace
from typing import Final

from tuner.codec.file.container import Chunk, ChunkType, read_container, write_container
from tuner.codec.file.metadata import Report, pack_metadata, unpack_metadata
from tuner.codec.limits import DecodeLimits
from tuner.signal.signal import Signal
from tuner.targets.ask import Ask
from tuner.targets.files import File

LEAST_BYTES: Final = 1 << 16  # a file that has bytes to spare for a report is this large
_NAME_LETTERS: Final = 8  # of the settings' fingerprint: enough to tell them apart


def reported(file: File, signal: Signal, ask: Ask, steps: int) -> bytes:
    """The file with a report of its fit, or as it is where its bytes are too precious.

    Args:
        file: a .tnr file, made by this version.
        signal: the signal that the file stands for.
        ask: request that the file answers.
        steps: the number of steps that all fits took.
    """
    target, content = ask.target, file.content
    if target is not None and (target.kind.is_size or target.kind.is_quality) and len(content) < LEAST_BYTES:
        return content
    whole = with_report(
        content,
        {
            "psnr_db": round(file.psnr_db, 2),
            "steps": steps,
            "trainer": ask.trainer,
            "seed": ask.config.seed,
            "settings": ask.fingerprint()[:_NAME_LETTERS],
        },
    )
    max_bytes = None if target is None else target.max_bytes(signal.sample_count)
    return content if max_bytes is not None and len(whole) > max_bytes else whole


def with_report(content: bytes, report: Report) -> bytes:
    """The same file with this report instead of the one it has; the network is not touched."""
    header, payloads = read_container(content, DecodeLimits())
    metadata = unpack_metadata(payloads.pop(ChunkType.METADATA, None), header.kind)
    packed = pack_metadata(replace(metadata, report=report))
    chunks = [Chunk(kind, payload) for kind, payload in payloads.items()]
    if packed is not None:
        chunks.append(Chunk(ChunkType.METADATA, packed))
    return write_container(header, chunks)
