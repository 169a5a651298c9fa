"""The data folder: whose it is, what it keeps, and what it refuses."""

import os
import socket
from pathlib import Path

import pytest

from standalone.errors import AlreadyRunning, HomeUnusable, NoFreePort, NotRunning
from standalone.home import Home, default_home
from standalone.ports import Ports, port_is_free


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    first, second = Home(tmp_path / "data"), Home(tmp_path / "data")
    with first.locked(), pytest.raises(AlreadyRunning, match="already runs on"), second.locked():
        pass
    with second.locked():
        pass


def test_the_lock_is_closed_to_others_even_where_an_earlier_version_left_it_open(tmp_path: Path) -> None:
    lock = tmp_path / "data" / "lock"
    with Home(tmp_path / "data").locked():
        assert lock.stat().st_mode & 0o777 == 0o600
    lock.chmod(0o644)
    with Home(tmp_path / "data").locked():
        assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_that_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(HomeUnusable, match="belongs to user 65534"), Home(tmp_path).locked():
        pass
    assert not (tmp_path / "lock").exists()


def test_a_folder_with_other_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "photograph.png").touch()
    mode = tmp_path.stat().st_mode
    with pytest.raises(HomeUnusable, match="holds other files"), Home(tmp_path).locked():
        pass
    assert tmp_path.stat().st_mode == mode


@pytest.mark.parametrize("broken", ["a file", "read-only"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "data"
    if broken == "a file":
        path.touch()
    else:
        path.mkdir(mode=0o500)
        tmp_path.chmod(0o755)
    others = [folder for folder in tmp_path.parents if not folder.stat().st_mode & 0o001]
    modes = {folder: folder.stat().st_mode for folder in others}
    try:
        if os.geteuid() == 0:  # root may write everywhere
            for folder in others:
                folder.chmod(0o711)
            os.seteuid(65534)
        with pytest.raises(HomeUnusable, match=f"{path} cannot be used"), Home(path).locked():
            pass
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
            for folder, mode in modes.items():
                folder.chmod(mode)


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path)
    secrets = home.installation()
    assert home.installation() == secrets
    assert Home(tmp_path).installation() == secrets
    assert (tmp_path / "installation.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    assert Home(tmp_path / "other").installation().postgres_password != secrets.postgres_password


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "cannot be read"), ('{"colour": 7}', "cannot be read"), ('{"layout": 2}', "has layout 2")],
)
def test_secrets_that_cannot_be_read_are_not_replaced(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "installation.json").write_text(text)
    with pytest.raises(HomeUnusable, match=complaint):
        Home(tmp_path).installation()
    assert (tmp_path / "installation.json").read_text() == text


def test_lost_secrets_of_existing_data_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(HomeUnusable, match="is missing"):
        Home(tmp_path).installation()


def test_asking_an_unused_folder_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="Nothing runs"):
        Home(tmp_path / "data").running()
    assert not (tmp_path / "data").exists()


def test_tuner_home_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNER_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("TUNER_HOME")
    assert default_home().name == "tuner"


def test_ports_are_remembered_unless_somebody_took_them(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").claim("weed", ["s3", "filer"], twin=10_000)
    assert Ports(tmp_path / "ports.json").claim("weed", ["s3", "filer"], twin=10_000) == first
    with socket.create_server(("127.0.0.1", first["s3"] + 10_000)):
        second = Ports(tmp_path / "ports.json").claim("weed", ["s3", "filer"], twin=10_000)
    assert second["filer"] == first["filer"]
    assert second["s3"] != first["s3"]
    assert port_is_free(second["s3"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_a_port_whose_socket_file_somebody_else_holds_is_not_taken(tmp_path: Path) -> None:
    files = (f"{tmp_path}/seaweedfs-{{port}}.sock",)
    first = Ports(tmp_path / "ports.json").claim("weed", ["s3"], twin=10_000, socket_files=files)
    held = Path(files[0].format(port=first["s3"] + 10_000))
    held.touch()
    os.chown(tmp_path, 65534, 65534)
    os.chown(tmp_path / "ports.json", 65534, 65534)
    closed = [folder for folder in tmp_path.parents if not folder.stat().st_mode & 0o001]
    modes = {folder: folder.stat().st_mode for folder in closed}
    try:
        for folder in closed:
            folder.chmod(0o711)
        os.seteuid(65534)
        assert Ports(tmp_path / "ports.json").claim("weed", ["s3"], twin=10_000, socket_files=files) != first
    finally:
        os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)


def test_no_port_is_given_twice(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    given = [port for name in "abcdef" for port in ports.claim(name, ["x", "y"]).values()]
    assert len(set(given)) == len(given)


def test_a_machine_without_free_ports_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standalone.ports.port_is_free", lambda port: False)
    with pytest.raises(NoFreePort, match="is free"):
        Ports(tmp_path / "ports.json").claim("api", ["http"])
