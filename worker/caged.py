"""Processes in the cage that this one asks: one for each kind of work and budget, which ends when this one does."""

import atexit
from functools import cache

from cage.keeper import Keeper
from cage.limits import Limits
from cage.shared import SharedChild


@cache
def keeper_of(module: str, limits: Limits) -> Keeper:
    """The process that does one kind of work; it is started when it is first asked, or by its `start`.

    Args:
        module: name of the module whose `run` does the work; see `cage.nursery`.
        limits: budget of each piece of work.
    """
    keeper = Keeper(module, limits)
    atexit.register(keeper.close)
    return keeper


@cache
def shared_child_of(module: str, limits: Limits) -> SharedChild:
    """What reads several small files of one tenant; it ends with the process of `keeper_of`, if not before.

    Args:
        module: name of the module whose `run` does the work.
        limits: budget of each child.
    """
    return SharedChild(keeper_of(module, limits))
