"""Turns between tenants: who waits for whom, and that no turn is lost."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import TaskGroup

from api.services.turns import Turns

GREEDY, MODEST, THIRD = "greedy", "modest", "third"


class Scene:
    """Visitors that hold a turn until they are told to go."""

    def __init__(self, tasks: TaskGroup, turns: Turns) -> None:
        self._tasks = tasks
        self._turns = turns
        self.inside: list[str] = []
        self._doors: dict[str, anyio.Event] = {}

    async def come(self, *names: str) -> None:
        """Let visitors come, each named by its tenant and a number."""
        for name in names:
            self._doors[name] = anyio.Event()
            self._tasks.start_soon(self._visit, name)
            await anyio.wait_all_tasks_blocked()

    def open(self, name: str) -> None:
        """Tell one that has a turn to go."""
        self._doors[name].set()

    async def go(self, name: str) -> None:
        """Let one go that has a turn, and whoever waits for it come in."""
        self.open(name)
        await anyio.wait_all_tasks_blocked()

    async def _visit(self, name: str) -> None:
        async with self._turns.turn(name.rstrip("0123456789")):
            self.inside.append(name)
            await self._doors[name].wait()
            self.inside.remove(name)


def play(turns: Turns, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            await story(Scene(tasks, turns))
            tasks.cancel_scope.cancel()

    anyio.run(run)


def test_a_place_is_kept_for_others() -> None:
    async def story(scene: Scene) -> None:
        await scene.come("greedy1", "greedy2", "greedy3")
        assert scene.inside == ["greedy1", "greedy2"]
        await scene.come("modest1")
        assert scene.inside == ["greedy1", "greedy2", "modest1"]

    play(Turns(3, is_shared=True), story)


def test_a_single_tenant_has_every_place() -> None:
    async def story(scene: Scene) -> None:
        await scene.come("local1", "local2", "local3")
        assert scene.inside == ["local1", "local2"]

    play(Turns(2, is_shared=False), story)


def test_with_one_place_tenants_take_turns() -> None:
    async def story(scene: Scene) -> None:
        await scene.come("greedy1", "greedy2", "greedy3", "modest1", "third1", "modest2")
        order = []
        while scene.inside:
            order += scene.inside
            await scene.go(order[-1])
        assert order == ["greedy1", "modest1", "third1", "greedy2", "modest2", "greedy3"]

    play(Turns(1, is_shared=True), story)


@pytest.mark.parametrize("has_turn", [False, True])
def test_who_leaves_takes_no_turn_away(has_turn: bool) -> None:
    turns = Turns(1, is_shared=True)

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                scene = Scene(tasks, turns)
                await scene.come("greedy1", "modest1")
                if has_turn:
                    scene.open("greedy1")  # the turn comes to the other in the same moment as its end
                scope.cancel()
        with anyio.fail_after(5):
            async with turns.turn(THIRD):
                pass

    anyio.run(run)
    assert turns.is_idle
