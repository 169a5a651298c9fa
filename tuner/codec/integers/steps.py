"""The step of a tensor, by which its integers are multiplied: how one is read, and how long it may be."""

from tuner.codec.file.primitives import ByteReader
from tuner.errors import CorruptFile

# Sums of the largest weights of the largest network stay far below the largest float32.
LARGEST_STEP = 2.0**32


def read_step(reader: ByteReader, name: str) -> float:
    """Read the step of a tensor.

    Args:
        reader: bytes of the chunk, the step next.
        name: what the tensor is called in messages.

    Raises:
        CorruptFile: if it is not a positive number, at most 2^32.
    """
    step = reader.float(f"step of {name}")
    if not 0.0 < step <= LARGEST_STEP:
        raise CorruptFile(f"the step of {name} is {step}, expected more than 0, at most 2^32: the file is damaged")
    return step
