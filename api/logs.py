"""Logs of the api: as everywhere, and uvicorn's own messages among them; the line on each request is ours, not its."""

import logging

from store.logs import write_logs


def configure_logs(level: str) -> None:
    """Send everything through one handler."""
    write_logs(level)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    # Parsers that speak about every chunk of an upload.
    logging.getLogger("python_multipart").setLevel(logging.WARNING)
