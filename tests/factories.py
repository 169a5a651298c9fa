"""Rows and uploads with sensible defaults."""

from collections.abc import Collection, Mapping
from uuid import uuid4

from store.blobs import BlobStore, sha256_hex
from store.classes import EVERY_CLASS, WorkerClass
from store.database import Database
from store.keys import signal_key
from store.repositories.fits import ClaimedFit, Fits
from store.repositories.signals import Signals
from store.spec import FitSpec
from tests.cases import colours
from tuner.signal.image import write_image
from tuner.signal.signal import SampleFormat, Signal

LEASE_SECONDS = 30.0


def picture_png() -> bytes:
    """An upload: 24 x 40, RGB, 8 bits."""
    return write_image(Signal(values=colours(), sample_format=SampleFormat.U8))


def add_signal(database: Database, tenant: str = "local", sha256: str | None = None, *, byte_count: int = 3) -> str:
    """A signal's row, without an object behind it; returns its id."""
    sha256 = sha256 or uuid4().hex * 2
    with database.unit_of_work() as session:
        signal, _ = Signals(session).add(
            tenant=tenant,
            sha256=sha256,
            byte_count=byte_count,
            media_type="image/png",
            filename="photo.png",
            facts={"kind": "image", "width": 1, "height": 1, "channels": 3},
            object_key=signal_key(tenant, sha256),
        )
        return signal.id


def upload_signal(
    database: Database,
    blobs: BlobStore,
    content: bytes,
    facts: Mapping[str, object] | None = None,
    tenant: str = "local",
) -> str:
    """A tenant's signal with its object, as the api leaves them after an upload; returns its id."""
    sha256 = sha256_hex(content)
    key = signal_key(tenant, sha256)
    blobs.put(key, content, media_type="image/png")
    with database.unit_of_work() as session:
        signal, _ = Signals(session).add(
            tenant=tenant,
            sha256=sha256,
            byte_count=len(content),
            media_type="image/png",
            filename=None,
            facts=dict(facts or {}),
            object_key=key,
        )
        return signal.id


def add_fit(
    database: Database,
    tenant: str = "local",
    signal_id: str | None = None,
    priority: int = 0,
    spec: FitSpec | None = None,
    worker_class: WorkerClass = WorkerClass.ANY,
) -> str:
    """A queued fit's row; returns its id."""
    signal_id = signal_id or add_signal(database, tenant)
    with database.unit_of_work() as session:
        fit, _ = Fits(session).submit(
            tenant=tenant,
            signal_id=signal_id,
            spec=spec or FitSpec(),
            priority=priority,
            worker_class=worker_class,
        )
        return fit.id


def claim_next(
    database: Database,
    worker: str = "worker-1",
    lease_seconds: float = LEASE_SECONDS,
    max_running_per_tenant: int | None = None,
    classes: Collection[WorkerClass] = EVERY_CLASS,
) -> ClaimedFit | None:
    """What a worker does first."""
    with database.unit_of_work() as session:
        return Fits(session).claim_next(
            worker, lease_seconds=lease_seconds, max_running_per_tenant=max_running_per_tenant, classes=classes
        )


def claim(database: Database, worker: str = "worker-1", lease_seconds: float = LEASE_SECONDS) -> ClaimedFit:
    """A claim that the test relies on."""
    claimed = claim_next(database, worker, lease_seconds)
    assert claimed is not None, "no fit was queued"
    return claimed
