"""The file inside a form, however the bytes are cut."""

import pytest

from api.errors import MalformedUpload, MissingFile
from api.services.multipart import FilePart

TYPE = "multipart/form-data; boundary=frontier"
FILE = bytes(range(256)) + b"\r\n--frontie\r\n" + b"\r\n--"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + b"--frontier--\r\n"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename else ""
    return f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_the_bytes_of_the_file_and_nothing_else(size: int) -> None:
    body = form(part("note", b"x" * 50), part("file", FILE, "päth.png"), part("more", b"y"))
    reader = FilePart(TYPE)
    found = b"".join(reader.feed(body[at : at + size]) for at in range(0, len(body), size))
    reader.close()
    assert found == FILE
    assert reader.filename == "päth.png"


def test_a_form_without_the_field_is_named_so() -> None:
    reader = FilePart(TYPE)
    assert reader.feed(form(part("picture", FILE, "a.png"))) == b""
    with pytest.raises(MissingFile):
        reader.close()


def test_a_form_that_breaks_off_is_malformed() -> None:
    reader = FilePart(TYPE)
    reader.feed(form(part("file", FILE, "a.png"))[:-10])
    with pytest.raises(MalformedUpload):
        reader.close()


@pytest.mark.parametrize(
    "body", [b"no form at all", form(part("file", b"1", "a"), part("file", b"2", "b")), b"--other\r\n\r\n--other--"]
)
def test_what_is_no_form_of_one_file(body: bytes) -> None:
    reader = FilePart(TYPE)
    with pytest.raises(MalformedUpload):
        reader.feed(body)


@pytest.mark.parametrize("header", ["multipart/form-data", f"multipart/form-data; boundary={'b' * 5000}"])
def test_a_boundary_is_needed(header: str) -> None:
    with pytest.raises(MalformedUpload):
        FilePart(header)


@pytest.mark.parametrize(
    "piece",
    [b"--frontier\r\n\r\n\r\n", b"--frontier\r\nX-Long: " + b"x" * 900 + b"\r\n\r\n\r\n"],
    ids=["empty parts", "long headers"],
)
def test_a_form_of_far_too_much_is_left_early(piece: bytes) -> None:
    reader = FilePart(TYPE)
    reader.feed(piece * 15)
    with pytest.raises(MalformedUpload):
        reader.feed(piece * 100)


def test_a_hundred_parts_are_read() -> None:
    reader = FilePart(TYPE)
    assert reader.feed(form(*[part("note", b"x")] * 99, part("file", b"content", "a.png"))) == b"content"
    reader.close()
