"""The examples of the client's page run, one after the other, as they stand there."""

import re
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.conftest import Server
from tests.integration.api.images import png
from tests.integration.api.world import World
from tuner_client import Client

PAGE = Path(__file__).parents[3] / "docs" / "site" / "client.rst"


@pytest.fixture
def worker(server: Server, world: World) -> Iterator[None]:
    """Ends every fit with the page's label in a file, in place of training it."""
    over = threading.Event()

    def work() -> None:
        with Client(server.url) as client:
            while not over.wait(0.1):
                for fit in client.list_fits(status="queued", labels={"album": "garden"}).data:
                    world.succeed(world.start(fit.id), b"file")

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("worker")
def test_the_examples_run(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(png())
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text("utf-8"), re.MULTILINE)
    names: dict[str, Any] = {"server": server.url}
    for block in blocks:
        exec(textwrap.dedent(block), names)
    assert len(blocks) == 4
    assert Path("photo.tnr").read_bytes() == b"file"
    assert names["fit"].id in names["found"]
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("1 queued", "4 4", "'succeeded']", "404 fit_not_found"))
