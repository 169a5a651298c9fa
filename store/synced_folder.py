"""Files of a storage server on this machine, brought to the disk after an upload, because the server does not do it.

To sync a file brings to the disk what any process has written to it. So whoever stores an object can wait for its
bytes, its place in the volume's index and its name in the filer's log, without knowing which file holds what.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

_SCRAPS = "tmp"  # logs and temporary files, which nobody misses
_Look = tuple[int, int, int]  # inode, size, time of the last change in ns


class SyncedFolder:
    """A folder whose changed files are synced on request. Files only grow or are replaced, so that each change shows.

    A file that was changed and is overwritten within one tick of the clock, at the same size, would be passed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._synced: dict[str, _Look] = {}
        self._folders: dict[str, set[str]] = {}

    def sync(self) -> list[Path]:
        """Bring everything that was written before this call to the disk; returns the files that had changed.

        Raises:
            OSError: if the folder cannot be read, or the disk refuses.
        """
        changed: list[Path] = []
        with self._lock:  # who waits here finds its own files synced
            for folder, files in self._walk():
                for path, look in files.items():
                    if self._synced.get(path) == look:
                        continue
                    try:
                        _sync(path)
                    except FileNotFoundError:
                        continue  # replaced by another one, which is changed as well
                    self._synced[path] = look  # from before: what was written meanwhile is synced the next time
                    changed.append(Path(path))
                if self._folders.get(folder) != set(files):
                    _sync(folder)
                    self._folders[folder] = set(files)
        return changed

    def _walk(self) -> Iterator[tuple[str, dict[str, _Look]]]:
        pending = [str(self.path)]
        while pending:
            folder = pending.pop()
            files: dict[str, _Look] = {}
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if not entry.is_dir(follow_symlinks=False):
                            with suppress(FileNotFoundError):  # removed a moment ago
                                facts = entry.stat(follow_symlinks=False)
                                if stat.S_ISREG(facts.st_mode):  # there are sockets, too
                                    files[entry.path] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
                        elif entry.name != _SCRAPS:
                            pending.append(entry.path)
            except FileNotFoundError:
                if folder == str(self.path):
                    raise
                continue  # it went while we looked
            yield folder, files


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # On macOS, fsync leaves the bytes in the cache of the drive.
        full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
        if full is None:
            os.fsync(descriptor)
        else:
            fcntl.fcntl(descriptor, full)
    finally:
        os.close(descriptor)
