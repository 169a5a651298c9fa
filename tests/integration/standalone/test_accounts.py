"""As root, nothing of a running service but its supervisor runs as root."""

import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from standalone.accounts import SERVICE_FOLDER, Account, service_account
from standalone.home import Home
from standalone.records import ProcessRecord
from tests.factories import picture_png
from tests.integration.standalone.helpers import eventually
from tuner_client import Client

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
NOBODY = Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="tuner-accounts-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def reachable_python(folder: Path) -> list[str]:
    """What runs Python so that every account can: where its own folder is closed, mounted for one process elsewhere."""
    prefix = Path(sys.base_prefix)
    if NOBODY.may("x", Path(sys.executable)) and NOBODY.may("r", Path(os.__file__)):
        return [sys.executable]
    place = folder / "python"
    place.mkdir(mode=0o755)
    binary = place / Path(sys.executable).resolve().relative_to(prefix.resolve())
    mounting = f"mount --bind {shlex.quote(str(prefix))} {shlex.quote(str(place))}"
    wrapped = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mounting} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*wrapped, str(binary), "-V"], check=False).returncode != 0:
        pytest.skip("Python lies where only root can run it, and nothing can be mounted here")
    return [*wrapped, str(binary)]


@pytest.mark.timeout(900)  # a busy machine takes minutes, and every wait in it has an end of its own
def test_nothing_but_the_supervisor_and_its_guard_runs_as_root(open_folder: Path) -> None:
    python = reachable_python(open_folder)
    paths = [path for path in sys.path if path and "lib-dynload" not in path]
    if not all(NOBODY.may("x", Path(path)) for path in paths if Path(path).is_dir() and "site-packages" in path):
        pytest.skip("the packages lie where only root can read them")
    packages = [path for path in paths if not Path(path).is_relative_to(sys.base_prefix)]
    home = Home(open_folder / "home")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *packages])}
    if len(python) > 1:  # its library is looked for where it was built
        environment["LD_LIBRARY_PATH"] = str(open_folder / "python" / "lib")
    with (open_folder / "up.log").open("w") as log:
        up = subprocess.Popen(
            [*python, "-m", "standalone", "up", "--home", str(home.path)], env=environment, stdout=log, stderr=log
        )
    try:
        eventually(lambda: is_up(home) or up.poll() is not None, 180)
        said = (open_folder / "up.log").read_text()
        assert up.poll() is None, said
        recorded = home.running()
        # What answers has also read and written: a signal goes through the cage, storage and its folder.
        with Client(recorded.api_url) as client:
            picture = open_folder / "picture.png"
            picture.write_bytes(picture_png())
            fit = client.wait(client.submit(picture, preset="fast", max_steps=3).id, timeout=120)
            assert fit.status == "succeeded", fit.error_message
        owner = (home.path / SERVICE_FOLDER).stat().st_uid
        assert owner != 0
        with pytest.raises(KeyError):
            pwd.getpwuid(owner)
        seen = dict(users(recorded.children))
        assert {"postgres", "valkey", "seaweedfs", "api", "upkeep", "interactive", "worker"} <= seen.keys()
        assert seen.pop("postgres") != {owner}
        assert all(uids == {owner} for uids in seen.values()), (seen, said)
        files = {path.stat().st_uid for part in ("seaweedfs", "valkey") for path in (home.path / part).rglob("*")}
        assert files == {owner}
        assert all(0 not in uids for _, uids in users(recorded.children))
    finally:
        up.terminate()
        up.wait(90)


def test_where_python_is_closed_the_service_stays_root_and_says_why(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "program"
    shutil.copy("/bin/true", program)
    wanted = service_account(open_folder, [program], {})
    assert wanted.account is None
    assert str(program) in wanted.reason
    assert service_account(open_folder, [program], {}).reason == wanted.reason, "else it would be said at every start"
    assert not (open_folder / SERVICE_FOLDER).exists()


def users(children: tuple[ProcessRecord, ...]) -> Iterator[tuple[str, set[int]]]:
    """Real, effective and saved users of each process and of all below it."""
    for child in children:
        first = psutil.Process(child.pid)
        uids: set[int] = set()
        for process in [first, *first.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                uids |= set(process.uids())
        yield child.name, uids


def is_up(home: Home) -> bool:
    with suppress(Exception):
        recorded = home.running()
        with Client(recorded.api_url, timeout=5) as client:
            client.readyz()
        return {"worker", "api"} <= {child.name for child in recorded.children}
    return False
