"""The reading path of README: files that exist, with about as many lines as it says, and both kinds of network."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATH = re.search(
    r"^## Where to read\n(.*?)(?=^## |\Z)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
ROWS = re.findall(r"^\| \d+ \| (.*) \| .* \|$", PATH.group(1) if PATH else "", re.MULTILINE)
FILES = [(name, int(lines)) for row in ROWS for name, lines in re.findall(r"`([^`]+)` (\d+)", row)]


def test_every_file_exists_and_has_about_as_many_lines_as_it_says() -> None:
    assert len(FILES) > 25
    assert sum(row.count("`") for row in ROWS) == 2 * len(FILES), "each file has its number of lines beside it"
    wrong = []
    for name, said in FILES:
        path = ROOT / name
        lines = len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else None
        if lines is None or abs(lines - said) > max(10, lines // 5):
            wrong.append(f"{name}: README says {said}, it has {lines}")
    assert not wrong, "\n".join(wrong)


def test_it_meets_both_kinds_of_network_in_each_part_of_the_library() -> None:
    names = [name for name, _ in FILES]
    for floor in ("network", "targets"):
        for kind in ("sines", "wavelets"):
            assert any(name.startswith(f"tuner/{floor}/{kind}/") for name in names), (floor, kind)
    assert {"worker/app.py", "worker/translate.py", "store/repositories/attempts.py"} <= set(names)
