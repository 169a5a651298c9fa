"""Logs of all processes as JSON, one object a line on standard error, with the ids of what each line belongs to.

Those are the request, and in a worker the fit and the request that asked for it; and the trace, where there is one
(`store.tracing`), so that one search finds what every process had to say.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from store.tracing import trace_id

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
caller: ContextVar[str | None] = ContextVar("caller", default=None)  # the tenant, and the prefix of its key
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))

# Nothing here writes such things down on purpose; but libraries put what they were called with into their errors.
_SECRETS = [
    (re.compile(r"tnr_([0-9a-f]{12})_[0-9a-f]+"), r"tnr_\1_[hidden]"),
    (re.compile(r"\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 [hidden]"),
    (re.compile(r"\b(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"'\\]+", re.IGNORECASE), r"\1[hidden]"),
    (re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@"), r"\1[hidden]@"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), "whsec_[hidden]"),
]


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message, the ids, the record's `fields`, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        if (asking := caller.get()) is not None:
            line["caller"] = asking
        if (trace := trace_id()) is not None:
            line["trace_id"] = trace
        line |= _about.get()
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return hide_secrets(json.dumps(line, default=str))


def hide_secrets(text: str) -> str:
    """The text without keys, passwords in addresses, and signatures of presigned URLs."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def write_logs(level: int | str) -> None:
    """Send everything through one handler, to standard error.

    Args:
        level: the least level that is written, such as "INFO".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


@contextmanager
def about(**what: str | None) -> Iterator[None]:
    """Name what is worked on in every line that is written meanwhile by this thread.

    Args:
        what: ids by the names under which lines have them, such as `fit_id`; None is left out.
    """
    token = _about.set({**_about.get(), **{name: value for name, value in what.items() if value is not None}})
    try:
        yield
    finally:
        _about.reset(token)
