"""What runs in the cage for views: decode one representation and draw one view of it; see `cage.nursery`.

The answer begins with one byte that says what follows: the drawn file, or why there is none.
"""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from store.render_spec import RenderSpec
from tuner.codec.decode import decode
from tuner.core.host import Layout, encode
from tuner.errors import TunerError
from tuner.signal.image import write_image
from tuner.signal.signal import Signal
from worker.views import draw, spectrum_magnitude

DRAWN: Final = b"+"
REFUSED: Final = b"-"
INVALID_VIEW: Final = "invalid_view"
_BEYOND_ALL: Final = 1 << 46


def prepare() -> None:
    """Use what a view needs once, so that nothing is left to be imported in the cage."""
    layout = Layout(samples=(4, 4), colours=1, scales=1)
    picture = np.zeros((4, 4, 3), dtype=np.float32)
    write_image(Signal(values=picture))
    spectrum_magnitude(picture)
    with _limited_address_space():
        encode(np.zeros(layout.integers(), dtype=np.int32), layout)


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes | memoryview]:
    """Draw a view.

    Args:
        data: content of a compressed file.
        request: the view, as `RenderSpec` writes itself.
    """
    try:
        drawn = draw(decode(data), RenderSpec.model_validate(request))
    except TunerError as error:
        yield _refusal(error.code, str(error))
    except ValueError as error:
        yield _refusal(INVALID_VIEW, str(error))
    else:
        yield DRAWN
        yield drawn.content


def _refusal(code: str, message: str) -> bytes:
    return REFUSED + json.dumps({"code": code, "message": message}).encode()


@contextmanager
def _limited_address_space() -> Iterator[None]:
    """A limit that nothing meets: the core is compiled in another way where there is one, as there is in the cage."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (_BEYOND_ALL if hard == resource.RLIM_INFINITY else hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
