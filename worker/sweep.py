"""Objects that no row knows: of an upload whose process was killed before its row, of an attempt that lost its lease.

They are harmless and cost space, so a look now and then is enough. Nothing young is touched: its row may be on its way.
Any number of processes may sweep at the same time. Upkeep lets a day pass after the database was restored: then an
object without a row may be all that is left of the time since the backup.
"""

import logging
from datetime import UTC, datetime, timedelta

from store.keys import FITS, PROBES, RENDERS, SIGNALS, UPLOADS, owner_of_signal
from store.repositories.fits import Fits
from store.repositories.renders import Renders
from store.repositories.scrubs import Scrubs
from store.repositories.signals import Signals
from worker.resources import Resources
from worker.uploads import drop_expired_uploads, kept_uploads, take_upload

logger = logging.getLogger(__name__)


def sweep_if_settled(resources: Resources) -> int:
    """Look at everything once, unless the database was restored a short time ago; returns how many were removed."""
    with resources.database.unit_of_work() as session:
        is_settled = Scrubs(session).is_settled(seconds=resources.settings.restored_seconds)
    if is_settled:
        return sweep(resources)
    logger.info("objects that no row knows are left alone: the database is new, was restored or ended uncleanly")
    return 0


def sweep(resources: Resources) -> int:
    """Look at everything once; returns how many objects were removed."""
    settled = datetime.now(UTC) - timedelta(seconds=resources.settings.orphan_seconds)
    drop_expired_uploads(resources)
    resources.blobs.abort_uploads(begun_before=settled, keep=kept_uploads(resources))
    removed = 0
    owned = (
        (SIGNALS, _take_signal),
        (UPLOADS, take_upload),
        (FITS, _take_of_fit),
        (RENDERS, _take_view),
        (PROBES, _take_probe),
    )
    for prefix, take in owned:
        for key in resources.blobs.keys(prefix, changed_before=settled):
            if take(resources, key):
                logger.warning("removed %s, which no row knows", key)
                removed += 1
    return removed


def _take_signal(resources: Resources, key: str) -> bool:
    tenant, sha256 = owner_of_signal(key)
    with resources.database.unit_of_work() as session:
        if Signals(session).find(tenant, sha256) is not None:
            return False
    with resources.database.unit_of_work() as session:
        signals = Signals(session)
        # Whoever uploads the same bytes right now looks under this lock whether the object is there.
        signals.lock(tenant, sha256)
        if signals.find(tenant, sha256) is not None:
            return False
        resources.blobs.delete(key)
    return True


def _take_of_fit(resources: Resources, key: str) -> bool:
    with resources.database.unit_of_work() as session:
        if Fits(session).knows_object(key):
            return False
    resources.blobs.delete(key)
    return True


def _take_view(resources: Resources, key: str) -> bool:
    with resources.database.unit_of_work() as session:
        if Renders(session).knows_object(key):
            return False
    resources.blobs.delete(key)
    return True


def _take_probe(resources: Resources, key: str) -> bool:
    resources.blobs.delete(key)
    return True
