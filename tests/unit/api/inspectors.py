"""A stand-in for the inspector that misbehaves in one way each; the way is the content of the inspected file."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any


def prepare() -> None:
    """There is nothing to load."""


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    match data.decode():
        case "good":
            yield json.dumps({"ok": True, "facts": {"request": request, "environment": dict(os.environ)}}).encode()
        case "attest" | "attest nonsense":
            digest = "0a" * 32 if data == b"attest" else "0A" * 32
            yield json.dumps({"ok": True, "facts": {"decoded_sha256": digest}}).encode()
        case "refuse":
            yield json.dumps({"ok": False, "code": "damaged_signal", "message": "torn"}).encode()
        case "invent":
            yield json.dumps({"ok": False, "code": "not_a_code", "message": "torn"}).encode()
        case "babble":
            yield b"[[[[ no JSON"
        case "nothing":
            yield b""
        case "greedy":
            bytearray(1 << 40)
        case "busy":
            while True:
                pass
        case "asleep":
            time.sleep(3600)
        case "chatty":
            while True:
                yield b"x" * (1 << 16)
        case "crash":
            os.abort()
        case "broken":
            raise ImportError("no decoder here")
