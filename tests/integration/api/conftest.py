"""A real server on the real engines, and the store's own view of what it did."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from store.blobs import BlobStore
from store.database import Database
from store.settings import StoreSettings
from tests.engines import fresh_corner
from tests.integration.api.world import World

MAX_UPLOAD_BYTES = 1 << 20
MAX_PIXELS = 4_000_000

# Nothing here speaks TLS: to read the certificates of all authorities for every client took longer than most requests.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, kw_only=True)
class Server:
    """An api process."""

    url: str
    process: subprocess.Popen[bytes]
    spool: Path
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """For plain sockets."""
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port


@contextlib.contextmanager
def running_api(environment: Mapping[str, str], folder: Path, **changes: str) -> Iterator[Server]:
    """Start uvicorn as a process of its own and wait until it answers; `changes` are further variables."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    spool, log = folder / "spool", folder / "api.log"
    spool.mkdir(parents=True)
    variables = {"TUNER_SPOOL_DIR": str(spool), "TUNER_MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES)}
    variables |= {"TUNER_MAX_PIXELS": str(MAX_PIXELS), "TUNER_EVENTS_KEEP_ALIVE_SECONDS": "0.5"}
    command = [sys.executable, "-m", "api", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | dict(environment) | variables | changes, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_alive(url, process, log)
        yield Server(url=url, process=process, spool=spool, log=log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def environment(engines: dict[str, str]) -> Iterator[dict[str, str]]:
    """An empty database with tables, a bucket and a broker, for all tests of the api together."""
    with fresh_corner(engines) as corner:
        command = [sys.executable, "-m", "standalone.migrate"]
        subprocess.run(command, env=os.environ | corner, check=True, capture_output=True)
        yield corner


@pytest.fixture(scope="session")
def server(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The api that most tests share."""
    with running_api(environment, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the shared api."""
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False, verify=PLAIN) as client:
        yield client


@pytest.fixture(scope="session")
def world(environment: dict[str, str]) -> Iterator[World]:
    """The rows and objects behind the api."""
    settings = StoreSettings.model_validate(
        {name.removeprefix("TUNER_").lower(): value for name, value in environment.items()} | {"database_pool_size": 4}
    )
    database = Database(settings)
    yield World(database, BlobStore(settings))
    database.close()


@pytest.fixture(scope="module", autouse=True)
def _speed_is_not_known(world: World) -> None:
    """What fits of earlier files took says nothing here: which files are earlier differs from run to run."""
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE representations SET facts = facts - 'work'"))


def _wait_until_alive(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    with httpx.Client(trust_env=False, verify=PLAIN) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{url}/livez").status_code == 200:
                    return
            time.sleep(0.05)
    raise AssertionError(f"the api did not start:\n{log.read_text()}")
