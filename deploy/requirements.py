"""What an image has to install before any source is copied: `python -m deploy.requirements EXTRA [KINDS]`.

Of the standard library only, since it runs in an image that has nothing yet. Layers above the list are built again only
when the list changes, not with every change of source. KINDS, such as `audio,volume`, are the kinds of signal besides
pictures and arrays; if nothing is said, all.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OURS = re.compile(r"(?P<name>tuner-neural|tuner-service)(?:\[(?P<extras>[\w,-]+)\])?")


def requirements(extra: str, kinds: str = "", root: Path = ROOT) -> list[str]:
    """Requirements of the service with one extra, without what is ours, each once and in the order of the alphabet.

    Args:
        extra: name of an extra of service/pyproject.toml.
        kinds: extras of the library that take the place of `signals`, with commas between them; empty for all of them.
        root: folder of the checkout.

    Raises:
        KeyError: if there is no such extra.
    """
    projects = {}
    for path in (root / "pyproject.toml", root / "service" / "pyproject.toml"):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        projects[project["name"]] = project

    def of(name: str, extras: Sequence[str]) -> Iterator[str]:
        project = projects[name]
        if kinds and name == "tuner-neural":
            extras = [one for given in extras for one in (kinds.split(",") if given == "signals" else [given])]
        lines = [*project["dependencies"], *(line for one in extras for line in project["optional-dependencies"][one])]
        for line in lines:
            if ours := _OURS.fullmatch(line):
                yield from of(ours["name"], (ours["extras"] or "").split(",") if ours["extras"] else ())
            else:
                yield line

    return sorted(set(of("tuner-service", [extra])))


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in requirements(sys.argv[1], "".join(sys.argv[2:3]))))
