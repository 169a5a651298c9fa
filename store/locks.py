"""The numbers of PostgreSQL's advisory locks, all in one place: two that are equal make strangers wait for each other.

Locks of one tenant or one key are hashes of a text instead.
"""

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """One number for each thing that only one process does at a time; they stay, since versions run side by side."""

    MIGRATION = 7_236_001
    UPKEEP = 7_236_002
    WEBHOOK_CLAIMS = 7_236_003
    SCRUB = 7_236_004
