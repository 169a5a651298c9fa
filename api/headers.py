"""HTTP headers about versions, ranges and file names, as pure functions (RFC 9110, RFC 6266, RFC 9530)."""

import base64
import re
from urllib.parse import quote

from api.errors import RangeNotSatisfiable

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')
_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._ -]+")


def none_match(header: str | None, etag: str) -> bool:
    """True if If-None-Match names this version (compared weakly, as RFC 9110 section 13.1.2 says): answer 304."""
    return header is not None and _names(header, etag, weakly=True)


def match_fails(header: str | None, etag: str) -> bool:
    """True if If-Match names only other versions (compared strongly): answer 412."""
    return header is not None and not _names(header, etag, weakly=False)


def byte_range(header: str | None, if_range: str | None, *, etag: str, size: int) -> tuple[int, int] | None:
    """First and last byte that are asked for, or None for the whole.

    A malformed range, a list of ranges, and a range of another version all mean the whole, as RFC 9110 allows.

    Raises:
        RangeNotSatisfiable: if the range begins beyond the end.
    """
    asked = _ONE_RANGE.fullmatch(header or "")
    if asked is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = asked.groups()
    if not first and not last:
        return None
    if not first:
        length = min(int(last), size)
        start, end = size - length, size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable(
            f"the file has {size} bytes, asked was {header}", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end


def prefer_wait(header: str | None, *, most: int) -> int | None:
    """Seconds that Prefer asks to wait (RFC 7240), at most `most`; None if it does not ask, or not in numbers."""
    for preference in (header or "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        number = value.strip().strip('"')
        if name.strip().lower() == "wait" and number.isascii() and number.isdecimal():
            return min(int(number[:9]), most)
    return None


def attachment(filename: str) -> str:
    """Content-Disposition for a download: plain for old clients, and in full for all others."""
    plain = "".join(c if _TOKEN.fullmatch(c) else "_" for c in filename)
    if plain == filename:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def digest(sha256: str) -> str:
    """Repr-Digest from a hexadecimal SHA-256."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _names(header: str, etag: str, *, weakly: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = _ENTITY_TAG.findall(header)
    if weakly:
        return etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return not etag.startswith("W/") and etag in tags
