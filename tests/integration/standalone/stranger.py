"""A process without any secret that tries every door of the stack: `python -m ...stranger < plan`.

As root it becomes `nobody` before the first attempt, so that it is another user of the machine. It reads a plan (JSON
of `Plan`) from standard input and prints one attempt per line (JSON of `Attempt`); what to think of an answer is
decided here, by what the door speaks, and the test only looks for attempts that were not refused.
"""

import dataclasses
import fcntl
import http.client
import json
import os
import pwd
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from mypy_boto3_s3 import S3Client

SECONDS = 10.0  # for an answer
SHORT_SECONDS = 1.0  # where no answer is one, too

_PAGE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}  # as a page in a browser would ask
_PUBLIC = {
    "s3": {"/healthz", "/status"},
    "api": {"/", "/livez", "/readyz", "/docs", "/redoc", "/openapi.json", "/problems"},
}
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # how every gRPC call begins
_SETTINGS_FRAME = 4
_SHELL_TELLS = ("total ", "Topology", "DataCenter", "credentials", "deleted")


@dataclasses.dataclass(frozen=True)
class Door:
    """A listening TCP port; `speaks` is tls (with a client certificate), s3, api, redis or postgres."""

    name: str
    port: int
    speaks: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to try.

    Attributes:
        doors: every listening port.
        sockets: every listening socket file.
        pids: every process of the stack.
        files: every file and folder of the data folder.
        lock: the file whose lock says that the folder is in use.
        bucket: the name of the bucket.
        keys: objects in the bucket.
        weed: SeaweedFS' own client.
    """

    doors: tuple[Door, ...]
    sockets: tuple[str, ...]
    pids: tuple[int, ...]
    files: tuple[str, ...]
    lock: str
    bucket: str
    keys: tuple[str, ...]
    weed: str

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        values: dict[str, Any] = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("sockets", "pids", "files", "keys")}
        return cls(**values | lists | {"doors": tuple(Door(**door) for door in values["doors"])})


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One try: where, what, whether nothing came of it, and what was answered."""

    at: str
    what: str
    refused: bool
    answer: str


def paths_of(plan: Plan) -> list[tuple[str, str]]:
    """Everything that lists, reads, hands out tokens or deletes on any of the HTTP servers, with its method."""
    bucket = plan.bucket
    objects = [f"/{bucket}/{key}" for key in plan.keys] + [f"/buckets/{bucket}/{key}" for key in plan.keys]
    looks = ["/", "/dir/assign", f"/dir/assign?collection={bucket}", "/dir/status", "/vol/status", "/cluster/status"]
    looks += ["/cluster/healthz", "/status", "/healthz", "/stats/counter", "/stats/disk", "/metrics", "/ui/index.html"]
    looks += [f"/dir/lookup?volumeId={number}" for number in range(1, 9)]
    looks += [f"/{number},01637037d6" for number in range(1, 9)]
    looks += [f"/buckets/{bucket}/?limit=100", "/buckets/", "/etc/", f"/{bucket}?list-type=2", f"/{bucket}?uploads"]
    looks += ["/vol/grow?count=1", "/vol/vacuum", "/submit", "/debug/pprof/", "/login", "/api/users", "/.tus/"]
    looks += ["/signals", "/fits", "/uploads", "/webhooks"]
    deletes = [f"/col/delete?collection={bucket}", "/col/delete?collection=", "/admin/delete_collection"]
    tokens = ["/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "/?Action=CreateAccessKey&UserName=tuner"]
    posts = ["/dir/assign", "/submit", "/signals", "/fits", f"/{bucket}?delete", f"/buckets/{bucket}/planted", *tokens]
    return [
        *(("GET", path) for path in [*looks, *objects, *tokens, *deletes]),
        *(("POST", path) for path in [*posts, *deletes]),
        *(("PUT", path) for path in [f"/{bucket}/planted", f"/buckets/{bucket}/planted"]),
        *(("DELETE", path) for path in [*objects, f"/{bucket}", f"/buckets/{bucket}?recursive=true"]),
    ]


def attack(plan: Plan, weed: list[str], scraps: Path) -> Iterator[Attempt]:
    """Try everything, everywhere."""
    certificates = _own_certificate(scraps)
    with ThreadPoolExecutor(len(plan.doors)) as pool:  # most doors refuse by saying nothing, for a second each time
        for attempts in pool.map(lambda door: list(knock(door, plan, certificates)), plan.doors):
            yield from attempts
    ports = {door.name: door.port for door in plan.doors}
    yield from weed_commands(ports, plan, weed, scraps)
    for path in plan.sockets:
        yield closed(f"socket {path}", "connect", lambda path=path: _connect(path))  # type: ignore[misc]
    for path in plan.files:
        yield closed(path, "open", lambda path=path: _open(path))  # type: ignore[misc]
    yield closed(plan.lock, "take the lock", lambda: _lock(plan.lock))
    for pid in plan.pids:
        if Path(f"/proc/{pid}").exists():
            yield closed(f"process {pid}", "environment", lambda pid=pid: _open(f"/proc/{pid}/environ"))  # type: ignore[misc]
            yield closed(f"process {pid}", "memory", lambda pid=pid: _open(f"/proc/{pid}/mem"))  # type: ignore[misc]


def knock(door: Door, plan: Plan, certificates: ssl.SSLContext) -> Iterator[Attempt]:
    """Everything that can be said to one port."""
    yield from ask(door, paths_of(plan), tls=None)
    for name, context in (("without a certificate", ssl.create_default_context()), ("with its own", certificates)):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        yield from ask(door, [("GET", "/"), ("GET", "/dir/assign")], tls=context, how=f", TLS {name}")
        yield grpc(door, context, f"gRPC, TLS {name}")
    yield grpc(door, None, "gRPC")
    yield from redis(door)
    yield from postgres(door)
    if door.speaks == "s3":
        yield from s3(door, plan)


def ask(door: Door, requests: list[tuple[str, str]], *, tls: ssl.SSLContext | None, how: str = "") -> Iterator[Attempt]:
    """HTTP, or HTTPS with a context."""
    patience = SECONDS if door.speaks in {"tls", "s3", "api"} else SHORT_SECONDS
    for method, path in requests:
        what = f"{method} {path}{how}"
        try:
            if tls:
                client: http.client.HTTPConnection = http.client.HTTPSConnection(
                    "127.0.0.1", door.port, timeout=patience, context=tls
                )
            else:
                client = http.client.HTTPConnection("127.0.0.1", door.port, timeout=patience)
            guess = {"Authorization": f"Bearer tnr_{'0' * 12}_{'0' * 43}"} if door.speaks == "api" else {}
            with closing(client):
                client.request(method, path, headers=_PAGE | guess)
                answer = client.getresponse()
                body = answer.read(10_000)
        except TimeoutError as error:  # nothing came, which is no refusal where something should have
            yield Attempt(door.name, what, patience == SHORT_SECONDS, repr(error))
        except (OSError, http.client.HTTPException) as error:
            yield Attempt(door.name, what, True, repr(error))
        else:
            yield Attempt(door.name, what, _refused(door, path, answer.status, body), f"{answer.status} {body[:200]!r}")


def _refused(door: Door, path: str, status: int, body: bytes) -> bool:
    if door.speaks in {"s3", "api"}:
        return 400 <= status < 500 or status == 501 or path.partition("?")[0] in _PUBLIC[door.speaks]
    return status == 400 and b"HTTPS server" in body  # the words of Go's TLS listener; whoever asks in TLS gets none


def grpc(door: Door, tls: ssl.SSLContext | None, what: str) -> Attempt:
    """Begin a gRPC conversation; a server that takes part answers with its settings."""
    try:
        with socket.create_connection(("127.0.0.1", door.port), timeout=SHORT_SECONDS) as plain:
            if tls:
                tls.set_alpn_protocols(["h2"])
            with tls.wrap_socket(plain) if tls else plain as connection:
                connection.sendall(_PREFACE)
                answer = connection.recv(100)
    except OSError as error:
        return Attempt(door.name, what, True, repr(error))
    takes_part = len(answer) >= 9 and answer[3] == _SETTINGS_FRAME and not answer.startswith(b"HTTP/")
    return Attempt(door.name, what, not takes_part, repr(answer))


def redis(door: Door) -> Iterator[Attempt]:
    """Commands of Redis; anything but an error is an answer."""
    commands = ["PING", "KEYS *", "CONFIG GET requirepass", "INFO", "AUTH guessed", "HELLO 3", "FLUSHALL", "ACL LIST"]
    for command in commands:
        try:
            with socket.create_connection(("127.0.0.1", door.port), timeout=SHORT_SECONDS) as connection:
                connection.sendall(f"{command}\r\n".encode())
                answer = connection.recv(1000)
        except OSError as error:
            yield Attempt(door.name, command, door.speaks != "redis", repr(error))
        else:
            expected = answer.startswith((b"-NOAUTH", b"-WRONGPASS")) or door.speaks != "redis"
            yield Attempt(
                door.name, command, expected and not answer.startswith((b"+", b"*", b"$", b"%")), repr(answer)
            )


def postgres(door: Door) -> Iterator[Attempt]:
    """Connect as anybody, with no password and with a guessed one."""
    for user in ("tuner", "postgres", "nobody", "root"):
        for database in ("tuner", "postgres", "template1"):
            for password in ("", "tuner"):
                what = f"connect as {user} to {database} with {password!r}"
                try:
                    psycopg.connect(
                        host="127.0.0.1", port=door.port, user=user, dbname=database, password=password or None,
                        passfile="/nonexistent", connect_timeout=2,
                    ).close()  # fmt: skip
                except psycopg.OperationalError as error:
                    refused = door.speaks != "postgres" or "password" in str(error)
                    yield Attempt(door.name, what, refused, str(error))
                else:
                    yield Attempt(door.name, what, False, "connected")
                if door.speaks != "postgres":
                    return


def s3(door: Door, plan: Plan) -> Iterator[Attempt]:
    """The verbs of S3, without keys and with guessed ones."""
    anonymous = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, proxies={})
    guessing = Config(signature_version="s3v4", s3={"addressing_style": "path"}, proxies={})
    for how, config in (("without keys", anonymous), ("with guessed keys", guessing)):
        with closing(
            boto3.client(
                "s3",
                endpoint_url=f"http://127.0.0.1:{door.port}",
                region_name="us-east-1",
                aws_access_key_id="admin",
                aws_secret_access_key="admin",
                config=config,
            )
        ) as client:
            for verb, call in _verbs(client, plan.bucket, plan.keys[0]).items():
                try:
                    answer = call()
                except ClientError as error:
                    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                    yield Attempt(door.name, f"{verb} {how}", status == 403, str(error))
                except BotoCoreError as error:
                    yield Attempt(door.name, f"{verb} {how}", False, repr(error))
                else:
                    yield Attempt(door.name, f"{verb} {how}", False, repr(answer)[:300])


def _verbs(client: S3Client, bucket: str, key: str) -> dict[str, Callable[[], object]]:
    return {
        "list buckets": client.list_buckets,
        "list": lambda: client.list_objects_v2(Bucket=bucket),
        "read": lambda: client.get_object(Bucket=bucket, Key=key)["Body"].read(),
        "head": lambda: client.head_object(Bucket=bucket, Key=key),
        "write": lambda: client.put_object(Bucket=bucket, Key="planted", Body=b""),
        "open up": lambda: client.put_bucket_acl(Bucket=bucket, ACL="public-read-write"),
        "delete": lambda: client.delete_object(Bucket=bucket, Key=key),
        "delete bucket": lambda: client.delete_bucket(Bucket=bucket),
    }


def weed_commands(ports: dict[str, int], plan: Plan, weed: list[str], scraps: Path) -> Iterator[Attempt]:
    """SeaweedFS' own client; it tries again for ever where nobody lets it in, so it gets little time."""
    address = {part: f"127.0.0.1:{ports[f'seaweedfs.{part}']}" for part in ("master", "filer")}
    full = {part: f"{address[part]}.{ports[f'seaweedfs.{part}.grpc']}" for part in address}
    shell = [*weed, "shell", f"-master={full['master']}", f"-filer={full['filer']}"]
    scripts = [
        f"fs.ls -l /buckets/{plan.bucket}",
        "volume.list",
        "s3.configure -user=planted -access_key=planted -secret_key=planted -actions=Admin -apply",
        f"lock\ncollection.delete -collection={plan.bucket} -force\nfs.rm -rf /buckets/{plan.bucket}",
    ]
    page = scraps / "planted.html"
    page.write_text("planted")
    tries: list[tuple[list[str], str, Callable[[str], bool]]] = [
        *((shell, f"{script}\n", lambda output: any(word in output for word in _SHELL_TELLS)) for script in scripts),
        *((_backup(weed, full["master"], plan.bucket, n, scraps), "", _found(scraps, n)) for n in (1, 2, 3)),
        ([*weed, "filer.meta.tail", f"-filer={full['filer']}", "-timeAgo=30h"], "", lambda out: "ntry" in out),
        ([*weed, "upload", f"-master={full['master']}", str(page)], "", lambda output: '"fid"' in output),
    ]
    with ThreadPoolExecutor(len(tries)) as pool:
        runs = [pool.submit(_run, command, said, scraps, leaked) for command, said, leaked in tries]
    yield from (run.result() for run in runs)


def _backup(weed: list[str], master: str, bucket: str, volume: int, scraps: Path) -> list[str]:
    folder = scraps / f"backup-{volume}"
    folder.mkdir()
    return [*weed, "backup", f"-server={master}", f"-volumeId={volume}", f"-collection={bucket}", f"-dir={folder}"]


def _found(scraps: Path, volume: int) -> Callable[[str], bool]:
    return lambda _: any((scraps / f"backup-{volume}").glob("*.dat"))


def _run(command: list[str], said: str, scraps: Path, leaked: Callable[[str], bool]) -> Attempt:
    kept = [int(part.rpartition("/")[2]) for part in command[:1] if part.startswith("/proc/self/fd/")]
    environment = {"PATH": os.environ["PATH"], "HOME": str(scraps), "TMPDIR": str(scraps)}
    try:
        ended = subprocess.run(
            command,
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            cwd=scraps,
            env=environment,
            pass_fds=kept,
            check=False,
        )
        output = ended.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
    what = f"weed {' '.join(command[1:])} {said!r}"
    return Attempt("seaweedfs", what, not leaked(output), output[-300:])


def closed(at: str, what: str, act: Callable[[], object]) -> Attempt:
    """Something that the kernel must not let another user do."""
    try:
        answer = act()
    except OSError as error:
        return Attempt(at, what, isinstance(error, PermissionError), repr(error))
    return Attempt(at, what, False, repr(answer)[:100])


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SHORT_SECONDS)
        client.connect(f"\0{path[1:]}" if path.startswith("@") else path)


def _open(path: str) -> object:
    if Path(path).is_dir():
        return list(Path(path).iterdir())
    with Path(path).open("rb") as file:
        return file.read(10)


def _lock(path: str) -> None:
    with Path(path).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _own_certificate(scraps: Path) -> ssl.SSLContext:
    """A context with a certificate of the stranger's own making, from the very code that makes the real ones."""
    from standalone.weed_security import CERTIFICATE, KEY, write_security

    write_security(scraps, ["127.0.0.1"], signing_key="guessed")
    context = ssl.create_default_context()
    context.load_cert_chain(scraps / CERTIFICATE, scraps / KEY)
    (scraps / "security.toml").unlink()
    return context


def main() -> None:
    plan = Plan.from_json(sys.stdin.read())
    # To run it is no secret, but the way to it may be closed, like /root.
    weed = [plan.weed]
    if Path("/proc/self/fd").exists():
        weed = [f"/proc/self/fd/{os.open(plan.weed, os.O_RDONLY)}"]
    with tempfile.TemporaryDirectory(prefix="stranger") as folder:
        if os.geteuid() == 0:
            # What is imported or read late lies where only root may go.
            _own_certificate(Path(folder))
            "idna".encode("idna")
            boto3.client("s3", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            for file in Path(folder).iterdir():
                file.unlink()
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
        os.umask(0o022)
        for attempt in attack(plan, weed, Path(folder)):
            print(json.dumps(dataclasses.asdict(attempt)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
