"""A podman that hangs ends a run with a word of what hung, and leaves nothing behind."""

import subprocess
from pathlib import Path

import pytest

from tests.containers import running
from tests.containers.running import Deployment, podman


class Podman:
    """Stands in for podman: says something, and of one command finds no end.

    Attributes:
        hanging: the command, such as `exec`.
        asked: the commands that were given, in their order.
    """

    def __init__(self, hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hanging = hanging
        self.asked: list[str] = []
        self._run = running._run
        script = f'echo so far; if [ "$1" = {hanging} ]; then exec sleep 600; fi'
        monkeypatch.setattr(running, "_PODMAN", ("/bin/sh", "-c", script, "podman"))
        monkeypatch.setattr(running, "_run", self.run)

    def run(self, *arguments: str, given: str = "", seconds: float) -> subprocess.CompletedProcess[str]:
        """Notes the command, and waits for less than its caller would where there is no end."""
        self.asked.append(arguments[0])
        return self._run(*arguments, given=given, seconds=2 if arguments[0] == self.hanging else seconds)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(prefix="t", environment={}, secrets=tmp_path, images=dict.fromkeys(running.SERVICES, "i"), port=1)


def test_what_hangs_is_ended_and_named(monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> None:
    Podman("exec", monkeypatch)
    with pytest.raises(AssertionError, match=r"podman exec t-worker python: has not ended within 2 s; so far"):
        deployment.is_healthy("worker")
    assert podman("stop", "t-worker") == "so far\n"


def test_a_program_that_hangs_leaves_no_container(monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> None:
    hung = Podman("run", monkeypatch)
    with pytest.raises(AssertionError, match="has not ended"):
        deployment.python("api", "")
    assert hung.asked == ["run", "rm"]


def test_all_is_removed_though_one_removal_hangs(monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> None:
    hung = Podman("rm", monkeypatch)
    with deployment.running("api", "worker"):
        pass
    assert hung.asked == ["run", "run", "run", "rm", "rm", "volume"]
