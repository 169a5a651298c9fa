"""ETags, ranges and file names, case by case."""

import pytest

from api import headers
from api.errors import RangeNotSatisfiable

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        ('"abcd"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(header: str | None, expected: bool) -> None:
    assert headers.none_match(header, ETAG) is expected


@pytest.mark.parametrize(
    ("header", "expected"), [(None, False), ('"abc"', False), ("*", False), ('W/"abc"', True), ('"x"', True)]
)
def test_if_match_compares_strongly(header: str | None, expected: bool) -> None:
    assert headers.match_fails(header, ETAG) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=2-5", (2, 5)),
        ("bytes=5-", (5, 9)),
        ("bytes=0-99", (0, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        ("BYTES=1-2", (1, 2)),
        (None, None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-" + "9" * 40, None),
    ],
)
def test_byte_range_of_ten_bytes(header: str | None, expected: tuple[int, int] | None) -> None:
    assert headers.byte_range(header, None, etag=ETAG, size=10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_beyond_the_end_names_the_size(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        headers.byte_range(header, None, etag=ETAG, size=10)
    assert caught.value.headers == {"Content-Range": "bytes */10"}


@pytest.mark.parametrize(("if_range", "partial"), [(ETAG, True), ('"other"', False), ('W/"abc"', False)])
def test_if_range_of_another_version_gets_the_whole(if_range: str, partial: bool) -> None:
    found = headers.byte_range("bytes=0-1", if_range, etag=ETAG, size=10)
    assert found == ((0, 1) if partial else None)


def test_attachment_carries_any_name() -> None:
    assert headers.attachment("a b.tnr") == 'attachment; filename="a b.tnr"'
    assert (
        headers.attachment('näh"e\r\n.tnr')
        == "attachment; filename=\"n_h_e__.tnr\"; filename*=UTF-8''n%C3%A4h%22e%0D%0A.tnr"
    )


def test_digest_is_base64_of_the_hash() -> None:
    assert headers.digest("00" * 32) == "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
