"""Every operation of the OpenAPI document, on both clients, against every way in which an answer can be wrong."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from tests.unit.tuner_client.canned import Canned, canned
from tuner_client import AsyncClient, Client, ClientError, FileChanged, ServerError, UnexpectedAnswer, WaitedTooLong
from tuner_client.calls import chunks_of
from tuner_client.models import Answer, Download, FileHead

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "api" / "openapi.json").read_text("utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    described["operationId"]: (method.upper(), path, described)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
}
# What is named in another way than in the document, because it is a word of Python's or has no good name there.
RENAMED = {"label": "labels", "prefer": "wait_seconds", "last-event-id": "after", "idempotency-key": "idempotency_key"}
# Query members that are a method of their own, or an order that a story gives by itself.
ELSEWHERE = {("create_fit", "validate_only"), *((f"get_{view}", "prefer") for view in ("gradient", "spectrum"))}
ELSEWHERE |= {("get_reconstruction", "prefer")}
GIVEN = {
    "labels": {"album": "sea"},
    "request": {"signal_id": "sig_1"},
    "requests": [{"signal_id": "sig_1"}],
    "size": 1,
    "sha256": "0" * 64,
    "url": "https://example.com/hook",
}


@pytest.fixture
def service() -> Iterator[Canned]:
    """A server of the test alone: what an earlier test gave up on may be read by its server much later."""
    with canned() as running:
        yield running


def needed(name: str, folder: Path) -> dict[str, Any]:
    """Values for what a method cannot do without."""
    source = folder / "source.bin"
    if not source.exists():
        source.write_bytes(b"x")
    files = {"path": source, "target": folder / "target" / f"{name}.bin"}
    files["target"].parent.mkdir(exist_ok=True)
    names = [one.name for one in signature(getattr(Client, name)).parameters.values() if one.default is Parameter.empty]
    return {one: (files | GIVEN).get(one, "id_1") for one in names[1:]}


def tried(service: Canned, folder: Path, timeout: float | None = 5) -> dict[str, Any]:
    """What comes of every operation, on both clients, all at the same time: a value or an exception."""

    def call(client: Client, name: str) -> Any:
        try:
            value = getattr(client, name)(**needed(name, folder), timeout=timeout)
            return list(value) if isinstance(value, Iterator) else value
        except Exception as error:
            return error

    async def ended(client: AsyncClient, name: str) -> Any:
        value = getattr(client, name)(**needed(name, folder), timeout=timeout)
        return [item async for item in value] if isinstance(value, AsyncIterator) else await value

    async def story() -> list[Any]:
        async with AsyncClient(service.url) as client:
            calls = [ended(client, name) for name in OPERATIONS]
            return await asyncio.gather(*calls, return_exceptions=True)

    with Client(service.url) as client, ThreadPoolExecutor(len(OPERATIONS)) as threads:
        found = dict(zip(OPERATIONS, threads.map(lambda name: call(client, name), OPERATIONS), strict=True))
    found |= {f"await {name}": value for name, value in zip(OPERATIONS, asyncio.run(story()), strict=True)}
    assert not list((folder / "target").iterdir()), "a file was left"
    return found


def others(found: dict[str, Any], kind: type[Exception]) -> dict[str, str]:
    """Those that did not end in this kind of error."""
    return {name: repr(value) for name, value in found.items() if type(value) is not kind}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_operation_has_a_method_with_its_parameters(client: type[Client] | type[AsyncClient]) -> None:
    missing: list[str] = []
    for name, (_, _, described) in OPERATIONS.items():
        if not hasattr(client, name):
            missing.append(name)
            continue
        known = signature(getattr(client, name)).parameters
        asked = [one["name"] for one in described.get("parameters", []) if (name, one["name"]) not in ELSEWHERE]
        missing += [f"{name}({one})" for one in [*asked, "timeout"] if RENAMED.get(one, one) not in known]
    assert not missing, f"the document has these and {client.__name__} has not: {missing}"


def test_both_clients_have_the_same_methods() -> None:
    one, other = (
        {name: getattr(kind, name).__doc__ for name in dir(kind) if not name.startswith("_")}
        for kind in (Client, AsyncClient)
    )
    assert set(other) - set(one) == {"send", "opened"}
    assert set(one) <= set(other)
    assert all(one.values())


def test_each_asks_what_the_document_says(service: Canned, tmp_path: Path) -> None:
    service.says("400 Bad Request", json.dumps({"code": "some_code"}))
    tried(service, tmp_path)
    asked = {line.partition("?")[0].removesuffix(" HTTP/1.1") for line in service.asked}
    expected = {f"{method} {re.sub(r'{[^}]*}', 'id_1', path)}" for method, path, _ in OPERATIONS.values()}
    assert asked == expected
    assert len(service.asked) == 2 * len(OPERATIONS)


def page(kind: str, status: str = "200 OK") -> Callable[[Canned], None]:
    return lambda service: service.says(status, "<!doctype html><p>Welcome", kind)


def without(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


NOT_OURS: dict[str, Callable[[Canned], None]] = {
    "a page that says that it is JSON": page("application/json"),
    "moved": lambda service: service.says("301 Moved Permanently", location="https://example.com/"),
    "not changed": lambda service: service.says("304 Not Modified", **without("content-length")),
    "half a document": lambda service: service.says("200 OK", '{"id": "sig_'),
    "a list": lambda service: service.says("200 OK", "[]"),
    "no members": lambda service: service.says("200 OK", "{}"),
    "deep": lambda service: service.says("200 OK", "[" * 100_000),
    "packed, it says": lambda service: service.says("200 OK", "x" * 50, content_encoding="gzip"),
    "a wrong hash": lambda service: service.says("206 Partial Content", "x", etag='"' + "0" * 64 + '"'),
}


@pytest.mark.parametrize("answer", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_no_answer_of_the_service_is_one_error(
    service: Canned, tmp_path: Path, answer: Callable[[Canned], None]
) -> None:
    answer(service)
    found = tried(service, tmp_path)
    if service.answer.startswith(b"HTTP/1.1 200") and b"content-type: text/plain" in service.answer:
        found = {name: value for name, value in found.items() if not name.endswith(" metrics")}
    assert not others(found, UnexpectedAnswer)
    assert len(service.asked) == 2 * len(OPERATIONS), "none of these gets better by asking again"


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable"])
@pytest.mark.parametrize("body", ["<p>Sorry", '{"code": 5, "detail": []}'])
def test_an_error_is_one_of_ours_whatever_its_body_is(service: Canned, tmp_path: Path, status: str, body: str) -> None:
    service.says(status, body, retry_after="3600")
    assert not others(tried(service, tmp_path), ServerError)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx", b"\x00\x01 nonsense\r\n\r\n"]
)
def test_a_connection_that_breaks_is_an_error_of_ours(service: Canned, tmp_path: Path, answer: bytes) -> None:
    service.answer = answer
    found = tried(service, tmp_path, timeout=0.3)
    assert not {name: repr(value) for name, value in found.items() if not isinstance(value, ClientError)}


HEAD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "' + b"0" * 64 + b'"\r\n'


@pytest.mark.parametrize("begins", [b"", HEAD + b"X-Slow: ", HEAD + b"\r\n", b"HTTP/1.1 503 Busy\r\n\r\n"])
def test_every_call_is_back_in_time(service: Canned, tmp_path: Path, begins: bytes) -> None:
    service.answer, service.drips = begins, True
    late = others(tried(service, tmp_path, timeout=0.4), WaitedTooLong)
    # Whoever follows is told by the head of an answer that it is no stream, and waits for no more of it; on a machine
    # that is busy the head itself may come after the time.
    no_stream = {"await follow_fits", "follow_fits"} if begins == HEAD + b"\r\n" else set()
    assert set(late) <= no_stream
    assert all(said.startswith(UnexpectedAnswer.__name__) for said in late.values())


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_time_that_cannot_be_meant_is_refused(service: Canned, tmp_path: Path, timeout: float) -> None:
    assert not others(tried(service, tmp_path, timeout=timeout), ValueError)
    assert not service.asked


def answer_of(name: str) -> Any:
    """The schema of what an operation answers in JSON, if it does."""
    for status, described in OPERATIONS[name][2]["responses"].items():
        content = described.get("content", {})
        if status[0] == "2" and set(content) & {"application/json"} and len(content) <= 2:
            schema = content["application/json"]["schema"]
            return schema["anyOf"][0] if "anyOf" in schema else schema
    return None


def example(schema: dict[str, Any]) -> Any:
    """The least that a schema allows, as a value."""
    if "$ref" in schema:
        return example(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return None if {"type": "null"} in schema["anyOf"] else example(schema["anyOf"][0])
    if schema.get("format") == "date-time":
        return "2026-11-29T10:00:00Z"
    if "enum" in schema or "const" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema["type"] == "object":
        return {member: example(inner) for member, inner in schema.get("properties", {}).items()}
    if schema["type"] == "array":
        return [example(schema["items"])]
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True}[schema["type"]]


def models() -> dict[str, tuple[type[Answer], dict[str, Any]]]:
    """Operations that are read as a model, with their schemas."""
    found = {}
    for name in filter(partial(hasattr, Client), OPERATIONS):  # another test names those that are missing
        kind, schema = signature(getattr(Client, name)).return_annotation, answer_of(name)
        if isinstance(kind, type) and issubclass(kind, Answer) and kind not in (Download, FileHead) and schema:
            found[name] = (kind, schema)
    return found


def differences(kind: Any, schema: dict[str, Any], where: str) -> list[str]:
    """Members that only one of a model and a schema has."""
    if get_origin(kind) is UnionType:
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is list:
        kind = get_args(kind)[0]
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    for step in ("anyOf", "items"):
        schema = schema[step][0] if step == "anyOf" and step in schema else schema.get(step, schema)
    schema = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    theirs, ours = schema["properties"], kind.model_fields
    unlike = [f"{where}.{name}" for name in set(theirs) ^ set(ours)]
    for name in set(theirs) & set(ours):
        unlike += differences(ours[name].annotation, theirs[name], f"{where}.{name}")
    return unlike


def test_the_models_have_the_members_of_the_document() -> None:
    read = models()
    assert len(read) > 30
    assert not [line for name, (kind, schema) in read.items() for line in differences(kind, schema, name)]


@pytest.mark.parametrize("name", models())
def test_what_the_document_promises_is_read_and_less_is_refused(service: Canned, tmp_path: Path, name: str) -> None:
    kind, schema = models()[name]
    whole = example(schema) | {"of_a_newer_release": 1}
    with Client(service.url) as client:
        method, given = getattr(client, name), needed(name, tmp_path)
        service.says("200 OK", json.dumps(whole))
        answer = method(**given)
        assert type(answer) is kind
        assert answer.raw.keys() == whole.keys()
        for member, field in kind.model_fields.items():
            for broken in [[[[0.5]]]] if not field.is_required() else [[[[0.5]]], None]:
                service.says("200 OK", json.dumps(whole | {member: broken}))
                with pytest.raises(UnexpectedAnswer, match=member):
                    method(**given)


def test_the_key_goes_to_the_service_alone(service: Canned, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"x")
    with canned() as store, Client(service.url, api_key="secret") as client:
        part = {"number": 1, "bytes": 1, "url": f"{store.url}/part?signature=1", "received": False}
        upload = example({"$ref": "#/components/schemas/UploadView"}) | {"bytes": 1, "parts": [part], "signal_id": None}
        service.says("200 OK", json.dumps(upload))
        store.says("200 OK")
        with pytest.raises(UnexpectedAnswer):  # the end of the upload is answered with an upload, and no signal
            client.upload(path, upload_id="upl_1")
        assert store.asked == ["PUT /part?signature=1 HTTP/1.1"]
        assert "secret" not in store.heads[0]
        assert "authorization" not in store.heads[0].lower()
        assert all("Bearer secret" in head for head in service.heads)


@pytest.mark.parametrize("now", [b"", b"xx", b"x" * 300_000])
def test_a_file_that_changes_while_it_is_sent_is_told(
    service: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: bytes
) -> None:
    path = tmp_path / "log.bin"
    path.write_bytes(b"abc")

    def changed(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        path.write_bytes(now)
        return chunks_of(*args, **kwargs)

    monkeypatch.setattr("tuner_client.operations.signals.chunks_of", changed)
    with Client(service.url) as client, pytest.raises(FileChanged, match="had 3 bytes"):
        client.create_signal(path)
