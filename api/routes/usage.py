"""What there is: of a tenant's own, and of what the service can do."""

from api.dependencies import InjectedServices, Tenant
from api.routing import Routes
from api.schemas.capabilities import Capabilities
from api.schemas.usage import UsageView
from store.repositories.quotas import Quotas
from store.repositories.uploads import LargeUploads

router = Routes(tags=["service"])


@router.get("/usage")
def get_usage(services: InjectedServices, tenant: Tenant) -> UsageView:
    """What you have stored and queued, how much more of it you may, and what workers did for you in this month."""
    settings = services.settings
    with services.database.reading() as session:
        quotas = Quotas(session)
        return UsageView.of(
            quotas.usage(tenant),
            quotas.fits_by_status(tenant),
            quotas.work_of_month(tenant),
            waiting_fits=quotas.waiting_fits(tenant, settings.max_waiting_fits),
            open_uploads=LargeUploads(session).open_count(tenant),
            limits=(settings.max_waiting_fits, settings.max_stored_bytes, settings.max_open_uploads),
        )


@router.get("/capabilities")
async def get_capabilities(services: InjectedServices) -> Capabilities:
    """What this service reads, writes and can be asked for, and how much of it at most; needs no key."""
    return Capabilities.of(services.settings)
