"""What the api process may be told from outside: variables with the prefix `TUNER_`, read once at start."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from store.machine import most_of_the_memory
from store.refusal import complaints, refuse
from store.settings import StoreSettings

MEBIBYTE = 1 << 20
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[0-9a-z]([0-9a-z._-]*[0-9a-z])?")
_ORIGIN = re.compile(r"(http|https)://(\[[0-9a-f:.]+\]|[0-9a-z][0-9a-z._-]*)(:\d{1,5})?")


def _memory_of_workers() -> int:
    """What the workers of this machine are told, so that no fit is accepted that all of them would have to refuse."""
    told = os.environ.get("TUNER_WORKER_FIT_MEMORY_BYTES", "")
    return int(told) if told.isdecimal() else most_of_the_memory()


def _seconds_of_workers() -> float:
    """What the workers of this machine are told; what is no number is for them to refuse."""
    try:
        return float(os.environ["TUNER_WORKER_FIT_SECONDS"])
    except (KeyError, ValueError):
        return 86_400.0


class ApiSettings(BaseSettings):
    """Limits of the interface; every one has a default that suits one machine."""

    model_config = SettingsConfigDict(env_prefix="TUNER_", frozen=True)

    # Who may ask.
    host: str = Field(default="127.0.0.1", description="address that `python -m api` binds")
    port: int = Field(default=8000, ge=0, le=65_535, description="port that `python -m api` binds")
    require_keys: bool = Field(default=False, description="ask every request about a tenant's things for an API key")
    open_without_keys: bool = Field(default=False, description="serve other machines, too, without asking for keys")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="names of this service, with commas between them, such as `tuner.example`; this machine's own "
        "(localhost, 127.0.0.1, [::1]) need not be said. Without keys all others are refused; with keys only if there "
        "is one here",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="web pages that may use the service (CORS), with commas between them, such as "
        "`https://app.example`; `*` is every page, and needs keys",
    )
    key_cache_seconds: float = Field(default=5.0, ge=0, le=300, description="a revoked key may work for so long")

    # How much one tenant may ask for; None for without limit.
    requests_per_second: float | None = Field(
        default=100.0, gt=0, le=1e5, description="requests per second of a tenant with keys, on the average"
    )
    request_burst: int = Field(default=200, ge=1, le=100_000, description="requests at once, after a pause")
    max_waiting_fits: int | None = Field(default=10_000, ge=1, description="fits of a tenant that are queued or paused")
    max_stored_bytes: int | None = Field(
        default=None, ge=1, description="bytes of all that a tenant has in the bucket, uploads under way included"
    )

    # How long things are kept; None for ever.
    signals_kept_seconds: float | None = Field(
        default=None,
        ge=1,
        le=3.2e9,
        description="time for which a signal is kept, from its upload or until no fit needs it any more",
    )
    fits_kept_seconds: float | None = Field(
        default=None, ge=1, le=3.2e9, description="time for which a fit is kept from its end"
    )

    # What a connection may hold.
    max_connections: int = Field(default=4000, ge=1, description="connections at the same time, per process")
    head_seconds: float = Field(
        default=10.0, gt=0, description="longest time in which the line and the headers of a request arrive"
    )
    body_seconds: float = Field(
        default=30.0, gt=0, description="longest time in which a body arrives, except that of an upload"
    )
    answer_seconds: float = Field(
        default=30.0, gt=0, description="time between two looks whether a client takes the answer that waits for it"
    )
    answer_bytes_per_second: float = Field(
        default=1024.0, gt=0, description="least rate at which a client takes an answer; a slower one is cut off"
    )
    max_untaken_bytes: int = Field(
        default=256 * MEBIBYTE,
        ge=MEBIBYTE,
        description="bytes of answers that wait for their clients, per process; beyond that the oldest is cut off",
    )
    keep_alive_seconds: int = Field(
        default=5, ge=0, le=3600, description="longest time that a connection waits for its next request"
    )

    # What a client may send.
    max_upload_bytes: int = Field(default=64 * MEBIBYTE, ge=1, description="largest file of POST /signals")
    max_pixels: int = Field(
        default=1 << 26,
        ge=1,
        description="pixels of the largest picture, as its header declares it",
    )
    max_points: int = Field(
        default=1 << 28,
        ge=1,
        description="points of the largest grid of any other signal, as its header declares it; of what is held as "
        "values (TIFF stacks, videos, meshes, four axes) at most 33554432",
    )
    max_json_bytes: int = Field(default=64 * 1024, ge=1024, description="largest body of every other request")
    max_uploads: int = Field(default=32, ge=1, description="uploads at the same time, per process")
    max_uploads_per_tenant: int | None = Field(
        default=None, ge=1, description="uploads of one tenant at the same time, per process; None for three quarters"
    )
    upload_timeout_seconds: float = Field(default=600.0, gt=0, description="longest time for the body of one upload")
    upload_bytes_per_second: float = Field(
        default=1024.0, gt=0, description="least rate of the body of one upload; a slower one is ended"
    )
    upload_grace_seconds: float = Field(
        default=30.0, gt=0, description="time by which the body of one upload may be behind that rate"
    )
    max_large_upload_bytes: int = Field(default=1024 * MEBIBYTE, ge=1, description="largest file of POST /uploads")
    upload_part_bytes: int = Field(
        default=16 * MEBIBYTE, ge=5 * MEBIBYTE, description="size of each part but the last; S3 takes no smaller ones"
    )
    large_upload_seconds: int = Field(default=3600, ge=1, le=604_800, description="time until a large upload expires")
    max_open_uploads: int = Field(default=20, ge=1, description="large uploads under way, per tenant")
    spool_dir: Path | None = Field(default=None, description="folder in which uploads wait; None for the system's own")

    # The separate process that decodes an upload once.
    inspection_processes: int = Field(default=2, ge=1, description="processes that inspect uploads at the same time")
    inspection_memory_bytes: int = Field(
        default=2048 * MEBIBYTE, ge=256 * MEBIBYTE, description="address space of a process that inspects"
    )
    inspection_cpu_seconds: int = Field(default=30, ge=1, description="processor time of a process that inspects")
    inspection_timeout_seconds: float = Field(
        default=60.0, gt=0, description="longest time of an inspection on the wall clock"
    )

    # What one fit may take.
    fit_memory_bytes: int = Field(
        default_factory=_memory_of_workers,
        ge=1 << 20,
        description="memory that workers have for one fit: one that takes more is refused; if nothing is said, "
        "TUNER_WORKER_FIT_MEMORY_BYTES, else three quarters of this machine's",
    )
    fit_seconds: float = Field(
        default_factory=_seconds_of_workers,
        gt=0,
        description="time that workers have for one fit: one that is expected to take more is refused; if nothing is "
        "said, TUNER_WORKER_FIT_SECONDS, else a day",
    )

    estimate_timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest time for the process that makes an estimate"
    )

    # Streams of events.
    max_event_streams: int = Field(default=1000, ge=1, description="streams open at the same time, per process")
    max_event_streams_per_tenant: int | None = Field(
        default=None, ge=1, description="streams of one tenant at the same time, per process; None for three quarters"
    )
    events_keep_alive_seconds: float = Field(
        default=15.0, gt=0, description="longest silence of a stream before it sends a comment"
    )
    events_poll_seconds: float = Field(
        default=2.0, gt=0, description="time between two looks while PostgreSQL's notifications are missing"
    )

    readiness_timeout_seconds: float = Field(
        default=2.0, gt=0, description="longest time that /readyz waits for each engine"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        return (
            tuple(re.split(r"[\s,]+", given.strip().lower()))
            if isinstance(given, str) and given.strip()
            else given or ()
        )

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST.fullmatch(host) for host in given):
            raise ValueError(
                "expected names or addresses with commas between them, without scheme, port, path or *, such as "
                "tuner.example,[2001:db8::1]"
            )
        return given

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in given):
            raise ValueError(
                "expected origins with commas between them: scheme, host, and port unless it is the scheme's own, "
                "without a slash at the end, such as https://app.example,http://localhost:3000; or *"
            )
        return tuple(re.sub(r"(?<=^http:)(.*):80$|(?<=^https:)(.*):443$", r"\1\2", origin) for origin in given)

    @model_validator(mode="after")
    def _keyless_is_not_for_all_pages(self) -> Self:
        if "*" in self.allowed_origins and not self.require_keys:
            raise ValueError(
                "TUNER_ALLOWED_ORIGINS=* lets every web page use a service that asks for no keys: name the origins, "
                "or set TUNER_REQUIRE_KEYS=1"
            )
        return self


def load_settings() -> tuple[ApiSettings, StoreSettings]:
    """Read the environment.

    Raises:
        SystemExit: naming every variable that is missing or malformed, without repeating its value.
    """
    refuse("api", complaints(ApiSettings) + complaints(StoreSettings))
    return ApiSettings(), StoreSettings()


def load_api_settings() -> ApiSettings:
    """Read what of the environment is the api's own, while the addresses of engines are yet to come.

    Raises:
        SystemExit: naming every variable that is malformed, of the store's, too, without repeating its value.
    """
    refuse("api", complaints(ApiSettings) + complaints(StoreSettings, required=False))
    return ApiSettings()
