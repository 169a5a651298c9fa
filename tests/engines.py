"""The real engines for tests: one set per session, and a fresh corner of it for whoever asks.

Fast settings (no fsync), the same binaries and the same code as `tunerd up`. The fixtures are in `tests/conftest.py`.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import psycopg
import redis
from botocore.config import Config
from mypy_boto3_s3 import S3Client
from psycopg.sql import SQL, Identifier

from standalone.home import Home
from standalone.stack import engines
from store.settings import StoreSettings

_broker_databases = itertools.cycle(range(1, 16))


@contextlib.contextmanager
def throwaway_home() -> Iterator[Home]:
    """A data folder with a space in its path, removed afterwards.

    Not under pytest's `tmp_path`: as root that is closed to other accounts, and PostgreSQL does not run as root.
    """
    path = Path(tempfile.mkdtemp(prefix="tuner engines ", dir=_memory()))
    try:
        yield Home(path)
    finally:
        shutil.rmtree(path)


def _memory() -> str | None:
    """Where Linux keeps files in memory, if there is room: to delete a cluster takes seconds on some disks."""
    memory = "/dev/shm"
    if not Path(memory).is_dir():
        return None
    facts = os.statvfs(memory)
    roomy = facts.f_bavail * facts.f_frsize > 2 * 1024**3
    return memory if roomy and not facts.f_flag & os.ST_NOEXEC else None


@contextlib.contextmanager
def throwaway_engines() -> Iterator[dict[str, str]]:
    """All three engines on a throwaway folder, as the `TUNER_` variables that lead to them."""
    with throwaway_home() as home, engines(home, durable=False) as running:
        yield dict(running.environment)


@contextlib.contextmanager
def fresh_corner(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """An empty database, an empty bucket and an empty broker database on running engines, removed afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    server, broker = environment["TUNER_DATABASE_URL"], environment["TUNER_BROKER_URL"]
    corner = dict(environment) | {
        "TUNER_DATABASE_URL": f"{server.rpartition('/')[0]}/{name}",
        "TUNER_BROKER_URL": f"{broker.rpartition('/')[0]}/{next(_broker_databases)}",
        "TUNER_S3_BUCKET": name,
    }
    s3 = s3_client(corner)
    with (
        psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection,
        contextlib.closing(redis.Redis.from_url(corner["TUNER_BROKER_URL"])) as messages,
    ):
        messages.flushdb()
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        s3.create_bucket(Bucket=name)
        try:
            yield corner
        finally:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
                for entry in page.get("Contents", []):
                    s3.delete_object(Bucket=name, Key=entry["Key"])
            s3.delete_bucket(Bucket=name)
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            s3.close()


def settings_of(environment: Mapping[str, str]) -> StoreSettings:
    """The settings that a process with this environment would read."""
    values = {name.removeprefix("TUNER_").lower(): value for name, value in environment.items()}
    return StoreSettings.model_validate(values)


def s3_client(environment: Mapping[str, str]) -> S3Client:
    """A plain client on the bucket's server, for looking at what the code under test did."""
    return boto3.client(
        "s3",
        endpoint_url=environment["TUNER_S3_ENDPOINT_URL"],
        aws_access_key_id=environment["TUNER_S3_ACCESS_KEY"],
        aws_secret_access_key=environment["TUNER_S3_SECRET_KEY"],
        region_name=environment["TUNER_S3_REGION"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, proxies={}),
    )
