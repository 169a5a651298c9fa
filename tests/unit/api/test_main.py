"""The application as a whole, without its engines: what it imports and how it describes itself."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from api.main import create_app
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


def test_operation_ids_are_stable(document: dict[str, Any]) -> None:
    assert sorted(operation["operationId"] for operation in operations(document)) == [
        "cancel_fit",
        "clone_fit",
        "complete_upload",
        "create_fit",
        "create_signal",
        "create_upload",
        "delete_signal",
        "delete_upload",
        "get_fit",
        "get_representation",
        "get_signal",
        "get_signal_content",
        "get_upload",
        "head_representation",
        "head_signal_content",
        "list_fit_events",
        "list_fits",
        "list_signals",
        "livez",
        "pause_fit",
        "readyz",
        "resume_fit",
        "retry_fit",
        "welcome",
    ]


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
