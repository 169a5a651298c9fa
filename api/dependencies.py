"""What routes ask for: the engines, the services built on them, and whose request it is.

All of it is `async`, although nothing waits: FastAPI sends every other function to a thread, and a request that visits
five threads before its own waits five times for the interpreter's lock.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Path, Request

from api import headers
from api.errors import UnsupportedMediaType
from api.schemas import fits, keys, results, signals, uploads, webhooks
from api.services.access import Access, Caller
from api.services.batches import FitBatches
from api.services.estimation import Estimator
from api.services.events import EventHub
from api.services.fit_limits import FitLimits
from api.services.inspection import Inspector
from api.services.large_uploads import LargeUploads
from api.services.places import Places
from api.services.publishing import Publisher
from api.services.rates import Rates
from api.services.readiness import Readiness
from api.services.schema import Schema
from api.services.submission import Submissions
from api.services.turns import Turns
from api.services.uploads import Uploads
from api.services.views import Views
from api.services.vitals import VitalSigns
from api.settings import ApiSettings
from store.addresses import Network
from store.blobs import BlobStore
from store.database import Database
from store.disk import Disk
from store.errors import (
    CheckpointNotFound,
    DeliveryNotFound,
    FitNotFound,
    KeyNotFound,
    SignalNotFound,
    StoreError,
    UploadNotFound,
    WebhookNotFound,
)
from store.pulse import Pulses
from store.queue import FitQueue
from store.settings import StoreSettings

LONGEST_WAIT_SECONDS = 60
# At which tenants take turns, in place of those of the framework, whose queue one of them could fill. Connections to
# the database are ten: with more threads than these the queue would be there.
THREADS = 10
PAGES = 4  # that hold a result are made at the same time: each is in memory several times meanwhile


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """One of each per process, made when it starts."""

    settings: ApiSettings
    access: Access
    rates: Rates
    database: Database
    disk: Disk
    blobs: BlobStore
    queue: FitQueue
    inspector: Inspector
    uploads: Uploads
    large_uploads: LargeUploads
    estimator: Estimator
    publisher: Publisher
    submissions: Submissions
    batches: FitBatches
    events: EventHub
    views: Views
    pages: Places
    threads: Turns
    private_networks: tuple[Network, ...]
    readiness: Readiness
    vitals: VitalSigns

    @classmethod
    def connect(cls, settings: ApiSettings, store: StoreSettings) -> "Services":
        """Prepare all of them; nothing connects before it is used."""
        database, blobs, queue = Database(store), BlobStore(store), FitQueue(store)
        publisher, disk = Publisher(queue), Disk.of(store)
        threads = Turns(THREADS, is_shared=settings.require_keys)
        inspector = Inspector(settings)
        uploaded = Uploads(database, blobs, inspector, settings)
        estimator = Estimator(database, settings)
        limits = FitLimits(settings, estimator.work)
        return cls(
            settings=settings,
            access=Access(database, settings),
            rates=Rates(store, settings),
            database=database,
            disk=disk,
            blobs=blobs,
            queue=queue,
            inspector=inspector,
            uploads=uploaded,
            large_uploads=LargeUploads(database, blobs, uploaded, threads, settings),
            estimator=estimator,
            publisher=publisher,
            submissions=Submissions(database, blobs, publisher, limits, settings),
            batches=FitBatches(database, publisher, limits, settings),
            events=EventHub(database, settings),
            views=Views(
                database,
                blobs,
                publisher,
                threads,
                max_stored_bytes=settings.max_stored_bytes,
                is_shared=settings.require_keys,
            ),
            threads=threads,
            pages=Places("pages", PAGES, None, is_shared=settings.require_keys),
            private_networks=store.webhook_private_networks,
            vitals=VitalSigns(database, Pulses(store), disk),
            readiness=Readiness(
                database, Schema(database), blobs, queue, timeout_seconds=settings.readiness_timeout_seconds
            ),
        )

    async def close(self) -> None:
        """Give all connections back."""
        await self.rates.close()
        self.inspector.close()
        self.estimator.close()
        self.publisher.close()
        self.queue.close()
        self.vitals.close()
        self.database.close()


async def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


async def _tenant(request: Request) -> str:
    # The gate has asked. A route that it does not guard has no caller, and ends here instead of serving anybody.
    caller: Caller = request.state.caller
    return caller.tenant


async def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


def _id_in_path(noun: str, example: str, pattern: str, absent: type[StoreError], *, name: str | None = None) -> Any:
    """A part of the path; an id that cannot be one is as absent as one that never was, and never reaches the database.

    The pattern is for the document only: an id of another form is answered as absent, not as invalid.
    """
    path = Path(alias=name or f"{noun}_id", examples=[example], json_schema_extra={"pattern": pattern})

    async def read(given: Annotated[str, path]) -> str:
        if not re.fullmatch(pattern, given):
            raise absent(f"no {noun} {given!r}: ids look like {example}")
        return given

    return Depends(read)


async def _wait(
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=n`: answer when it is done (a fit has ended, or rests if it was to pause; a view is "
            f"drawn), or after n seconds, at most {LONGEST_WAIT_SECONDS}"
        ),
    ] = None,
) -> int | None:
    return headers.prefer_wait(prefer, most=LONGEST_WAIT_SECONDS)


async def json_body(content_type: Annotated[str, Header(include_in_schema=False)] = "") -> None:
    """For routes that read JSON: refuse anything else by its name, before its content is looked at.

    Raises:
        UnsupportedMediaType: if the Content-Type is not JSON.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(f"the Content-Type is {media_type or 'missing'!r}: send application/json")


InjectedServices = Annotated[Services, Depends(_services)]
Wait = Annotated[int | None, Depends(_wait)]  # how many seconds a client prefers to wait
CallerNow = Annotated[Caller, Depends(_caller)]
Tenant = Annotated[str, Depends(_tenant)]
FitId = Annotated[str, _id_in_path("fit", fits.EXAMPLE_ID, fits.ID_PATTERN, FitNotFound)]
SignalId = Annotated[str, _id_in_path("signal", signals.EXAMPLE_ID, signals.ID_PATTERN, SignalNotFound)]
KeyId = Annotated[str, _id_in_path("key", keys.EXAMPLE_ID, keys.ID_PATTERN, KeyNotFound)]
UploadId = Annotated[str, _id_in_path("upload", uploads.EXAMPLE_ID, uploads.ID_PATTERN, UploadNotFound)]
CheckpointId = Annotated[
    str, _id_in_path("checkpoint", results.EXAMPLE_CHECKPOINT, results.CHECKPOINT_PATTERN, CheckpointNotFound)
]
WebhookId = Annotated[
    str,
    _id_in_path(
        "webhook endpoint", webhooks.EXAMPLE_ENDPOINT, webhooks.ENDPOINT_PATTERN, WebhookNotFound, name="webhook_id"
    ),
]
DeliveryId = Annotated[
    str,
    _id_in_path("message", webhooks.EXAMPLE_DELIVERY, webhooks.DELIVERY_PATTERN, DeliveryNotFound, name="delivery_id"),
]
