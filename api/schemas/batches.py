"""Many fits in one request: submitted together, or cancelled together."""

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.schemas import signals
from api.schemas.fits import EXAMPLE_ID, ID_PATTERN, FitRequest, FitSummary, Labels
from store.repositories.batches import MOST_FITS
from store.status import FitStatus

MOST_CANCELLED = 1000  # by one request that says which by a condition

FitIdInBody = Annotated[str, Field(pattern=ID_PATTERN)]
CANCELLABLE = (FitStatus.QUEUED, FitStatus.PAUSED, FitStatus.RUNNING)


class FitBatchRequest(BaseModel):
    """Ask for many fits at once: all of them are queued, or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "fits": [
                        {"signal_id": signals.EXAMPLE_ID, "target": {"psnr_db": 30}, "labels": {"sweep": "rates"}},
                        {"signal_id": signals.EXAMPLE_ID, "target": {"psnr_db": 40}, "labels": {"sweep": "rates"}},
                    ]
                }
            ]
        },
    )

    fits: list[FitRequest] = Field(
        min_length=1, max_length=MOST_FITS, description="requests, each as POST /fits takes it"
    )


class FitBatch(BaseModel):
    """The fits of a batch, in the order of its requests."""

    data: list[FitSummary]


class FitCondition(BaseModel):
    """Which fits are meant: those for which all that is said holds. Something has to be said."""

    model_config = ConfigDict(extra="forbid")

    status: list[FitStatus] | None = Field(
        default=None,
        min_length=1,
        max_length=len(CANCELLABLE),
        description="status that a fit is in, one of queued, paused and running; each of them if left out",
    )
    signal_id: Annotated[str, Field(pattern=signals.ID_PATTERN)] | None = Field(
        default=None, description="signal of which a fit is"
    )
    labels: Labels = Field(default_factory=dict, description="labels that a fit carries, all of them")
    created_before: AwareDatetime | None = Field(
        default=None, description="moment before which a fit was asked for, itself excluded"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.labels and self.status is None and self.signal_id is None and self.created_before is None:
            raise ValueError("expected a condition: for all fits, name each status")
        if ended := sorted(set(self.status or ()) - set(CANCELLABLE)):
            raise ValueError(f"a fit that is {ended[0]} cannot be cancelled: expected {', '.join(CANCELLABLE)}")
        return self


class FitCancellation(BaseModel):
    """Cancel many fits: those with these ids, or those that a condition holds for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"where": {"labels": {"sweep": "rates"}, "status": ["queued"]}},
                {"ids": [EXAMPLE_ID]},
            ]
        },
    )

    ids: list[FitIdInBody] | None = Field(default=None, min_length=1, max_length=MOST_FITS)
    where: FitCondition | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.ids is None) is (self.where is None):
            raise ValueError("expected either ids or where")
        return self


class CancelledFit(BaseModel):
    """A fit that was to be cancelled, and its status now."""

    id: str
    status: FitStatus


class FitCancellations(BaseModel):
    """What became of fits that were to be cancelled."""

    data: list[CancelledFit] = Field(
        description="fits that were meant, each with its status now: one that had ended stays as it was"
    )
    absent: list[str] = Field(description="ids of which there is no fit")
    more: bool = Field(description="whether the condition holds for further fits: ask again")
