"""The kinds of signals. Beside `Signal`, so that whoever only plans a fit loads no arrays."""

from enum import StrEnum


class SignalKind(StrEnum):
    """What the samples are, which decides the file format they go back to."""

    IMAGE = "image"
    AUDIO = "audio"
    VOLUME = "volume"
    VIDEO = "video"
    DISTANCE = "sdf"
    ARRAY = "array"
