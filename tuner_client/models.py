"""What the service sends, typed; `raw` has everything of an answer, also what newer services add."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})

Json = dict[str, Any]


class Answer(BaseModel):
    """What all answers have in common: they cannot be changed, and keep what this version does not know."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    @property
    def raw(self) -> Json:
        """Everything that the service said, as JSON would have it."""
        return self.model_dump(mode="json")


class Damage(Answer):
    """What is wrong with a stored file; `code` is for programs."""

    code: str
    message: str


class SignalFacts(Answer):
    """What the service found in a file."""

    kind: str
    format: str
    channels: int
    sample_format: str
    shape: list[int]
    compaction_db: list[float] | None = None


class SignalLinks(Answer):
    """Where a signal and its file are."""

    self: str
    content: str


class Signal(Answer):
    """An uploaded file."""

    id: str
    sha256: str
    bytes: int
    media_type: str
    filename: str | None = None
    facts: SignalFacts
    created_at: datetime
    expires_at: datetime | None = None
    damage: Damage | None = None
    links: SignalLinks


class SignalPage(Answer):
    """Signals, newest first; `next_cursor` asks for the next page, and is None on the last one."""

    data: list[Signal]
    next_cursor: str | None = None


class Part(Answer):
    """One part of a large upload, and the address to PUT its bytes to."""

    number: int
    bytes: int
    url: str
    received: bool


class Upload(Answer):
    """A large upload on its way; `signal_id` is None until it is complete."""

    id: str
    bytes: int
    filename: str | None = None
    parts: list[Part]
    expires_at: datetime
    signal_id: str | None = None


class Progress(Answer):
    """How far a fit is; `phase` is what its worker is doing, in a word."""

    phase: str | None = None
    step: int | None = None
    total_steps: int | None = None
    loss: float | None = None
    psnr_db: float | None = None
    seconds: float | None = None
    eta_seconds: float | None = None


class FitError(Answer):
    """Why a fit ended without a result; `code` is for programs."""

    code: str
    message: str


class ResultLinks(Answer):
    """Where the compressed file is."""

    representation: str


class Result(Answer):
    """The compressed file that a fit ended in."""

    id: str
    bytes: int
    sha256: str
    media_type: str
    psnr_db: float | None = None
    bits_per_sample: float | None = None
    facts: Json
    damage: Damage | None = None
    links: ResultLinks


class FitLinks(Answer):
    """Where to ask about a fit, and where to move it."""

    self: str
    events: str
    cancel: str
    pause: str
    resume: str
    retry: str
    clone: str
    signal: str
    webhook: str | None = None
    representation: str | None = None


class FitSummary(Answer):
    """A fit as lists show it."""

    id: str
    signal_id: str
    status: str
    pause_requested: bool
    priority: int
    worker_class: str = "any"
    labels: dict[str, str]
    progress: Progress | None = None
    attempts: int
    outcome: str | None = None
    error: FitError | None = None
    result: Result | None = None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    updated_at: datetime
    links: FitLinks

    @property
    def is_final(self) -> bool:
        """True if nothing will change any more."""
        return self.status in FINAL

    @property
    def error_code(self) -> str | None:
        """A word for programs, if the fit failed."""
        return None if self.error is None else self.error.code

    @property
    def error_message(self) -> str | None:
        """A sentence for people, if the fit failed."""
        return None if self.error is None else self.error.message


class ResolvedSettings(Answer):
    """With which settings a fit is made; until `is_decided` None stands for what a worker will choose."""

    is_decided: bool
    preset: str
    seed: int
    network_kind: str | None = None
    network: Json
    trainer: Json
    steps: int | None = None
    seconds: float | None = None
    trials: int | None = None
    max_loss_db: float | None = None


class Fit(FitSummary):
    """A request to turn a signal into a representation, and how far it is."""

    queue_position: int | None = None
    waits_because: str | None = None
    resolved: ResolvedSettings | None = None
    spec: Json


class FitCount(Answer):
    """How many fits there are; more than that if it is not exact."""

    fits: int
    is_exact: bool


class FitPage(Answer):
    """Fits, in the order asked for; `next_cursor` asks for the next page, and is None on the last one."""

    data: list[FitSummary]
    next_cursor: str | None = None
    total: FitCount | None = None


class FitBatch(Answer):
    """The fits of a batch, in the order of its requests."""

    data: list[FitSummary]


class CancelledFit(Answer):
    """A fit that was to be cancelled, and its status now."""

    id: str
    status: str


class FitCancellations(Answer):
    """What became of fits that were to be cancelled; `more` says that there are further ones: ask again."""

    data: list[CancelledFit]
    absent: list[str]
    more: bool


class Estimate(Answer):
    """What a fit would weigh, reach and take."""

    weights: int
    bytes: int | None = None
    bits_per_sample: float | None = None
    psnr_db: float | None = None
    steps: int
    seconds: float
    unforeseen: str | None = None
    speed_is_measured: bool


class Event(Answer):
    """One thing that happened to a fit; `seq` counts from 1."""

    seq: int
    kind: str
    attempt: int
    data: Json
    created_at: datetime

    @property
    def is_final(self) -> bool:
        """True if it is the last one."""
        return self.kind in FINAL


class EventPage(Answer):
    """Events in order; `next_after` asks for the next page, and is None if there are no more for now."""

    data: list[Event]
    next_after: int | None = None


class View(Answer):
    """A view that is still being drawn."""

    id: str
    status: str
    created_at: datetime


class Metrics(Answer):
    """How good and how small a result is."""

    bytes: int
    bits_per_sample: float | None = None
    compression_ratio: float | None = None
    picture_psnr_db: float | None = None
    fit_psnr_db: float | None = None
    gradient_psnr_db: float | None = None
    held_out_psnr_db: float | None = None
    weights: int | None = None
    steps: int | None = None
    fit_seconds: float | None = None
    compress_seconds: float | None = None
    facts: Json


class CheckpointLinks(Answer):
    """Where a checkpoint's file is."""

    content: str


class Checkpoint(Answer):
    """A state from which training can go on."""

    id: str
    attempt: int
    step: int
    bytes: int
    sha256: str
    created_at: datetime
    links: CheckpointLinks


class CheckpointList(Answer):
    """The checkpoints of a fit."""

    data: list[Checkpoint]


class Webhook(Answer):
    """An address that is told when fits end."""

    id: str
    fit_id: str | None = None
    url: str
    events: list[str]
    description: str | None = None
    enabled: bool
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    created_at: datetime
    updated_at: datetime


class WebhookSecret(Webhook):
    """A webhook with the secret that signs its messages, which is shown this once."""

    secret: str


class WebhookPage(Answer):
    """Webhooks, newest first; `next_cursor` asks for the next page, and is None on the last one."""

    data: list[Webhook]
    next_cursor: str | None = None


class Delivery(Answer):
    """A message for a webhook."""

    id: str
    event: str
    payload: Json
    status: str
    attempts: int
    next_try_at: datetime | None = None
    delivered_at: datetime | None = None
    created_at: datetime


class Attempt(Answer):
    """One try to deliver a message."""

    attempt: int
    status_code: int | None = None
    error: str | None = None
    milliseconds: int
    created_at: datetime


class DeliveryLog(Delivery):
    """A message and every try to deliver it."""

    log: list[Attempt]


class DeliveryPage(Answer):
    """Messages, newest first; `next_cursor` asks for the next page, and is None on the last one."""

    data: list[Delivery]
    next_cursor: str | None = None


class ProblemKind(Answer):
    """What one code of a problem means."""

    type: str
    code: str
    status: int
    title: str
    meaning: str


class ProblemList(Answer):
    """Every problem that a request can meet."""

    data: list[ProblemKind]


class Alive(Answer):
    """The process answers."""

    status: str


class Ready(Answer):
    """The engines answer; `checks` has a word for each."""

    status: str
    checks: dict[str, str]
    read_only: bool
    oldest_waiting_seconds: float | None = None
    silent: list[str]


class Welcome(Answer):
    """Where to start, and what the service takes at most."""

    name: str
    docs: str
    openapi: str
    max_upload_bytes: int
    max_pixels: int


class FileHead(Answer):
    """A file of the service as its headers describe it, without its bytes."""

    bytes: int
    sha256: str
    media_type: str


class Download(Answer):
    """A file that was written, whole and with the SHA-256 that the service promised."""

    path: str
    bytes: int
    sha256: str
    media_type: str


class StoredBytes(Answer):
    """Bytes of what is stored, by kind; `counted` is what is held against the limit."""

    signals: int
    representations: int
    checkpoints: int
    views: int
    deleted: int
    reserved: int
    counted: int


class Allowance(Answer):
    """How much there is of something, and how much there may be; None is no limit."""

    used: int
    limit: int | None = None
    left: int | None = None


class Allowances(Answer):
    """Everything that is limited and counted."""

    waiting_fits: Allowance
    stored_bytes: Allowance
    open_uploads: Allowance


class Work(Answer):
    """What workers did in this month."""

    since: datetime
    attempts: int
    worker_seconds: float


class Usage(Answer):
    """What the owner of the key has and uses at this moment; `fits` counts those in each status.

    Statuses with more fits than that are in `more_fits_than_counted`.
    """

    stored: StoredBytes
    fits: dict[str, int]
    more_fits_than_counted: list[str] = Field(default_factory=list)
    allowances: Allowances
    month: Work


class KindOfSignal(Answer):
    """A kind of signal, the formats that are read, and the endings of the files that are decoded to."""

    kind: str
    reads: list[str]
    writes: list[str]


class Preset(Answer):
    """How much a fit may try."""

    name: str
    networks_per_target: int


class TargetKind(Answer):
    """Something that a fit can be asked to meet, and between which values."""

    name: str
    meaning: str
    above: float
    most: float | None = None


class ViewKind(Answer):
    """A view that the service draws."""

    name: str
    formats: list[str]
    most_samples: int


class Limits(Answer):
    """The most of everything; None is no limit."""

    upload_bytes: int
    large_upload_bytes: int
    open_uploads: int
    json_bytes: int
    pixels: int
    points: int
    fit_memory_bytes: int
    fit_seconds: float
    batch_fits: int
    cancelled_fits: int
    waiting_fits: int | None = None
    stored_bytes: int | None = None
    requests_per_second: float | None = None
    request_burst: int
    view_scale: float
    signals_kept_seconds: float | None = None
    fits_kept_seconds: float | None = None


class Versions(Answer):
    """What the service speaks."""

    api: str
    fit_request: int
    file_format: str


class Capabilities(Answer):
    """What the service reads, writes and can be asked for, and how much of it at most."""

    versions: Versions
    signals: list[KindOfSignal]
    representation_media_type: str
    representation_extension: str
    presets: list[Preset]
    networks: list[str]
    targets: list[TargetKind]
    views: list[ViewKind]
    fit_statuses: list[str]
    limits: Limits
    asks_for_keys: bool


class Key(Answer):
    """An API key, without its secret."""

    id: str
    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class KeySecret(Key):
    """An API key as a whole, which the service says this once; it is not shown in logs by accident."""

    key: str = Field(repr=False)


class KeyPage(Answer):
    """API keys, newest first; `next_cursor` asks for the next page, and is None on the last one."""

    data: list[Key]
    next_cursor: str | None = None


class Line(Answer):
    """Work of one kind, of all tenants."""

    waiting: int
    oldest_waiting_seconds: float | None = None
    running: int


class WorkerCounts(Answer):
    """How many workers there are."""

    heard: int
    busy: int
    silent: int


class Ended(Answer):
    """Attempts at fits of all tenants that ended within the last hour, by how they ended."""

    attempts: dict[str, int]
    worker_seconds: float


class Fleet(Answer):
    """What waits for workers, how many there are, what came of the last hour, and why fits of one's own failed."""

    fits: Line
    views: Line
    workers: WorkerCounts
    last_hour: Ended
    failures: dict[str, int]


class Worker(Answer):
    """A worker with its device and memory; `fit_id` is that of its fit if it is one's own."""

    id: str
    name: str
    device: str | None = None
    device_name: str | None = None
    threads: int | None = None
    memory_bytes: int | None = None
    used_bytes: int | None = None
    classes: list[str] | None = None
    release: str | None = None
    age_seconds: float
    silent: bool
    busy: bool
    fit_id: str | None = None


class WorkerPage(Answer):
    """Workers, the newest first."""

    data: list[Worker]
    next_cursor: str | None = None
