"""Files that browsers load from here: the service's page, and the decoder that it shares with every other page.

The decoder lies in `web/` and in the library, which is found and never imported. A page that holds a representation is
written by the library (`tuner.view`), in a process of its own, once: all that differs from one to the next is the file
and its name, and these are put in here.
"""

import mimetypes
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SITE: Final = "/page"
_NAME = re.compile(r"[a-z0-9]+(?:\.d)?\.(?:css|html|js|wasm)")
_FOLDERS: Final = frozenset({"", "web", "web/viewer"})
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "wasm": "application/wasm",
}
_TEMPLATE_SECONDS = 60
_HELD_FILE, _HELD_NAME = b"the bytes of the file", "the name of the file"
# The library writes the page; here it only has to be cut where the file and its name go.
_WRITE_TEMPLATE = (
    "import sys; from tuner.view.page import page; "
    f"sys.stdout.buffer.write(page({_HELD_FILE!r}, {_HELD_NAME!r}).encode())"
)
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the page, as it is sent."""

    content: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class ViewTemplate:
    """A page of a representation, without the representation.

    Attributes:
        head: the page up to the place of the file, with the places of its name in it.
        tail: the page from the place of the file on.
        policy: content security policy that the page states about itself.
    """

    head: str
    tail: str
    policy: str

    def page(self, data: bytes, name: str) -> bytes:
        """The page of one file.

        Args:
            data: all bytes of a .tnr file.
            name: what the page is called; shown as text, whatever it holds.
        """
        head = self.head.replace(_HELD_NAME, escape(name))
        return b"".join((head.encode(), b64encode(data), self.tail.encode()))


@cache
def part(path: str) -> Part | None:
    """A file of the page, by what stands behind `/page/`; None if there is no such file."""
    folder, _, name = path.rpartition("/")
    if folder not in _FOLDERS or not _NAME.fullmatch(name):
        return None
    source: Path
    if folder == "":
        source = Path(str(files("api") / "site" / name))
    else:
        inner = folder.removeprefix("web").removeprefix("/")
        source = _library() / "core" / name if path == "web/core.wasm" else _decoder() / inner / name
    if not source.is_file():
        return None
    content = source.read_bytes()
    kind = _TYPES.get(name.rpartition(".")[2]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Part(content, kind, f'"{sha256(content).hexdigest()[:32]}"')


@cache
def view_template() -> ViewTemplate:
    """What all pages of representations have in common; takes a moment when it is first asked for."""
    command = [sys.executable, "-c", _WRITE_TEMPLATE]
    # The command line is written here, and nothing of a request is in it.
    done = subprocess.run(command, capture_output=True, timeout=_TEMPLATE_SECONDS, check=True)
    text = done.stdout.decode()
    head, found, tail = text.partition(b64encode(_HELD_FILE).decode())
    policy = _POLICY.search(head)
    if not found or policy is None or _HELD_NAME in tail:
        raise RuntimeError("tuner.view writes a page of another form than the api expects: their versions differ")
    return ViewTemplate(head, tail, policy[1])


def _library() -> Path:
    """The folder of the library, which is not imported for that."""
    found = find_spec("tuner")
    if found is None or found.origin is None:
        raise RuntimeError("the library is not installed beside the api: pip install tuner-neural")
    return Path(found.origin).parent


def _decoder() -> Path:
    """The folder of the decoder, in the installed library or in the checkout."""
    installed = _library() / "web"
    return installed if installed.is_dir() else _library().parent / "web"
