"""Is the process alive, can it serve, and where does a newcomer start?"""

from functools import partial

from anyio import to_thread
from fastapi.responses import PlainTextResponse

from api import errors
from api.dependencies import InjectedServices
from api.errors import NotReady, problems
from api.routing import Routes
from api.schemas.health import Alive, Ready, Welcome
from api.services.readiness import OK

router = Routes(tags=["service"])


@router.get("/livez")
async def livez() -> Alive:
    """Answers as long as the process does; asks nobody else."""
    return Alive()


@router.get("/readyz", responses=problems(errors.NotReady))
async def readyz(services: InjectedServices) -> Ready:
    """Asks the engines. Database, with all tables, and storage must answer; without the broker jobs are accepted."""
    ready, checks = await services.readiness.ask()
    if not ready:
        raise NotReady("database or storage does not answer, or tables are missing", checks=checks)
    vitals = await to_thread.run_sync(partial(services.vitals.look, with_broker=checks["broker"] == OK))
    return Ready(
        checks=checks,
        read_only=vitals.read_only,
        oldest_waiting_seconds=vitals.oldest_waiting_seconds,
        silent=[member.role for member in vitals.members if member.is_silent],
    )


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(services: InjectedServices) -> PlainTextResponse:
    """How old the queue is and who is silent, in the words of Prometheus; what nobody can tell now is left out."""
    vitals = await to_thread.run_sync(services.vitals.look)
    return PlainTextResponse(vitals.in_words_of_prometheus(), media_type="text/plain; version=0.0.4")


@router.get("/")
async def welcome(services: InjectedServices) -> Welcome:
    """Where to start."""
    settings = services.settings
    return Welcome(max_upload_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
