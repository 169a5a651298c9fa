"""What the service has stored is on the disk before a row names it: the machine may lose its power at once."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from threading import Event

import pytest

import store.synced_folder
from standalone.home import Home
from standalone.ports import Ports
from standalone.program import Child
from standalone.seaweed import Seaweed
from store.blobs import BlobStore, sha256_hex
from store.synced_folder import SyncedFolder
from tests.engines import settings_of, throwaway_home


@contextmanager
def storage(home: Home) -> Iterator[BlobStore]:
    """The engine alone, killed at the end."""
    engine = Seaweed(home)
    ports = Ports(home.path / "ports.json").claim(
        engine.name, engine.purposes, twin=engine.twin, socket_files=engine.socket_files
    )
    service = engine.service(ports)
    service.prepare()
    child = Child(service)
    try:
        child.wait_until_ready(Event())
        nobody = {"TUNER_DATABASE_URL": "postgresql+psycopg://127.0.0.1:9/x", "TUNER_BROKER_URL": "redis://127.0.0.1:9"}
        yield BlobStore(settings_of(engine.environment(ports) | nobody))
    finally:
        os.killpg(child.record.pid, SIGKILL)
        child.reap()


def test_an_object_survives_with_nothing_on_the_disk_but_what_was_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loses power: of what changed since an earlier copy of the folder, the synced files alone are kept."""
    sync = store.synced_folder._sync
    with throwaway_home() as home, home.locked():
        folder, kept = home.path / "seaweedfs", home.path / "kept"
        suffixes: set[str] = set()

        def recorded(path: str) -> None:
            sync(path)
            file = Path(path)
            if file.is_file():
                # As it is now, on the disk: what the server writes later, nobody waits for.
                copy = kept / file.relative_to(folder)
                copy.parent.mkdir(exist_ok=True)
                shutil.copy2(file, copy)
                suffixes.add(file.suffix)

        with storage(home) as blobs:
            blobs.put("first", b"before")
            shutil.copytree(folder, kept, ignore=_scraps)
            monkeypatch.setattr(store.synced_folder, "_sync", recorded)
            contents = {f"object {size}": os.urandom(size) for size in (100, 64 << 10, 9 << 20)}
            for key, content in contents.items():
                blobs.put(key, content)
        assert suffixes >= {".dat", ".idx", ".log"}
        shutil.rmtree(folder)
        kept.rename(folder)
        with storage(home) as blobs:
            for key, content in contents.items():
                assert sha256_hex(blobs.read(key)) == sha256_hex(content)


def test_only_what_has_changed_is_synced(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "tmp").mkdir()
    for name in ("log", "volume/data", "tmp/scrap"):
        (tmp_path / name).write_bytes(b"1")
    folder = SyncedFolder(tmp_path)
    assert sorted(folder.sync()) == [tmp_path / "log", tmp_path / "volume/data"]
    assert folder.sync() == []
    with (tmp_path / "volume/data").open("ab") as file:
        file.write(b"2")
    (tmp_path / "volume/more").write_bytes(b"3")
    assert sorted(folder.sync()) == [tmp_path / "volume/data", tmp_path / "volume/more"]
    # Replaced by another file of the same size and age.
    facts = (tmp_path / "log").stat()
    (tmp_path / "new").write_bytes(b"4")
    os.utime(tmp_path / "new", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (tmp_path / "new").replace(tmp_path / "log")
    assert folder.sync() == [tmp_path / "log"]
    shutil.rmtree(tmp_path)
    with pytest.raises(FileNotFoundError):
        folder.sync()


def _scraps(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "tmp" or name.endswith(".sock")]
