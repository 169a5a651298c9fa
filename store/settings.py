"""Addresses of the database, the broker and the bucket, from the environment (prefix `TUNER_`)."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRETS = Path("/run/secrets")  # where containers are handed files


def _from_json(given: Any) -> Any:
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        raise ValueError("expected a list in JSON") from None


# Read here: what pydantic-settings cannot read is an error of its own kind, which leaves other malformed settings out.
FROM_JSON = (NoDecode, BeforeValidator(_from_json))


class StoreSettings(BaseSettings):
    """Read once at the start of a process; api, worker and migrations share it.

    What the environment does not say, files of the same names may, in /run/secrets: `tuner_database_url` and so on.

    Raises:
        pydantic.ValidationError: at construction, naming every variable that is missing or malformed.
    """

    model_config = SettingsConfigDict(
        env_prefix="TUNER_", frozen=True, secrets_dir=SECRETS if SECRETS.is_dir() else None
    )

    database_url: SecretStr = Field(description="SQLAlchemy address, postgresql+psycopg://user:password@host:port/name")
    database_pool_size: int = Field(default=10, ge=1, le=200)
    database_timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest time to connect, to get a connection of the pool, and for a statement"
    )
    database_unit_seconds: float = Field(
        default=60.0, gt=0, description="longest time of one unit of work, all of its statements together"
    )

    broker_url: SecretStr = Field(description="redis://:password@host:port/0")
    broker_timeout_seconds: float = Field(default=5.0, gt=0, description="connect and read time-out of one broker call")

    s3_endpoint_url: str | None = Field(
        default=None, description="address of the storage service; None for Amazon's own"
    )
    s3_public_endpoint_url: str | None = Field(
        default=None,
        description="address of the storage service as clients reach it, for the addresses of parts that are signed "
        "for them; None if it is the same",
    )
    s3_bucket: str = Field(min_length=3, max_length=63)
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    s3_timeout_seconds: float = Field(default=20.0, gt=0, description="connect and read time-out of one storage call")
    s3_refused_seconds: float = Field(
        default=5.0,
        ge=0,
        description="an object that storage cannot read for so long, twice, while it reads others, is damaged",
    )
    s3_sync: bool = Field(
        default=True, description="wait after each upload until what changed under TUNER_S3_SYNC_FOLDER is on the disk"
    )
    s3_sync_folder: Path | None = Field(
        default=None,
        description="folder of a storage server on this machine that does not sync; None for one that does, or is "
        "elsewhere",
    )
    max_stored_bytes: int | None = Field(default=None, ge=1, description="bytes a tenant may have; None for any number")
    webhook_private_networks: Annotated[tuple[IPvAnyNetwork, ...], *FROM_JSON] = Field(
        default=(), description='networks that webhooks may reach although they are not public, as ["10.1.0.0/16"]'
    )

    traces_endpoint: str | None = Field(
        default=None,
        pattern="^https?://",
        description="address of a collector of traces that speaks OTLP over HTTP, such as http://localhost:4318; None "
        "for no traces",
    )

    disk_folder: Path | None = Field(
        default=None, description="folder on the disk of the engines, if they are on this machine; else None"
    )
    disk_floor_bytes: int = Field(
        default=512 << 20, ge=0, description="bytes of that disk that only the engines may use: nothing new below it"
    )

    s3_request_checksums: bool = Field(
        default=False, description="send the SDK's optional checksums; some S3 servers refuse them"
    )
