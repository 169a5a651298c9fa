"""One HTML file with a .tnr file, the decoder and its core inside, which asks no server for anything.

The modules of `web/` are joined into two scripts, one for the page and one for its worker: imports are left out and
files put in the order in which they need each other. That takes no build step, but modules that keep to a few forms of
import and export, and top-level names that occur once; whatever else there is, is refused here.
"""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Final

from tuner.errors import ConfigError

PAGE: Final = "viewer/selfcontained.js"
WORKER: Final = "worker.js"
_STYLE: Final = "viewer/viewer.css"

_ENTRIES: Final = ("element.js", "images.js", "worker.js")
_MODULE_END: Final = (
    "configure({ worker: import.meta.url });\n"
    "export { TnrError, TnrFile, TnrImage, configure, define, open, upgradeImages };\n"
)

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"(\.[^"]+)";\n', re.MULTILINE)
# What a page fetches only when a file needs it, and what is inside from the beginning here.
_LATER = re.compile(r'^ *const \{[^}]*\} = await import\("(\.[^"]+)"\);\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class) )", re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export \{[^}]*\};\n", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:const|let|function|class) (\w+)", re.MULTILINE)
_NAMES = re.compile(r"^(?:const|let) \[", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_OTHER_MODULE_SYNTAX = re.compile(r"^(?:import|export)\b", re.MULTILINE)


def page(data: bytes, name: str) -> str:
    """The file as a page.

    Args:
        data: all bytes of a .tnr file.
        name: what the page is called; shown as text, whatever it holds.
    """
    style, script, worker = _source(_STYLE), bundled(PAGE), bundled(WORKER)
    core = files("tuner.core").joinpath("core.wasm").read_bytes()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}' 'wasm-unsafe-eval'",
            f"style-src '{_digest(style)}'",
            "worker-src blob:",
            "img-src blob: data:",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(name)}</title>\n<style>{style}</style>\n"
        f'<script type="text/plain" id="tnr-worker">{worker}</script>\n'
        f"</head>\n<body>\n<main>\n<h1>{escape(name)}</h1>\n"
        '<div id="viewer"><noscript>This page decodes its picture by a script: allow scripts.</noscript></div>\n'
        f'</main>\n<script type="text/plain" id="tnr-core">{b64encode(core).decode()}</script>\n'
        f'<script type="text/plain" id="tnr-file">{b64encode(data).decode()}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def bundled(entry: str) -> str:
    """A module and all that it imports as one script.

    Args:
        entry: path of the module in `web/`.

    Raises:
        ConfigError: if a module has a form of import or export that cannot be joined, or two have a name in common.
    """
    return _joined(entry)


def module() -> str:
    """Element, `<img>` mode, decoder and worker as one module, which a page and its worker both load.

    Raises:
        ConfigError: if a module cannot be joined with the others.
    """
    return _joined(*_ENTRIES) + _MODULE_END


def _joined(*entries: str) -> str:
    """Modules and all that they import as one script, each once."""
    parts: dict[str, str] = {}
    seen: set[str] = set()
    for entry in entries:
        _collect(entry, parts, seen)
    entry, script = entries[-1], "".join(parts.values())
    names = _NAME.findall(script)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"modules of {entry} have {', '.join(twice)} in common, expected names that occur once")
    if "</script" in script.lower() or "<!--" in script:
        raise ConfigError(f"modules of {entry} hold </script or <!--, expected neither: they would end their element")
    return '"use strict";\n' + script


def web_files() -> Traversable:
    """The folder `web/`, in the installed package or in the checkout.

    Raises:
        ConfigError: if there is none.
    """
    installed = files("tuner").joinpath("web")
    if installed.joinpath("tnr.js").is_file():
        return installed
    checkout = Path(__file__).parents[2] / "web"
    if not (checkout / "tnr.js").is_file():
        raise ConfigError("the files of the viewer are missing from this installation: install tuner-neural again")
    return checkout


def _collect(name: str, parts: dict[str, str], seen: set[str]) -> None:
    """Put a module behind those that it imports, and before those that it imports while it runs, each once."""
    if name in seen:
        return
    seen.add(name)
    source = _source(name)
    for imported in _IMPORT.findall(source):
        _collect(_resolved(name, imported), parts, seen)
    body = _EXPORT.sub("", _EXPORT_LIST.sub("", _LATER.sub("", _IMPORT.sub("", _COMMENT.sub("", source)))))
    if found := _OTHER_MODULE_SYNTAX.search(body) or _NAMES.search(body):
        line = body[found.start() :].partition("\n")[0]
        raise ConfigError(f"web/{name} has `{line}`, expected imports and exports by name, and one name a declaration")
    parts[name] = body
    for imported in _LATER.findall(source):
        _collect(_resolved(name, imported), parts, seen)


def _resolved(name: str, imported: str) -> str:
    """The path in `web/` of what a module imports."""
    steps: list[str] = []
    for step in (PurePosixPath(name).parent / imported).parts:
        if step == "..":
            steps.pop()
        else:
            steps.append(step)
    return "/".join(steps)


def _source(name: str) -> str:
    found = web_files()
    for step in name.split("/"):
        found = found.joinpath(step)
    return found.read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
