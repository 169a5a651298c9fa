"""Logs as JSON, one object per line on standard error, each with the id of the request it belongs to."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
caller: ContextVar[str | None] = ContextVar("caller", default=None)  # the tenant, and the prefix of its key

# Nothing here writes such things down on purpose; but libraries put what they were called with into their errors.
_SECRETS = [
    (re.compile(r"tnr_([0-9a-f]{12})_[0-9a-f]+"), r"tnr_\1_[hidden]"),
    (re.compile(r"\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 [hidden]"),
    (re.compile(r"\b(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"'\\]+", re.IGNORECASE), r"\1[hidden]"),
    (re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@"), r"\1[hidden]@"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), "whsec_[hidden]"),
]


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message, request id, the record's `fields`, and the traceback if there is one."""

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
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return hide_secrets(json.dumps(line, default=str))


def hide_secrets(text: str) -> str:
    """The text without keys, passwords in addresses, and signatures of presigned URLs."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def configure_logs(level: str) -> None:
    """Send everything, uvicorn's own messages too, through one handler; the access line is ours, not uvicorn's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    # Parsers that speak about every chunk of an upload.
    logging.getLogger("python_multipart").setLevel(logging.WARNING)
