"""Uploads and requests that no honest client sends, each with the answer it must get.

`{signal}`, `{fit}` and `{done}` in a path stand for a signal, a queued fit and one with a representation. An answer of
200 or 201 is among them where the input is only odd, and refusing it would be wrong.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.integration.api.images import animation, array, bomb, chunk, pages, png, shaped, sound

JSON = {"Content-Type": "application/json"}
BODY = {"Content-Type": "image/png"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
ABSENT = "sig_" + "0" * 32
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Request:
    """What is sent and what must come back; without a code, the answer is no problem document."""

    name: str
    status: int
    code: str | None
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class RawRequest:
    """Bytes for the socket, and the statuses one of which must come back.

    There are two where it depends on how the bytes are cut on their way.
    """

    name: str
    content: bytes
    statuses: tuple[int, ...]


REQUESTS: list[Request] = []
RAW_REQUESTS: list[RawRequest] = []


def upload(name: str, status: int, code: str | None, content: bytes, headers: Mapping[str, str] = BODY) -> None:
    REQUESTS.append(Request(f"upload: {name}", status, code, "POST", "/signals", headers, content))


def form(name: str, status: int, code: str | None, *parts: bytes, end: bytes = b"--b--\r\n") -> None:
    upload(f"form, {name}", status, code, b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end, FORM)


def fit(name: str, status: int, code: str | None, content: bytes, headers: Mapping[str, str] = JSON) -> None:
    REQUESTS.append(Request(f"fit: {name}", status, code, "POST", "/fits", headers, content))


def field_of_fit(name: str, **fields: object) -> None:
    """A fit of an absent signal: were the field let through, the answer would be 404."""
    fit(name, 422, "invalid_request", json.dumps({"signal_id": ABSENT} | fields).encode())


def get(name: str, status: int, code: str | None, path: str, **headers: str) -> None:
    sent = {header.replace("_", "-"): value for header, value in headers.items()}
    REQUESTS.append(Request(name, status, code, "GET", path, sent))


def raw(name: str, content: bytes, *statuses: int) -> None:
    RAW_REQUESTS.append(RawRequest(name, content, statuses or (400,)))


def header_of(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def file_part(filename: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="file"; filename=' + filename + b"\r\n\r\n" + png()


END = chunk(b"IEND", b"")
DATA = chunk(b"IDAT", zlib.compress(b"\0" * 1000))

# Files that are none, or none of ours.
upload("text", 415, "unsupported_format", b"This is a text and no picture.")
upload("HTML", 415, "unsupported_format", b"<!doctype html><script>alert(1)</script>")
upload(
    "SVG",
    415,
    "unsupported_format",
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
)
upload("PDF", 415, "unsupported_format", b"%PDF-1.7\n" + b"x" * 100)
upload("archive", 415, "unsupported_format", b"PK\x03\x04" + b"\0" * 100)
upload("program", 415, "unsupported_format", b"\x7fELF" + b"\0" * 100)
upload("pickle", 415, "unsupported_format", b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93.")
upload("GIF", 415, "unsupported_format", png(form="GIF"))
upload("BMP", 415, "unsupported_format", png(form="BMP"))
upload("icon", 415, "unsupported_format", png(size=(16, 16), form="ICO"))
upload("zeros", 415, "unsupported_format", bytes(1000))
upload("one byte", 415, "unsupported_format", b"x")
upload("nothing", 422, "empty_upload", b"")

# Pictures that lie.
upload("signature only", 422, "damaged_signal", SIGNATURE)
upload("cut in its header", 422, "damaged_signal", png()[:20])
upload("cut in its data", 422, "damaged_signal", png(size=(64, 64))[:-40])
upload("cut JPEG", 422, "damaged_signal", png(size=(64, 64), form="JPEG")[:-100])
upload("cut WebP", 422, "damaged_signal", png(size=(64, 64), form="WEBP")[:-40])
upload("cut TIFF", 422, "damaged_signal", png(size=(64, 64), form="TIFF")[:-100])
upload("no pixels wide", 422, "damaged_signal", header_of(0, 4) + DATA + END)
upload("no pixels at all", 422, "damaged_signal", header_of(0, 0) + DATA + END)
upload("no data", 422, "damaged_signal", header_of(4, 4) + END)
upload("data that is no zlib", 422, "damaged_signal", header_of(4, 4) + chunk(b"IDAT", b"x" * 50) + END)
upload("wrong checksum", 422, "damaged_signal", png()[:29] + b"\0\0\0\0" + png()[33:])
upload("renamed chunk", 422, "damaged_signal", png(size=(4, 4)).replace(b"IDAT", b"IDAX"))
upload("chunk of 2 GB", 422, "damaged_signal", header_of(4, 4) + struct.pack(">I", 2**31 - 1) + b"IDATxx")
upload("colour type 9", 422, "damaged_signal", header_of(4, 4, colour=9) + DATA + END)
upload("60,000 x 60,000", 413, "signal_too_large", bomb())
upload("2^31-1 x 1", 413, "signal_too_large", header_of(2**31 - 1, 1) + DATA + END)
upload("two frames", 415, "unsupported_format", animation())
upload("two pages", 201, None, pages())
upload("PNG named TIFF", 201, None, png(), {"Content-Type": "image/tiff"})
upload("one pixel", 201, None, png(size=(1, 1)))
upload("rubbish after its end", 201, None, png() + b"rubbish" * 10)

# Other kinds that lie.
upload("cut sound", 422, "damaged_signal", sound()[:200])
upload("sound that starts as a picture", 422, "damaged_signal", SIGNATURE + sound())
upload("sound of another name", 415, "unsupported_format", b"RIFX" + sound()[4:])
upload("array with NaN", 422, "invalid_signal", array(float("nan")))
upload("array of objects", 415, "unsupported_format", array(1.0).replace(b"<f8", b"|O8"))
upload("sound", 201, None, sound(), {"Content-Type": "audio/wav"})
for shape, status, code in (
    (b"(-1,-6)", 422, "damaged_signal"),
    (b"(True,6)", 422, "damaged_signal"),
    (b"(0,100000000000000000000)", 422, "invalid_signal"),
    (b"(9223372036854775808,9223372036854775808)", 413, "signal_too_large"),
):
    upload(f"array of shape {shape.decode()}", status, code, shaped(shape))
upload("array", 201, None, array(1.0))

# Bodies that are not read.
upload("of a type that is none", 415, "unsupported_media_type", png(), {"Content-Type": "image"})
upload("as text", 415, "unsupported_media_type", png(), {"Content-Type": "text/plain"})
upload("of no type", 415, "unsupported_media_type", png(), {})
upload("as JSON", 415, "unsupported_media_type", b"{}", JSON)
upload("packed", 415, "unsupported_media_type", png(), BODY | {"Content-Encoding": "gzip"})
upload("form without boundary", 400, "malformed_upload", png(), {"Content-Type": "multipart/form-data"})
upload("form with empty boundary", 400, "malformed_upload", png(), {"Content-Type": "multipart/form-data; boundary="})
upload("form that is none", 400, "malformed_upload", png(), FORM)
form("no part", 422, "missing_file")
form("another field", 422, "missing_file", b'Content-Disposition: form-data; name="picture"\r\n\r\nx')
form("no name", 422, "missing_file", b"Content-Disposition: form-data\r\n\r\nx")
form("no headers", 422, "missing_file", b"\r\nx")
form("two files", 400, "malformed_upload", file_part(b"a.png"), file_part(b"b.png"))
form("no end", 400, "malformed_upload", file_part(b"a.png"), end=b"")
form("a header without end", 400, "malformed_upload", b"X: " + b"x" * 100_000 + b"\r\n\r\n", file_part(b"a.png"))
form("5,000 parts", 400, "malformed_upload", *[b"A: b\r\n\r\nx"] * 5_000)
form("a name that climbs", 201, None, file_part(b'"../../etc/passwd"'))
form("a name with NUL", 201, None, file_part(b'"a\0b.png"'))
form("a name in bytes", 201, None, file_part(b'"\xff\xfe.png"'))
form("a name written backwards", 201, None, file_part('"gnp.\u202eexe"'.encode()))
form("a long name", 201, None, file_part(b'"' + b"x" * 3_000 + b'.png"'))
REQUESTS.append(
    Request("upload: name of 1,001", 422, "invalid_request", "POST", f"/signals?filename={'x' * 1001}", BODY, png())
)

# JSON that is none, or too much.
fit("not JSON", 400, "malformed_json", b"{signal_id: 1}")
fit("cut JSON", 400, "malformed_json", b'{"signal_id": "sig_')
fit("no body", 422, "invalid_request", b"")
fit("20,000 deep", 400, "malformed_json", b"[" * 20_000)
fit("20,000 deep and closed", 400, "malformed_json", b'{"a":' * 9_000 + b"1" + b"}" * 9_000)
fit("invalid UTF-8", 400, "malformed_json", b'{"signal_id": "\xff"}')
fit("a number of 5,000 digits", 400, "malformed_json", b'{"seed": ' + b"9" * 5_000 + b"}")
fit("NaN", 400, "malformed_json", b'{"signal_id": "' + ABSENT.encode() + b'", "target_psnr_db": NaN}')
fit("Infinity", 400, "malformed_json", b'{"signal_id": "' + ABSENT.encode() + b'", "max_seconds": -Infinity}')
fit("a number beyond all", 422, "invalid_request", b'{"signal_id": "' + ABSENT.encode() + b'", "max_seconds": 1e999}')
fit("one name twice", 400, "malformed_json", b'{"signal_id": "x", "signal_id": "' + ABSENT.encode() + b'"}')
fit("half a character as a name", 422, "invalid_request", b'{"\\ud800": 1}')
fit("half a character as a value", 422, "invalid_request", b'{"signal_id": "\\udfff"}')
fit("a list", 422, "invalid_request", b"[]")
fit("null", 422, "invalid_request", b"null")
fit("a text", 422, "invalid_request", b'"fit"')
fit("70 kB of spaces", 413, "content_too_large", b" " * 70_000)
fit("XML", 415, "unsupported_media_type", b"<fit/>", {"Content-Type": "application/xml"})
fit("a form", 415, "unsupported_media_type", b"signal_id=1", {"Content-Type": "application/x-www-form-urlencoded"})
fit("no type", 415, "unsupported_media_type", b"{}", {})
field_of_fit("an unknown member", width=3)
field_of_fit("an unknown member inside", network={"depth": 3})
field_of_fit("a prototype", __proto__={"admin": True})
field_of_fit("a signal that climbs", signal_id="../../etc/passwd")
field_of_fit("a signal with NUL", signal_id="sig_" + "0" * 31 + "\0")
field_of_fit("a signal of 10,000", signal_id="sig_" + "0" * 10_000)
field_of_fit("a signal with SQL", signal_id="sig_' OR 1=1 --")
field_of_fit("a seed of text", seed="x")
field_of_fit("a seed too large", seed=2**31)
field_of_fit("a seed below zero", seed=-1)
field_of_fit("no steps", max_steps=0)
field_of_fit("no layers", network={"hidden": []})
field_of_fit("five layers", network={"hidden": [8] * 5})
field_of_fit("a layer of a million", network={"hidden": [10**6]})
field_of_fit("a priority of 101", priority=101)
field_of_fit("an effort that is none", effort="most")
for label, key in {"empty": "", "spaces": "a b", "256 characters": "x" * 256, "not ASCII": "clé"}.items():
    fit(
        f"idempotency key: {label}",
        422,
        "invalid_request",
        b'{"signal_id": "%s"}' % ABSENT.encode(),
        JSON | {"Idempotency-Key": key},
    )

# Queries.
for query in (
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=x",
    "limit=1e3",
    "limit=",
    f"limit={10**30}",
    "cursor=x",
    "cursor=%00",
):
    get(f"fits?{query}", 422, "invalid_request", f"/fits?{query}")
get("a cursor of the other list", 422, "invalid_request", f"/fits?cursor={ABSENT}")
get("a cursor with a line's end", 422, "invalid_request", f"/signals?cursor={ABSENT}%0a")
get("a status that is none", 422, "invalid_request", "/fits?status=done")
for query in ("after=-1", f"after={2**31}", "after=x", "limit=1001"):
    get(f"events?{query}", 422, "invalid_request", f"/fits/{{fit}}/events?{query}")
for last in ("-1", "x", str(2**31), "1,2"):
    get(f"Last-Event-ID {last}", 422, "invalid_request", "/fits/{fit}/events", Last_Event_ID=last)

# Ids.
for label, odd in {
    "short": "fit_x",
    "NUL": "%00",
    "climbing": "..%2f..%2fetc%2fpasswd",
    "3,000 long": "x" * 3_000,
    "of a signal": ABSENT,
    "capitals": "fit_" + "A" * 32,
    "other digits": "fit_" + "%D9%A1" * 32,
    "a line's end": "fit_" + "0" * 32 + "%0a",
    "no UTF-8": "fit_%ff%fe",
}.items():
    code = "route_not_found" if "%2f" in odd else "fit_not_found"
    get(f"id: {label}", 404, code, f"/fits/{odd}")
get("an id of nothing", 404, "route_not_found", "/signals//content")

# Ranges and versions.
get("range beyond the end", 416, "range_not_satisfiable", "/fits/{done}/representation", Range="bytes=999999-")
get("range of the last 0", 416, "range_not_satisfiable", "/fits/{done}/representation", Range="bytes=-0")
for odd in ("bytes=5-1", "bytes=a-b", "bytes=0-0,2-3", "lines=1-2", "bytes=", f"bytes={10**30}-", "bytes=-", "x"):
    get(f"range {odd}", 200, None, "/fits/{done}/representation", Range=odd)
get("a part of another version", 200, None, "/fits/{done}/representation", Range="bytes=0-1", If_Range='"other"')
for odd in ('"other"', "W/*", "not quoted", '"'):
    get(f"If-Match {odd}", 412, "precondition_failed", "/fits/{done}/representation", If_Match=odd)
    get(f"If-None-Match {odd}", 200, None, "/fits/{done}/representation", If_None_Match=odd)

# Methods, keys, ids of requests.
get("20 kB of a header", 431, "head_too_large", "/fits", X_Long="x" * 20_000)
get("20 kB of a query", 431, "head_too_large", f"/fits?x={'x' * 20_000}")
for method, path in (
    ("PUT", "/fits"),
    ("TRACE", "/signals"),
    ("FOO", "/"),
    ("POST", "/livez"),
):
    REQUESTS.append(Request(f"{method} {path}", 405, "method_not_allowed", method, path))
for value in ("Bearer", "Bearer x", "Basic eDp4", "tnr_0", "Bearer " + "x" * 5_000):
    get(f"key {value[:12]}", 401, "key_malformed", "/fits", Authorization=value)
get("an unknown key", 401, "key_unknown", "/fits", Authorization=f"Bearer tnr_{'0' * 12}_{'0' * 64}")
get("a request id with markup", 200, None, "/fits?limit=1", X_Request_Id="<script>")

# What is no HTTP.
HEAD = b"GET /fits HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /signals HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
raw("noise", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n")
raw("no version", b"GET /\r\nHost: localhost\r\n\r\n")
raw("no host", b"GET /fits HTTP/1.1\r\n\r\n")
raw("a line of 100 kB", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 431)
raw("a header of 100 kB", HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", 400, 431)
raw("2,000 headers", HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 50) for n in range(2_000)) + b"\r\n", 400, 431)
raw("NUL in a header", HEAD + b"X: a\0b\r\n\r\n")
raw("a space before the colon", HEAD + b"Content-Length : 3\r\n\r\nabc")
raw("a length below zero", POST + b"Content-Length: -1\r\n\r\n")
raw("a length of text", POST + b"Content-Length: x\r\n\r\n")
raw("two lengths", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
raw("a length beside chunks", POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 422)
raw("a chunk of text", POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n")
raw("an encoding of its own", POST + b"Transfer-Encoding: gzip\r\n\r\nabc")
raw("a terabyte, it says", POST + b"Content-Length: 1000000000000\r\n\r\n", 413)
