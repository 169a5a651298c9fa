"""Names of files, and what a killed process left."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from api.services.uploads import MAX_FILENAME, SPOOL_PREFIX, Uploads, clean_filename
from api.settings import ApiSettings


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\a.png", "a.png"),
        ("a\x00\r\nb\u202egnp.png", "abgnp.png"),
        ("\ud800.png", "png"),
        ("  ..  ", None),
        ("", None),
        (None, None),
        ("é.png", "é.png"),
        ("x" * 999, "x" * MAX_FILENAME),
        ("x" * 999 + ".png", "x" * (MAX_FILENAME - 4) + ".png"),
        ("x" * 999 + ".nii.gz", "x" * (MAX_FILENAME - 7) + ".nii.gz"),
        ("x" * 999 + "." + "y" * 30 + ".tif", "x" * (MAX_FILENAME - 4) + ".tif"),
        ("x" * 999 + "." + "y" * 300, "x" * MAX_FILENAME),
        ("x" * 195 + "   " + "y" * 99 + ".png", "x" * 195 + ".png"),
    ],
)
def test_only_a_printable_last_part_is_kept(name: str | None, expected: str | None) -> None:
    assert clean_filename(name) == expected


def test_only_old_folders_of_uploads_are_swept(tmp_path: Path) -> None:
    for name, age in ((SPOOL_PREFIX + "old", 1e6), (SPOOL_PREFIX + "new", 0), ("other", 1e6)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "upload").write_bytes(b"x")
        moment = folder.stat().st_mtime - age
        os.utime(folder, (moment, moment))
    unused = Mock()
    Uploads(unused, unused, unused, ApiSettings(spool_dir=tmp_path)).sweep()
    assert {folder.name for folder in tmp_path.iterdir()} == {SPOOL_PREFIX + "new", "other"}
