"""What lies behind the api: rows and objects, put there or looked at through the store."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select, text, update

from api.services.access import LOCAL_TENANT
from store.blobs import BlobStore
from store.database import Database
from store.keys import checkpoint_key, representation_key, signal_key
from store.models import Fit, IdempotencyKey, Signal
from store.repositories.fits import Claim, Fits, StoredObject
from store.repositories.signals import Signals
from store.spec import FitSpec
from store.tables import metadata


@dataclass(frozen=True)
class World:
    """Acts as a worker would, and counts what there is."""

    database: Database
    blobs: BlobStore

    def counts(self) -> tuple[int, int, int, int]:
        """Rows of signals, fits and idempotency keys, and objects under signals."""
        with self.database.unit_of_work() as session:
            rows = [session.scalar(select(func.count()).select_from(table)) for table in (Signal, Fit, IdempotencyKey)]
        return (rows[0] or 0, rows[1] or 0, rows[2] or 0, len(list(self.blobs.keys("signals/"))))

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the rows of each table and of the keys of all objects: equal ones mean that nothing changed."""
        hashed = "SELECT coalesce(md5(string_agg(row::text, chr(10) ORDER BY row::text)), '') FROM {} AS row"
        with self.database.unit_of_work() as session:
            found = {name: str(session.scalar(text(hashed.format(name)))) for name in metadata.tables}
        keys = "\n".join(self.blobs.keys())
        return found | {"objects": hashlib.sha256(keys.encode()).hexdigest()}

    @contextmanager
    def rows_of_signals_refused(self) -> Iterator[None]:
        """No new row of a signal can be written while the block runs."""
        with self.database.unit_of_work() as session:
            session.execute(text("ALTER TABLE signals ADD CONSTRAINT refused CHECK (false) NOT VALID"))
        try:
            yield
        finally:
            with self.database.unit_of_work() as session:
                session.execute(text("ALTER TABLE signals DROP CONSTRAINT refused"))

    def add_signal(
        self, content: bytes | None = None, *, tenant: str = LOCAL_TENANT, filename: str | None = "pic.png"
    ) -> str:
        """A signal with an object of these bytes, or of random ones."""
        content = uuid4().bytes if content is None else content
        sha256 = hashlib.sha256(content).hexdigest()
        key = signal_key(tenant, sha256)
        self.blobs.put(key, content)
        facts = {"kind": "image", "format": "png", "width": 4, "height": 2, "channels": 3, "sample_format": "u8"}
        with self.database.unit_of_work() as session:
            signal, _ = Signals(session).add(
                tenant=tenant,
                sha256=sha256,
                byte_count=len(content),
                media_type="image/png",
                filename=filename,
                facts=facts,
                object_key=key,
            )
            return signal.id

    def add_fit(self, signal_id: str, *, tenant: str = LOCAL_TENANT, priority: int = 0) -> str:
        """A queued fit."""
        with self.database.unit_of_work() as session:
            fit, _ = Fits(session).submit(tenant=tenant, signal_id=signal_id, spec=FitSpec(), priority=priority)
            return fit.id

    def fits(self) -> list[str]:
        """Ids of all fits."""
        with self.database.unit_of_work() as session:
            return list(session.scalars(select(Fit.id)))

    def cancel(self, fit_id: str, *, tenant: str = LOCAL_TENANT) -> None:
        """End a fit that no worker has."""
        with self.database.unit_of_work() as session:
            Fits(session).request_cancel(tenant, fit_id)

    def start(self, fit_id: str, *, worker: str = "tests") -> Claim:
        """Claim the fit; whatever has its turn before it goes to a worker of another name."""
        while True:
            with self.database.unit_of_work() as session:
                claimed = Fits(session).claim_next(worker, lease_seconds=600)
                assert claimed is not None, "the fit is not queued"
                if claimed.claim.fit_id == fit_id:
                    return claimed.claim
                session.execute(update(Fit).where(Fit.id == claimed.claim.fit_id).values(worker=f"before {worker}"))

    def report(self, claim: Claim, step: int) -> None:
        """Report progress."""
        with self.database.unit_of_work() as session:
            progress = {"step": step, "total_steps": 100, "psnr_db": 20.5, "seconds": 1.5, "eta_seconds": 2.5}
            Fits(session).report_progress(claim, progress)

    def add_bulky_events(self, claim: Claim, count: int, size: int) -> None:
        """Many large events at once, without a notification for each."""
        values = {"fit": claim.fit_id, "attempt": claim.attempt, "count": count, "size": size}
        insert = """
            INSERT INTO fit_events (fit_id, seq, kind, attempt, data)
            SELECT f.id, f.event_seq + n, 'progress', :attempt, jsonb_build_object('bulk', repeat('x', :size))
            FROM fits f, generate_series(1, :count) n WHERE f.id = :fit"""
        with self.database.unit_of_work() as session:
            session.execute(text(insert), values)
            session.execute(text("UPDATE fits SET event_seq = event_seq + :count WHERE id = :fit"), values)

    def add_checkpoint(self, claim: Claim, content: bytes, *, step: int = 7) -> str:
        """Store a checkpoint of a running fit; returns its id."""
        key = checkpoint_key(claim.fit_id, claim.attempt, step)
        self.blobs.put(key, content)
        stored = StoredObject(key=key, sha256=hashlib.sha256(content).hexdigest(), byte_count=len(content))
        with self.database.unit_of_work() as session:
            fits = Fits(session)
            fits.add_checkpoint(claim, step=step, stored=stored)
            session.flush()
            return fits.checkpoints(claim.fit_id)[0].id

    def succeed(self, claim: Claim, content: bytes, facts: dict[str, Any] | None = None) -> StoredObject:
        """Store a representation and switch the fit to it."""
        key = representation_key(claim.fit_id, claim.attempt)
        self.blobs.put(key, content)
        stored = StoredObject(key=key, sha256=hashlib.sha256(content).hexdigest(), byte_count=len(content))
        facts = {"bits_per_sample": 8 * len(content) / 8, "weights": 100} | (facts or {})
        with self.database.unit_of_work() as session:
            Fits(session).succeed(claim, stored=stored, psnr_db=31.5, facts=facts, outcome="It converged.")
        return stored
