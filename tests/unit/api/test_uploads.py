"""Names of files."""

import pytest

from api.services.uploads import MAX_FILENAME, clean_filename


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
    ],
)
def test_only_a_printable_last_part_is_kept(name: str | None, expected: str | None) -> None:
    assert clean_filename(name) == expected
