"""Is the process alive, can it serve, and where does a newcomer start?"""

from api import errors
from api.dependencies import InjectedServices
from api.errors import NotReady, problems
from api.routing import Routes
from api.schemas.health import Alive, Ready, Welcome

router = Routes(tags=["service"])


@router.get("/livez")
async def livez() -> Alive:
    """Answers as long as the process does; asks nobody else."""
    return Alive()


@router.get("/readyz", responses=problems(errors.NotReady))
async def readyz(services: InjectedServices) -> Ready:
    """Asks the engines. Database and storage must answer; without the broker jobs are still accepted."""
    ready, checks = await services.readiness.ask()
    if not ready:
        raise NotReady("database or storage does not answer", checks=checks)
    return Ready(checks=checks)


@router.get("/")
async def welcome(services: InjectedServices) -> Welcome:
    """Where to start."""
    settings = services.settings
    return Welcome(max_upload_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
