"""Who works for the service, and what waits. Nobody learns of another tenant's fits more than that there are some."""

from typing import Final

from api import errors
from api.dependencies import InjectedServices, Tenant
from api.errors import problems
from api.routing import Routes
from api.schemas.fleet import EndedView, FleetView, LineView, WorkerCountsView, WorkerCursor, WorkerPage, WorkerView
from api.schemas.pages import DEFAULT_LIMIT, Limit, page_of
from store.repositories.activity import Activity
from store.repositories.workers import Workers

router = Routes(tags=["service"])

_HOUR_SECONDS: Final = 3600.0
_DAY_SECONDS: Final = 86_400.0


@router.get("/fleet")
def get_fleet(services: InjectedServices, tenant: Tenant) -> FleetView:
    """What waits for workers, how many there are, what came of the last hour, and why fits of your own failed."""
    with services.database.reading() as session:
        activity = Activity(session)
        return FleetView(
            fits=LineView.of(activity.fits()),
            views=LineView.of(activity.views()),
            workers=WorkerCountsView.of(Workers(session).count()),
            last_hour=EndedView.of(activity.ended(seconds=_HOUR_SECONDS)),
            failures=activity.failures(tenant, seconds=_DAY_SECONDS),
        )


@router.get("/workers", responses=problems(errors.InvalidRequest))
def list_workers(
    services: InjectedServices, tenant: Tenant, limit: Limit = DEFAULT_LIMIT, cursor: WorkerCursor = None
) -> WorkerPage:
    """Workers with device, memory and current fit, newest first; silent ones for an hour."""
    with services.database.reading() as session:
        found = Workers(session).page(tenant, limit=limit + 1, before=cursor)
    return page_of(WorkerPage, WorkerView.of, found, limit)
