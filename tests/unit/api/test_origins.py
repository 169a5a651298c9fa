"""Hosts and origins, case by case, on a small application."""

from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pydantic import ValidationError

from api.middleware import RequestContext
from api.origins import Authority, Origins
from api.settings import ApiSettings


def ask(url: str = "http://localhost:8000", headers: dict[str, str] | None = None, **settings: Any) -> Response:
    """GET / of a service that is called by this address."""
    app = FastAPI()
    app.add_middleware(Origins, settings=ApiSettings.model_validate(settings))
    app.add_middleware(RequestContext)

    @app.get("/")
    def root() -> str:
        return "served"

    async def send() -> Response:
        async with AsyncClient(transport=ASGITransport(app), base_url=url) as client:
            return await client.get("/", headers=headers)

    return anyio.run(send)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "localhost.", "127.0.0.1", "127.8.8.8:80", "[::1]", "[::1]:8000"]
)
def test_this_machine_by_its_own_names(host: str) -> None:
    assert ask(headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost", "0.0.0.0"),
        *("[::]", "10.0.0.5", "127.0.0.1@evil.example", "localhost:8000:8000", "localhost/", "localhost:x", "[::1"),
        *("2130706433", "0x7f.1", "localhost, evil.example", "xn--locahost-y5b", "[::ffff:10.0.0.5]"),
    ],
)
def test_anything_else_is_another_host(host: str) -> None:
    refused = ask(headers={"Host": host})
    assert (refused.status_code, refused.json()["code"]) == (421, "host_refused")


def test_a_name_is_allowed_whatever_its_case_and_port() -> None:
    for host in ("tuner.example", "Tuner.Example:8000", "tuner.example."):
        assert ask(headers={"Host": host}, allowed_hosts="tuner.example").status_code == 200
    assert ask(headers={"Host": "a.tuner.example"}, allowed_hosts="tuner.example").status_code == 421


def test_an_address_that_is_bound_is_a_host_of_its_own() -> None:
    assert ask(headers={"Host": "10.0.0.5:8000"}, host="10.0.0.5").status_code == 200
    assert ask(headers={"Host": "[fe80::1]"}, host="fe80::1").status_code == 200
    assert ask(headers={"Host": "0.0.0.0"}, host="0.0.0.0").status_code == 421


def test_with_keys_hosts_are_looked_at_only_if_there_is_a_list() -> None:
    foreign = {"Host": "evil.example", "Origin": "null", "Sec-Fetch-Site": "cross-site"}
    assert ask(headers=foreign, require_keys=True).status_code == 200
    assert ask(headers=foreign, require_keys=True, allowed_hosts="tuner.example").status_code == 421
    assert ask(headers=foreign | {"Host": "tuner.example"}, require_keys=True, allowed_hosts="tuner.example").is_success


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("http://localhost", 403),
        ("http://localhost:80", 403),
        ("https://localhost:8000", 403),
        ("http://127.0.0.1:8000", 403),
        ("http://localhost:8000/", 403),
        ("http://localhost:8000.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
        ("chrome-extension://abc", 403),
    ],
)
def test_own_pages_and_others(origin: str, status: int) -> None:
    assert ask(headers={"Origin": origin}).status_code == status


def test_the_port_of_the_scheme_is_not_written() -> None:
    assert ask("http://localhost", headers={"Origin": "http://localhost"}).status_code == 200
    assert ask("https://localhost:443", headers={"Origin": "https://localhost"}).status_code == 200
    assert ask("http://localhost", headers={"Origin": "https://localhost"}).status_code == 403


def test_two_headers_of_one_name_are_both_looked_at() -> None:
    app_headers = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]
    app = FastAPI()
    app.add_middleware(Origins, settings=ApiSettings())
    app.add_middleware(RequestContext)

    async def send() -> Response:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
            return await client.get("/", headers=app_headers)

    assert anyio.run(send).status_code == 403


def test_every_page_is_allowed_only_where_there_are_keys() -> None:
    anywhere = ask(headers={"Origin": "https://any.example"}, require_keys=True, allowed_origins="*")
    assert anywhere.headers["access-control-allow-origin"] == "https://any.example"
    with pytest.raises(ValidationError, match="TUNER_REQUIRE_KEYS=1"):
        ApiSettings.model_validate({"allowed_origins": "*"})


@pytest.mark.parametrize("hosts", ["*", "https://tuner.example", "tuner.example:443", "a/b", "*.example", "a,,@"])
def test_hosts_are_names(hosts: str) -> None:
    with pytest.raises(ValidationError, match="expected names"):
        ApiSettings.model_validate({"allowed_hosts": hosts})


@pytest.mark.parametrize("origins", ["null", "app.example", "https://app.example/", "ftp://a", "https://*.example"])
def test_origins_are_origins(origins: str) -> None:
    with pytest.raises(ValidationError, match="expected origins"):
        ApiSettings.model_validate({"allowed_origins": origins})


def test_lists_come_as_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_ALLOWED_HOSTS", "Tuner.example, 10.0.0.5 [2001:db8::1]")
    monkeypatch.setenv("TUNER_ALLOWED_ORIGINS", "https://app.example:443,http://localhost:3000")
    settings = ApiSettings()
    assert settings.allowed_hosts == ("tuner.example", "10.0.0.5", "[2001:db8::1]")
    assert settings.allowed_origins == ("https://app.example", "http://localhost:3000")
    monkeypatch.setenv("TUNER_ALLOWED_HOSTS", "")
    assert ApiSettings().allowed_hosts == ()


def test_an_authority_is_read_in_parts() -> None:
    assert Authority.parse("[::1]:80") == Authority("[::1]", 80)
    assert Authority.parse("a:b") is None
