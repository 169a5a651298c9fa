"""The application as a whole, without its engines: what it imports and how it describes itself."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from api.describe import DOCUMENT, as_text
from api.main import create_app
from api.schemas.patterns import WORDS
from tests.unit.api.test_settings import COMPLETE


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in COMPLETE.items():
            patch.setenv(name, value)
        yield create_app().openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_neither_torch_nor_the_library_is_imported() -> None:
    check = "import sys, api.main; print(sorted({'torch', 'tuner', 'worker', 'numpy', 'PIL'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_document_is_the_one_that_is_checked_in(document: dict[str, Any]) -> None:
    """A change that clients see is a change of this file: `make openapi` writes it."""
    assert json.loads(as_text(document)) == json.loads(DOCUMENT.read_text())


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names)


def test_every_answer_in_json_has_an_example(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media_type, content in holder.get("content", {}).items():
                examples = {"example", "examples"} & content.keys()
                assert examples or not media_type.endswith("json"), operation["operationId"]


def test_what_is_a_tenants_needs_a_key_and_nothing_else_does(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            is_open = path in {"/", "/livez", "/readyz", "/capabilities"} or path.startswith("/problems")
            assert ("security" in operation) is not is_open, path


def test_every_error_response_is_a_problem(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for operation in operations(document):
        refusals = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert "500" in refusals
        for answer in refusals.values():
            content = answer["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["examples"]
            assert list(answer["content"]) == ["application/problem+json"]


def test_the_document_refers_only_to_what_it_has(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    references = {part.partition('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert references <= document["components"]["schemas"].keys()
    assert document["components"]["schemas"]["FitRequest"]["examples"]
    assert document["components"]["schemas"]["FitView"]["example"]


def patterns(part: Any) -> set[str]:
    """All patterns within a part of the document."""
    if isinstance(part, list):
        return set().union(*map(patterns, part))
    if not isinstance(part, dict):
        return set()
    own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
    return own.union(part.get("patternProperties", {}), *map(patterns, part.values()))


def test_every_pattern_can_be_said_in_words(document: dict[str, Any]) -> None:
    """What a request did not match is told to people, too."""
    assert patterns(document) == WORDS.keys()
