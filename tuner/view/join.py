"""Join the modules of `web/` that a page of pictures needs into web/joined.js: one file where a browser fetched 20.

Run as `python -m tuner.view.join`.
"""

import sys
from pathlib import Path
from typing import Final

from tuner.view.page import module

TARGET: Final = Path(__file__).parents[2] / "web/joined.js"


if __name__ == "__main__":
    TARGET.write_text(module(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size} bytes\n")
