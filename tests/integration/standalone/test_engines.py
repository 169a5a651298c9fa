"""What the engines promise to the rest of the service."""

import urllib.error
import urllib.request

import psutil
import psycopg
import pytest
import redis
from botocore.exceptions import ClientError
from redis.backoff import NoBackoff
from redis.retry import Retry

from standalone.accounts import ServiceAccount
from standalone.home import Home
from standalone.stack import engines as engines_of
from tests.engines import s3_client


def test_a_corner_of_the_engines_is_empty(store_environment: dict[str, str]) -> None:
    with psycopg.connect(store_environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert s3_client(store_environment).list_objects_v2(Bucket=store_environment["TUNER_S3_BUCKET"])["KeyCount"] == 0


def test_under_whom_they_run_is_said_at_the_first_start_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = ["it runs as root, because A", "it runs as root, because A", "it runs as root, because B"]
    said: list[str] = []
    for reason in reasons:
        monkeypatch.setattr("standalone.stack.service_account", lambda *_, why=reason: ServiceAccount(reason=why))
        with engines_of(home, durable=False, say=said.append):
            pass
    assert [line for line in said if line.startswith("it runs as root")] == reasons[1:]
    assert (home.logs / "notices.log").read_text().splitlines() == reasons[1:]


def test_engines_listen_on_loopback_only(engines: dict[str, str]) -> None:
    ours = {process for child in psutil.Process().children() for process in (child, *child.children(recursive=True))}
    listening = {
        (process.name(), connection.laddr.ip)
        for process in ours
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {"postgres", "valkey-server", "weed"} <= {name for name, _ in listening}
    assert {address for _, address in listening} == {"127.0.0.1"}  # of servers that other tests started, too


def test_postgres_refuses_a_wrong_password(engines: dict[str, str]) -> None:
    address = psycopg.conninfo.conninfo_to_dict(engines["TUNER_DATABASE_URL"].replace("+psycopg", ""))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**address, "password": "guessed"})  # type: ignore[arg-type]


def test_valkey_refuses_who_has_no_password_and_keeps_what_it_is_given(engines: dict[str, str]) -> None:
    with redis.Redis.from_url(engines["TUNER_BROKER_URL"]) as client:
        kwargs = client.connection_pool.connection_kwargs
        settings = client.config_get("appendonly", "maxmemory-policy")
    assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction"}
    with (
        redis.Redis(kwargs["host"], kwargs["port"], retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_s3_puts_gets_and_deletes(store_environment: dict[str, str]) -> None:
    client, bucket = s3_client(store_environment), store_environment["TUNER_S3_BUCKET"]
    client.put_object(Bucket=bucket, Key="a/b", Body=b"bytes")
    assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"bytes"
    client.delete_object(Bucket=bucket, Key="a/b")
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket=bucket, Key="a/b")


def test_s3_honours_a_presigned_download_name(store_environment: dict[str, str]) -> None:
    client, bucket = s3_client(store_environment), store_environment["TUNER_S3_BUCKET"]
    client.put_object(Bucket=bucket, Key="c", Body=b"bytes")
    disposition = 'attachment; filename="a name.tnr"'
    asked = {"Bucket": bucket, "Key": "c", "ResponseContentDisposition": disposition}
    with urllib.request.urlopen(client.generate_presigned_url("get_object", Params=asked)) as answer:
        assert (answer.headers["Content-Disposition"], answer.read()) == (disposition, b"bytes")


def test_s3_writes_once_where_asked_to(store_environment: dict[str, str]) -> None:
    client, bucket = s3_client(store_environment), store_environment["TUNER_S3_BUCKET"]
    client.put_object(Bucket=bucket, Key="d", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="d", Body=b"second", IfNoneMatch="*")
    assert client.get_object(Bucket=bucket, Key="d")["Body"].read() == b"first"


def test_s3_does_not_make_a_bucket_out_of_a_typing_error(store_environment: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3_client(store_environment).put_object(Bucket="tunre", Key="e", Body=b"")


def test_objects_are_not_served_to_strangers_on_any_port(store_environment: dict[str, str]) -> None:
    client, bucket = s3_client(store_environment), store_environment["TUNER_S3_BUCKET"]
    client.put_object(Bucket=bucket, Key="f", Body=b"secret" * 1000)
    (weed,) = (child for child in psutil.Process().children() if child.name() == "weed")
    answers = set()
    for port in {c.laddr.port for c in weed.net_connections("inet") if c.status == psutil.CONN_LISTEN}:
        for path in (f"{bucket}/f", f"buckets/{bucket}/f", "buckets/", "1,01", "2,01"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                    answers.add((path, answer.status))
                    assert b"secret" not in answer.read()
            except urllib.error.HTTPError as error:
                error.close()
                answers.add((path, error.code))
            except (OSError, ValueError):
                answers.add((path, 0))  # a gRPC port speaks no HTTP/1
    assert (f"{bucket}/f", 403) in answers
    assert (f"buckets/{bucket}/f", 400) in answers  # it wants TLS; test_doors.py tries harder
    assert not {path for path, status in answers if status == 200 and bucket in path}
