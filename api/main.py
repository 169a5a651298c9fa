"""The HTTP process: `uvicorn api.main:create_app --factory`.

Everything it needs to know comes from the environment (see `api/settings.py`, `store/settings.py`). It imports neither
torch nor the library: signals are looked into by a separate process, and facts about results are columns.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api import errors
from api.dependencies import Services
from api.logs import configure_logs
from api.middleware import BodyLimit, RequestContext
from api.routes import fits, health, representations, signals, uploads
from api.schemas.problems import Problem
from api.services.uploads import FORM_OVERHEAD_BYTES
from api.settings import load_settings

API_VERSION = "0.1.0"
DESCRIPTION = """Signals as compressed neural representations.

Upload a signal, ask for a fit, follow its events, download the representation. Every error is a problem document
(RFC 9457) with a `code` that never changes."""

logger = logging.getLogger(__name__)


def create_app() -> FastAPI:
    """The application, with settings from the environment.

    Raises:
        SystemExit: if a setting is missing or malformed, with a message that names it.
    """
    settings, store_settings = load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logs(settings.log_level)
        services = app.state.services = Services.connect(settings, store_settings)
        services.uploads.sweep()
        logger.warning("no API keys: everyone who can reach this port is the tenant 'local'")
        async with services.events.running():
            with _on_exit_signal(services.events.close):
                yield
        services.close()

    app = FastAPI(
        title="Tuner",
        version=API_VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        responses=errors.problems(Exception),
    )
    for routes in (signals, uploads, fits, representations, health):
        app.include_router(routes.router)
    errors.install(app)
    app.add_middleware(
        BodyLimit,
        default=settings.max_json_bytes,
        by_path={"/signals": settings.max_upload_bytes + FORM_OVERHEAD_BYTES},
    )
    app.add_middleware(RequestContext)
    app.openapi = _with_problems(app.openapi)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _with_problems(generate: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs")
        schemas["Problem"] = problem
        # FastAPI promises a 422 of its own for every route with parameters; ours are in the routes' `problems`.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in document["paths"].values():
            for operation in path.values():
                if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                    del operation["responses"]["422"]
        return document

    return openapi


@contextmanager
def _on_exit_signal(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` on the event loop at SIGTERM or SIGINT, before the server's own handler.

    A server that shuts down waits for open responses before it tells the application, and an event stream stays open
    for as long as its fit runs: it must hear of the signal itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        following = previous[signal.Signals(number)]
        if callable(following):
            following(number, frame)

    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
