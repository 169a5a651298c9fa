"""The HTTP process: `uvicorn api.main:create_app --factory`.

Everything it needs to know comes from the environment (see `api/settings.py`, `store/settings.py`). It imports neither
torch nor the library: signals are looked into by a separate process, and facts about results are columns.
"""

import asyncio
import gc
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from fastapi import Depends, FastAPI

from api import errors, problems
from api.dependencies import Services
from api.gate import Gate
from api.logs import configure_logs
from api.middleware import BodyLimit, OneLinePerHeader, RequestContext, StrictJson
from api.openapi import complete, operation_id
from api.origins import Origins
from api.packing import Packing
from api.routes import (
    documentation,
    fit_batches,
    fit_events,
    fit_moves,
    fits,
    fleet,
    health,
    keys,
    representations,
    results,
    signals,
    site,
    uploads,
    usage,
    webhooks,
)
from api.routes import problems as problem_routes
from api.routing import strict_query
from api.schemas.capabilities import API_VERSION
from api.services.uploads import FORM_OVERHEAD_BYTES
from api.settings import ApiSettings, load_settings
from api.tracing import trace_requests
from store.settings import StoreSettings
from store.tracing import start_traces, stop_traces

DESCRIPTION = """Signals as compressed neural representations.

Upload a signal, ask for a fit, follow its events, download the representation. Every error is a problem document
(RFC 9457) with a `code` that never changes."""

logger = logging.getLogger(__name__)


def create_app() -> FastAPI:
    """The application, with settings from the environment.

    Raises:
        SystemExit: if a setting is missing or malformed, with a message that names it.
    """
    return build_app(*load_settings())


def build_app(settings: ApiSettings, store_settings: StoreSettings) -> FastAPI:
    """The application with given settings; nothing connects before it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logs(settings.log_level)
        services = app.state.services = Services.connect(settings, store_settings)
        services.inspector.start()
        services.estimator.start()
        services.uploads.sweep()
        app.openapi()  # it is looked at by requests, and takes a moment to make
        # What the start has made stays: a full collection would look at all of it again, in the middle of requests.
        gc.collect()
        gc.freeze()
        if not settings.require_keys:
            logger.warning("no API keys are asked for: whoever can reach this port is the tenant 'local'")
        async with services.events.running():
            with _on_exit_signal(services.events.close):
                yield
        await services.close()
        stop_traces()

    app = FastAPI(
        title="Tuner",
        version=API_VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        dependencies=[Depends(strict_query)],
        openapi_url=None,
        docs_url=None,  # the framework's pages load their scripts from elsewhere: ours are in `routes/documentation.py`
        redoc_url=None,
        responses=errors.problems(Exception),
    )
    for routes in (
        site,
        signals,
        uploads,
        fit_events,  # before the fits, whose ids would take the stream of all changes for one of them
        fits,
        fit_batches,
        fit_moves,
        representations,
        results,
        webhooks,
        keys,
        usage,
        fleet,
        problem_routes,
        health,
        documentation,
    ):
        app.include_router(routes.router)
    problems.install(app)
    long_bodies = {"/signals": settings.max_upload_bytes + FORM_OVERHEAD_BYTES}
    app.add_middleware(StrictJson, except_paths=set(long_bodies))
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(BodyLimit, default=settings.max_json_bytes, by_path=long_bodies, seconds=settings.body_seconds)
    app.add_middleware(OneLinePerHeader)
    app.add_middleware(Origins, settings=settings)
    app.add_middleware(Packing)
    app.add_middleware(RequestContext)
    start_traces(store_settings, "tuner-api")
    trace_requests(app)
    app.openapi = complete(app.openapi)  # type: ignore[method-assign]
    return app


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
