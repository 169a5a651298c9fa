"""Stand-ins for the inspector that misbehave in one way each: `python -m tests.unit.api.inspectors PATH WAY`.

The way is the content of the inspected file.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    path = Path(sys.argv[1])
    match path.read_text():
        case "good":
            verdict = {"ok": True, "facts": {"arguments": sys.argv[2:], "environment": sorted(os.environ)}}
            sys.stdout.write(json.dumps(verdict))
        case "refuse":
            sys.stdout.write(json.dumps({"ok": False, "code": "damaged_signal", "message": "torn"}))
        case "greedy":
            bytearray(1 << 40)
        case "busy":
            while True:
                pass
        case "asleep":
            time.sleep(3600)
        case "chatty":
            sys.stdout.write("x" * (1 << 24))
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "broken":
            raise ImportError("no decoder here")


if __name__ == "__main__":
    main()
