"""The pages for people: everything that they load comes from here, and no script stands within a page."""

from html.parser import HTMLParser

import httpx
import pytest

PAGES = ["/docs", "/redoc"]


class Parts(HTMLParser):
    """What a page loads, and what it does by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("src", "href", "action") if (value := given.get(name))]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within in {"script", "style"} and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("page", PAGES)
def test_everything_comes_from_here(client: httpx.Client, page: str) -> None:
    shown = client.get(page)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    parts = Parts()
    parts.feed(shown.text)
    assert parts.inline == []
    loaded = [address for address in parts.addresses if not address.startswith("data:,")]
    assert len(loaded) == 3
    for address in loaded:
        assert address.startswith(f"{page}/")
        part = client.get(address)
        assert part.status_code == 200, address
        assert part.headers["content-type"].startswith("text/css" if address.endswith("css") else "text/javascript")
        assert part.content


@pytest.mark.parametrize("page", PAGES)
def test_the_policy_allows_scripts_from_here_only(client: httpx.Client, page: str) -> None:
    policy = client.get(page).headers["content-security-policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == ["'none'"]
    assert rules["script-src"] == rules["connect-src"] == ["'self'"]
    others = {
        source for name, sources in rules.items() for source in sources if name not in {"style-src", "worker-src"}
    }
    assert others == {"'none'", "'self'", "data:"}
    if page == "/docs":
        assert (rules["style-src"], rules["worker-src"]) == (["'self'"], ["'none'"])


def test_what_has_not_changed_is_not_sent_again(client: httpx.Client) -> None:
    script = client.get("/docs/swagger-ui-bundle.js")
    again = client.get("/docs/swagger-ui-bundle.js", headers={"If-None-Match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/docs/", "/docs/openapi.json", "/redoc/..%2fdocs", "/docs/favicon.png"])
def test_nothing_else_is_there(client: httpx.Client, path: str) -> None:
    assert client.get(path).json()["code"] == "route_not_found"


def test_every_other_answer_is_no_page(client: httpx.Client) -> None:
    for path in ("/", "/fits", "/nowhere", "/openapi.json"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
