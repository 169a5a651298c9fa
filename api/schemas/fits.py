"""FitRequest (a FitSpec) in; status, progress, events and outcome out."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.schemas import signals
from api.schemas.changes import changes
from api.schemas.representations import ResultView
from api.schemas.webhooks import FitWebhookRequest
from store.classes import EVERY_CLASS, WorkerClass
from store.errors import SpecInvalid, SpecNewer
from store.models import Fit, FitEvent
from store.repositories.listing import FitOrder, Place
from store.repositories.webhooks import endpoint_of_fit
from store.spec import FitSpec, read_spec
from store.status import WAITING, FitStatus, Phase

ID_PATTERN = r"^fit_[0-9a-f]{32}$"
EXAMPLE_ID = "fit_0199d3a9f4b47c1d8e52a3b4c5d6e7f8"
MAX_SEQ = 2**31 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Microseconds since 1970 before the id, in the order of changes: a fit that is changed moves on, its place does not.
CURSOR_PATTERN = r"^(?:\d{1,17}-)?fit_[0-9a-f]{32}$"
FitCursor = Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")]


MAX_LABELS = 16
LabelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
LabelValue = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Labels = Annotated[
    dict[LabelName, LabelValue],
    Field(max_length=MAX_LABELS, description="your own words about the fit; lists can be filtered by them"),
]
Priority = Annotated[
    int, Field(ge=-100, le=100, description="place among your own waiting fits; a higher one is started earlier")
]

WorkerClassName = Annotated[
    WorkerClass,
    Field(
        strict=False,  # JSON has words for them
        description="class of the workers that may take it: `any` worker, or those alone that serve `cpu`, `gpu` or "
        "`gpu-large`, as whoever runs the service has said (`GET /workers`)",
    ),
]


WEBHOOK_WORDS = "an address that is told of this fit only, beside those that are registered; needs `webhooks:write`"


class FitOverrides(FitSpec):
    """What a clone does differently from its original; what is left out stays as it was."""

    model_config = ConfigDict(json_schema_extra=changes({"target": {"psnr_db": 38}}, {"seed": 1}))

    priority: Priority = 0
    worker_class: WorkerClassName = WorkerClass.ANY
    labels: Labels = Field(default_factory=dict)
    webhook: FitWebhookRequest | None = Field(default=None, description=WEBHOOK_WORDS)


class FitChange(BaseModel):
    """What is to be different about a fit, as a JSON merge patch (RFC 7396); what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=changes({"labels": {"album": "sea", "draft": None}}))

    labels: Annotated[dict[LabelName, LabelValue | None], Field(max_length=2 * MAX_LABELS)] | None = Field(
        default=None, description="labels that are set, or removed where there is null; null instead of all removes all"
    )


class FitRequest(FitSpec):
    """Turn a signal into a representation. Everything but `signal_id` may be left out: the preset decides."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"signal_id": signals.EXAMPLE_ID, "target": {"psnr_db": 35}, "labels": {"album": "holidays"}},
                {"signal_id": signals.EXAMPLE_ID, "target": {"bytes": 40_000}, "preset": "best"},
                {"signal_id": signals.EXAMPLE_ID, "max_seconds": 60, "network": {"frequencies": 256, "hidden": [192]}},
            ]
        }
    )

    signal_id: Annotated[
        str, Field(pattern=signals.ID_PATTERN, description="id of the signal, as POST /signals returned it")
    ]
    priority: Priority = 0
    worker_class: WorkerClassName = WorkerClass.ANY
    labels: Labels = Field(default_factory=dict)
    webhook: FitWebhookRequest | None = Field(default=None, description=WEBHOOK_WORDS)

    def spec(self) -> FitSpec:
        """The part that goes into the row."""
        return FitSpec.model_validate(self.model_dump(include=set(FitSpec.model_fields)))

    @classmethod
    def like(cls, fit: Fit, overrides: FitOverrides) -> Self:
        """The request that a fit came from, with the given parts of another one in place of its own.

        Raises:
            SpecNewer, SpecInvalid: if this version cannot read what is taken over.
        """
        original = {"signal_id": fit.signal_id, "priority": fit.priority, "labels": fit.labels}
        original |= read_spec(fit.spec).model_dump()
        given = overrides.model_dump(include=overrides.model_fields_set)
        if "worker_class" not in given and fit.worker_class not in EVERY_CLASS:
            raise SpecNewer(
                f"this version of the service does not know the class of workers {fit.worker_class!r}: name another, "
                "or ask a newer one"
            )
        return cls.model_validate(original | {"worker_class": fit.worker_class} | given)


class Progress(BaseModel):
    """How far a fit is: as the last report said while it runs, and once it has succeeded as it ended."""

    phase: Phase | None = Field(
        default=None,
        description="what the worker is doing: `reading` the signal, `training` a network, of which there may be "
        "several, `compressing` it into a file, or `storing` that, which is compared with the signal first",
    )
    step: int | None = Field(default=None, description="training steps so far, of all networks")
    total_steps: int | None = Field(
        default=None,
        description="training steps that are planned by now, of all networks: a further network adds its own, and one "
        "that stops early leaves some out, so that it is no promise; at the end it is `step`",
    )
    loss: float | None = None
    psnr_db: float | None = None
    seconds: float | None = Field(default=None, description="seconds spent training")
    eta_seconds: float | None = Field(
        default=None,
        description="seconds until the file is stored, foreseen from the pace so far; null while nobody can tell",
    )


class FitError(BaseModel):
    """Why there is no result."""

    code: str
    message: str


class FitLinks(BaseModel):
    """Where to go from here."""

    self: str
    events: str
    cancel: str
    pause: str
    resume: str
    retry: str
    clone: str
    signal: str
    webhook: str | None = Field(
        default=None, description="address of the webhook that was named with the fit, and of its messages below it"
    )
    representation: str | None = Field(description="address of the representation; null until the fit has succeeded")


class FitSummary(BaseModel):
    """A fit as it appears in a list."""

    id: str
    signal_id: str
    status: FitStatus
    pause_requested: bool = Field(
        description="whether the fit, still running, will be paused as soon as its state is saved"
    )
    priority: int
    worker_class: str = Field(description="class of the workers that may take it; `any` for all of them")
    labels: dict[str, str]
    progress: Progress | None
    attempts: int = Field(description="how many times a worker has started it")
    outcome: str | None = Field(description="how training ended, in a sentence")
    error: FitError | None
    result: ResultView | None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="time of deletion, known once the fit has ended; null for never")
    updated_at: datetime
    links: FitLinks

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """From a row."""
        return cls.model_validate(_fields(fit))


class ResolvedSettings(BaseModel):
    """With which settings a fit is made: those of the request, and those that were chosen where it left them open."""

    is_decided: bool = Field(
        description="whether a worker has read the signal and chosen; until then null stands for what it will choose"
    )
    preset: str
    seed: int
    network_kind: Literal["sines", "wavelets"] | None
    network: dict[str, Any] = Field(
        description="settings of the network; where a target is to be met, those with which the search for it begins"
    )
    trainer: dict[str, Any] = Field(description="how it is trained: `kind`, and the settings of that kind")
    steps: int | None = Field(description="the most training steps of each network")
    seconds: float | None = Field(description="the most seconds of training in all; null for no limit once decided")
    trials: int | None = Field(description="how many networks may be trained to meet a target")
    max_loss_db: float | None = Field(
        description="PSNR in dB that rounding may cost; null for wavelets, which need none"
    )

    @classmethod
    def of(cls, spec: FitSpec, chosen: dict[str, Any] | None) -> Self:
        """From a request and what a worker chose.

        Args:
            spec: the request.
            chosen: settings as the worker wrote them down; None if it has not yet.
        """
        asked = {
            "network_kind": spec.network_kind(),
            "network": spec.network.model_dump(mode="json", exclude_none=True, exclude={"kind"})
            | spec.regime.model_dump(exclude_none=True),
            "trainer": spec.trainer.model_dump(exclude_none=True),
            "steps": spec.max_steps,
            "seconds": spec.max_seconds,
            "trials": None,
            "max_loss_db": None if spec.network_kind() == "wavelets" else spec.codec.max_loss_db,
            "seed": spec.seed,
        }
        return cls.model_validate(asked | (chosen or {}) | {"preset": spec.preset, "is_decided": chosen is not None})


class FitView(FitSummary):
    """Everything about a fit."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": EXAMPLE_ID,
                "signal_id": signals.EXAMPLE_ID,
                "status": "running",
                "queue_position": None,
                "pause_requested": False,
                "priority": 0,
                "worker_class": "any",
                "labels": {"album": "holidays"},
                "spec": {"version": 2, "preset": "balanced", "target": {"psnr_db": 35.0}, "seed": 0},
                "resolved": {
                    "is_decided": True,
                    "preset": "balanced",
                    "seed": 0,
                    "network_kind": "wavelets",
                    "network": {"psnr_db": 35.1, "widths": [16], "frequencies": 2},
                    "trainer": {"kind": "wavelets"},
                    "steps": 400,
                    "seconds": None,
                    "trials": 3,
                    "max_loss_db": None,
                },
                "progress": {
                    "phase": "training",
                    "step": 120,
                    "total_steps": 400,
                    "psnr_db": 28.7,
                    "seconds": 9.8,
                    "eta_seconds": 22.9,
                },
                "attempts": 1,
                "outcome": None,
                "error": None,
                "result": None,
                "created_at": "2026-01-31T12:00:00Z",
                "queued_at": "2026-01-31T12:00:00Z",
                "started_at": "2026-01-31T12:00:01Z",
                "finished_at": None,
                "expires_at": None,
                "updated_at": "2026-01-31T12:00:11Z",
                "links": {
                    "self": f"/fits/{EXAMPLE_ID}",
                    "events": f"/fits/{EXAMPLE_ID}/events",
                    "cancel": f"/fits/{EXAMPLE_ID}/cancel",
                    "pause": f"/fits/{EXAMPLE_ID}/pause",
                    "resume": f"/fits/{EXAMPLE_ID}/resume",
                    "retry": f"/fits/{EXAMPLE_ID}/retry",
                    "clone": f"/fits/{EXAMPLE_ID}/clone",
                    "signal": f"/signals/{signals.EXAMPLE_ID}",
                    "webhook": None,
                    "representation": None,
                },
            }
        }
    )

    queue_position: int | None = Field(
        description="how many fits are started before it, 500 standing for more, too; null once it is started. Tenants "
        "take turns: before it are the more urgent and the older ones of your own, and of each other tenant's as many "
        "as its turns allow if nothing ended and nothing else was submitted"
    )
    waits_because: str | None = Field(
        default=None,
        description="why it waits although a worker may be free, in a sentence; null if it is only its turn",
    )
    resolved: ResolvedSettings | None = Field(
        default=None, description="the settings of the fit; null if this version cannot read the request"
    )
    spec: FitSpec | dict[str, Any] = Field(
        description="the request, in the words of its own version if this one does not know all of them"
    )

    @classmethod
    def at(cls, fit: Fit, *, queue_position: int | None, is_served: bool = True) -> Self:
        """From a row and its place in the queue.

        Args:
            fit: row of the fit.
            queue_position: number of fits that are started before it; None unless it is queued.
            is_served: whether there is a worker that may take it.
        """
        spec: FitSpec | dict[str, Any] = fit.spec
        resolved = None
        reason = None if is_served else _NOBODY.format(fit.worker_class)
        try:
            spec = read_spec(fit.spec)
            resolved = ResolvedSettings.of(spec, fit.resolved)
        except (SpecNewer, SpecInvalid) as error:
            reason = str(error) if fit.status in WAITING else None
        told = {"spec": spec, "resolved": resolved, "queue_position": queue_position, "waits_because": reason}
        return cls.model_validate(_fields(fit) | told)


_NOBODY = (
    "no worker that takes fits of class {!r} was heard of lately (GET /workers): it is started as soon as there is one"
)


class FitCount(BaseModel):
    """How many fits there are."""

    fits: int
    is_exact: bool = Field(description="false if there are more than that: counting ends at 10 000")


class FitPage(BaseModel):
    """Fits, in the order that was asked for."""

    data: list[FitSummary]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")
    total: FitCount | None = Field(
        default=None, description="fits on all pages together, counted only if that was asked for"
    )


class EventView(BaseModel):
    """One thing that happened to a fit."""

    seq: int = Field(description="number of the event: 1, 2, 3 … without gap or repeat")
    kind: str = Field(
        description="a status for a move into it; else `progress` after a step, `phase` for one that begins or "
        "lasts, both with the members of the fit's `progress`, `checkpoint`, `pause_requested`, `pause_withdrawn`"
    )
    attempt: int
    data: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, event: FitEvent) -> Self:
        """From a row."""
        return cls(seq=event.seq, kind=event.kind, attempt=event.attempt, data=event.data, created_at=event.created_at)


class EventPage(BaseModel):
    """Events of one fit, oldest first."""

    data: list[EventView]
    next_after: int | None = Field(description="`after` of the next page; null if these are the latest")


def cursor_of(fit: Fit, order: FitOrder) -> str:
    """What a client sends to go on after a fit."""
    if order is not FitOrder.UPDATED:
        return fit.id
    return f"{(fit.updated_at - _EPOCH) // timedelta(microseconds=1)}-{fit.id}"


def place_of(cursor: str, order: FitOrder) -> Place:
    """The place in a list that a cursor stands for.

    Raises:
        ValueError: if it is the cursor of another order.
    """
    microseconds, _, fit_id = cursor.rpartition("-")
    if bool(microseconds) is not (order is FitOrder.UPDATED):
        raise ValueError("the cursor is of a list in another order: begin without one")
    moment = _EPOCH + timedelta(microseconds=int(microseconds)) if microseconds else None
    return Place(fit_id=fit_id, updated_at=moment)


def _fields(fit: Fit) -> dict[str, Any]:
    here = f"/fits/{fit.id}"
    result = None if fit.representation is None else ResultView.of(fit.representation)
    return {
        "id": fit.id,
        "signal_id": fit.signal_id,
        "status": fit.status,
        "pause_requested": fit.pause_requested,
        "priority": fit.priority,
        "worker_class": fit.worker_class,
        "labels": fit.labels,
        "progress": fit.progress,
        "attempts": fit.attempt,
        "outcome": fit.outcome,
        "error": None if fit.error_code is None else {"code": fit.error_code, "message": fit.error_message or ""},
        "result": result,
        "created_at": fit.created_at,
        "queued_at": fit.queued_at,
        "started_at": fit.started_at,
        "finished_at": fit.finished_at,
        "expires_at": fit.expires_at,
        "updated_at": fit.updated_at,
        "links": {
            "self": here,
            "events": f"{here}/events",
            "cancel": f"{here}/cancel",
            "pause": f"{here}/pause",
            "resume": f"{here}/resume",
            "retry": f"{here}/retry",
            "clone": f"{here}/clone",
            "signal": f"/signals/{fit.signal_id}",
            "webhook": f"/webhooks/{endpoint_of_fit(fit.id)}" if fit.has_webhook else None,
            "representation": None if result is None else result.links.representation,
        },
    }
