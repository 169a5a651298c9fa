"""What a tenant has and uses, and how much more it may."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from store.repositories.listing import MOST_COUNTED
from store.repositories.quotas import Usage, Work
from store.status import FitStatus


class StoredBytes(BaseModel):
    """Bytes of what a tenant has in storage, by kind."""

    signals: int = Field(description="uploaded files that can be fitted")
    representations: int = Field(description="files that fits ended in")
    checkpoints: int = Field(description="states of training")
    views: int = Field(description="drawn views of representations")
    deleted: int = Field(description="what was deleted and has not been removed yet, for which seconds are enough")
    reserved: int = Field(description="large uploads under way, as they were announced")
    counted: int = Field(description="what is held against the limit: all of it, but for checkpoints of ended fits")


class Allowance(BaseModel):
    """How much there is of something that is limited."""

    used: int
    limit: int | None = Field(description="the most there may be; null for as much as there is room")
    left: int | None = Field(description="what may still be added; null if there is no limit")

    @classmethod
    def of(cls, used: int, limit: int | None) -> "Allowance":
        """From what there is and what there may be."""
        return cls(used=used, limit=limit, left=None if limit is None else max(limit - used, 0))


class Allowances(BaseModel):
    """Everything of a tenant's that is limited and counted."""

    waiting_fits: Allowance = Field(
        description="fits that are queued or paused, counted as far as the limit, or 10 001 for more"
    )
    stored_bytes: Allowance
    open_uploads: Allowance = Field(description="large uploads under way")


class WorkView(BaseModel):
    """What workers did for a tenant in this month."""

    since: datetime = Field(description="beginning of the month, in UTC")
    attempts: int = Field(description="times that a worker had a fit, of fits that have not been deleted")
    worker_seconds: float = Field(
        description="seconds for which workers had fits, until now, of fits that have not been deleted; each worker "
        "has as many processors as whoever runs it gave it"
    )


class UsageView(BaseModel):
    """What a tenant has and uses at this moment."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "stored": {
                    "signals": 5_200_000,
                    "representations": 410_000,
                    "checkpoints": 0,
                    "views": 90_000,
                    "deleted": 0,
                    "reserved": 0,
                    "counted": 5_700_000,
                },
                "fits": {str(status): 12 if status is FitStatus.QUEUED else 0 for status in FitStatus},
                "more_fits_than_counted": [],
                "allowances": {
                    "waiting_fits": {"used": 12, "limit": 10_000, "left": 9_988},
                    "stored_bytes": {"used": 5_700_000, "limit": None, "left": None},
                    "open_uploads": {"used": 0, "limit": 20, "left": 20},
                },
                "month": {"since": "2026-01-01T00:00:00Z", "attempts": 840, "worker_seconds": 12_345.6},
            }
        }
    )

    stored: StoredBytes
    fits: dict[FitStatus, int] = Field(description="number of fits in each status; counting ends at 10 000 of one")
    more_fits_than_counted: list[FitStatus] = Field(
        description="statuses of which there are more fits than `fits` says, because counting ended"
    )
    allowances: Allowances
    month: WorkView

    @classmethod
    def of(
        cls,
        usage: Usage,
        fits: dict[FitStatus, int],
        work: Work,
        *,
        waiting_fits: int,
        open_uploads: int,
        limits: tuple[int | None, int | None, int],
    ) -> "UsageView":
        """From what was counted.

        Args:
            usage: bytes by kind.
            fits: number of fits in each status, or one more than the most that are counted.
            work: what workers did in this month.
            waiting_fits: number of fits that are queued or paused.
            open_uploads: number of large uploads under way.
            limits: the most waiting fits, stored bytes and open uploads that there may be.
        """
        most_waiting, most_bytes, most_uploads = limits
        stored = StoredBytes(
            signals=usage.signals,
            representations=usage.representations,
            checkpoints=usage.checkpoints,
            views=usage.views,
            deleted=usage.deleted,
            reserved=usage.reserved,
            counted=usage.counted,
        )
        return cls(
            stored=stored,
            fits={status: min(count, MOST_COUNTED) for status, count in fits.items()},
            more_fits_than_counted=[status for status, count in fits.items() if count > MOST_COUNTED],
            allowances=Allowances(
                waiting_fits=Allowance.of(waiting_fits, most_waiting),
                stored_bytes=Allowance.of(usage.counted, most_bytes),
                open_uploads=Allowance.of(open_uploads, most_uploads),
            ),
            month=WorkView(since=work.since, attempts=work.attempts, worker_seconds=round(work.seconds, 3)),
        )
