"""Room on the disk that the engines write to: a floor of it is theirs.

A database that cannot write its log stops, and takes with it what could have been read. So whoever wants to add
something is refused while there is still room for what is under way, and is served again, by itself, with more.
"""

import os
from pathlib import Path

from store.errors import DiskFull
from store.settings import StoreSettings


class Disk:
    """The file system of the engines, where they are on this machine."""

    def __init__(self, folder: Path | None, floor_bytes: int) -> None:
        """Prepare.

        Args:
            folder: any folder on the file system; None if the engines are elsewhere, and it is never full.
            floor_bytes: bytes that stay free for the engines.
        """
        self._folder = folder
        self._floor_bytes = floor_bytes

    @classmethod
    def of(cls, settings: StoreSettings) -> "Disk":
        """The one that the settings name."""
        return cls(settings.disk_folder, settings.disk_floor_bytes)

    def free_bytes(self) -> int | None:
        """What may still be written by anybody but root; None if that cannot be known from here."""
        if self._folder is None:
            return None
        facts = os.statvfs(self._folder)
        return facts.f_bavail * facts.f_frsize

    def has_room(self) -> bool:
        """Whether there is more than the floor."""
        free = self.free_bytes()
        return free is None or free >= self._floor_bytes

    def check(self) -> None:
        """Let only those pass who may add something.

        Raises:
            DiskFull: if only the floor is left.
        """
        if not self.has_room():
            raise DiskFull(
                f"the disk of this service has less than {self._floor_bytes >> 20} MiB left: what there is can be "
                "read, cancelled and deleted, and nothing added until there is room again"
            )


ENDLESS = Disk(None, 0)
