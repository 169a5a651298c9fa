"""Hostile files: compressed ones."""

from functools import partial

from tests.hostile.files.kinds import CORRUPT, CUT, LIMIT, MAGIC, MANY, MIX, NUMBER, SHAPE, WORK, compressed
from tests.hostile.files.pieces import honest
from tests.hostile.lies import HONEST, LIES, Network, chunk, header

for _name, (_data, _error, _) in LIES.items():
    compressed(_name, "lie", _error.code, partial(lambda data: data, _data))


def with_network(whole: bytes) -> bytes:
    return whole + chunk(1, bytes(Network()))


for _axes in (5, 6, 8, 16, 64, 127, 255):
    compressed(
        f"of {_axes} axes of 2", SHAPE, LIMIT, partial(lambda axes: with_network(header(shape=(2,) * axes)), _axes)
    )
for _grid in ((2**28 + 1,), (2**14, 2**14 + 1), (2**10,) * 3, (2**7 + 1,) * 4, (2**32 - 1,) * 4):
    compressed(
        f"of {'x'.join(map(str, _grid))} samples",
        SHAPE,
        LIMIT,
        partial(lambda shape: with_network(header(shape=shape)), _grid),
    )
for _grid, _channels, _widths in (
    ((2**14, 2**13), 4, (1,)),
    ((2**22,), 65, (1,)),
    ((2**14, 2**12), 32, (2**10,)),
    ((2**28,), 2, (1,)),
    ((2**28,), 1, (2**16,)),
    ((4,), 64, (2**12,) * 4),
):
    compressed(
        f"of {'x'.join(map(str, _grid))} x {_channels} behind {' '.join(map(str, _widths))}",
        WORK,
        LIMIT,
        partial(
            lambda shape, channels, widths: with_network(header(shape=shape, channels=channels, widths=widths)),
            _grid,
            _channels,
            _widths,
        ),
    )
for _part in (0.2, 0.4, 0.6, 0.8, 0.95):
    compressed(
        f"of which {round(100 * _part)} % are there",
        CUT,
        CORRUPT,
        partial(lambda part: HONEST[: round(part * len(HONEST))], _part),
    )
compressed("of 200 hidden layers", MANY, CORRUPT, lambda: with_network(header(widths=(1,) * 200)))
compressed(
    "of a million chunks that nobody knows",
    MANY,
    LIMIT,
    lambda: header(chunks=b"\xc0\x84\x3d") + chunk(0x90, b"") * 1_000_000,
)
compressed("of the largest period", NUMBER, None, lambda: with_network(header(period=3e38)))
compressed("that is a picture, too", MIX, CORRUPT, lambda: HONEST + honest("png"))
compressed("that is a picture", MAGIC, "not_a_representation", lambda: honest("png"))
