"""The log: one JSON object per line, and nothing secret in it, whatever a library puts into its errors."""

import json
import logging
import sys

import pytest

from store.logs import JsonFormatter

KEY = f"tnr_{'a1' * 6}_{'b2' * 32}"
URL = "http://127.0.0.1:8333/b/k?X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=deadbeef&response-content-type=x"


def line(message: str, error: Exception | None = None, **fields: object) -> str:
    record = logging.LogRecord("api", logging.ERROR, __file__, 1, message, (), None)
    record.fields = fields
    if error is not None:
        try:
            raise error
        except type(error):
            record.exc_info = sys.exc_info()
    return JsonFormatter().format(record)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"sent {KEY}", "b2b2"),
        ("Authorization: Bearer abcdefghij", "abcdefghij"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        (URL, "deadbeef"),
        (URL, "AKIA"),
        ("postgresql+psycopg://tuner:hunter2@db:5432/tuner", "hunter2"),
        ("redis://:hunter2@127.0.0.1:6379/0", "hunter2"),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8G"),
    ],
)
def test_secrets_are_hidden_wherever_they_stand(text: str, secret: str) -> None:
    for written in (line(text), line("failed", RuntimeError(f"cannot use {text!r}")), line("failed", detail=text)):
        assert json.loads(written)["level"] == "error"
        assert secret not in written


def test_what_is_no_secret_stays() -> None:
    text = f"GET {URL} with tnr_{'a1' * 6} from http://127.0.0.1:8333/bearer"
    written = json.loads(line(text))["message"]
    assert "response-content-type=x" in written
    assert f"tnr_{'a1' * 6} from http://127.0.0.1:8333/bearer" in written
