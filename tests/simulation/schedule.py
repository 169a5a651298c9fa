"""Who does what in one schedule: clients that submit, cancel, pause, retry and delete, until all is over and done."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from api.schemas.fits import FitRequest
from api.services.fit_limits import FitLimits
from api.services.removal import delete_fit
from api.services.submission import Submissions
from store.blobs import sha256_hex
from store.keys import signal_key
from store.repositories.fits import Fits
from store.repositories.signals import Signals
from store.spec import TargetSpec
from store.status import FitStatus
from tests.simulation import faults
from tests.simulation.invariants import Watch
from tests.simulation.scheduler import Process
from tests.simulation.training import SIGNALS, TENANTS, kind_of
from tests.simulation.world import SETTINGS, SILENCE_SECONDS, TERMS, Promise, Publisher, World, installed
from worker.resources import Resources

SETTLE_SECONDS = 1200.0  # from the last fault until everything has ended by itself
MANY_STEPS = 10  # of a fit that is not small
QUIET_SECONDS = 200.0  # more than an object without a row may stay, by whatever clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one schedule came to."""

    seed: int
    violations: list[str]
    faults: dict[str, int]
    ends: dict[str, int]
    trips: int
    seconds: float
    history: list[str]


def run(seed: int, *, tell: bool = False, is_hurried: bool | None = None) -> Outcome:
    """Run the schedule of a seed; `patched` has to be in force.

    Args:
        seed: of everything that is drawn.
        tell: whether a history is wanted.
        is_hurried: whether fits come a few at a time, with messages that stand for several; None draws it.
    """
    world = World(seed, tell=tell, is_hurried=is_hurried)
    installed(world)
    watch = Watch(world)
    span = world.chance.uniform(20.0, 70.0)
    _prepare(world)
    # Now and then fits have to wait until there is anybody.
    nobody = world.chance.uniform(20.0, 40.0) if world.chance.random() < 0.1 else 0.0
    if world.is_crowded:
        nobody = max(nobody, 2.0)  # until most of them wait
    for number in range(world.chance.choice([1, 2, 2])):
        world.start("worker", f"worker-{number}", after=nobody + world.chance.uniform(0.0, 2.0))
    world.start("upkeep", "upkeep-0")
    if world.chance.random() < 0.3:
        world.start("upkeep", "upkeep-1", after=2.0)
    faults.draw(world, span)
    more = [3, 4, 5] if world.is_crowded else [1, 2, 3]
    count = world.chance.choice([1, 2, 2, 3]) + (world.messages.choice(more) if world.is_hurried else 0)
    clients = [_client(world, number, is_hasty=nobody >= 20.0 and number > 0) for number in range(count)]
    scheduler = world.scheduler
    scheduler.run(span)
    world.calm_down()
    give_up = scheduler.now + SETTLE_SECONDS
    while scheduler.now < give_up and not (all(task.is_done for task in clients) and watch.is_settled()):
        scheduler.run(scheduler.now + 5.0)
        watch.nobody_is_forgotten()
    if scheduler.now >= give_up:
        world.violate(
            f"{SETTLE_SECONDS:g} s after the last fault something still waits for a hand: {watch.unsettled()}"
        )
    watch.when_settled()
    # Who stood still or waits for a silent line goes on before that, and may leave an object.
    scheduler.run(scheduler.now + (max(SILENCE_SECONDS.values()) if world.faults else 1.0))
    # Nobody does anything for a while; then whatever nobody owns is swept. Twice: a sweep that began before goes by the
    # time of its beginning.
    for _ in range(2):
        scheduler.now += QUIET_SECONDS
        scheduler.run(scheduler.now + 15.0)
    watch.at_the_end()
    return Outcome(
        seed=seed,
        violations=world.violations,
        faults=world.faults,
        ends=watch.ends(),
        trips=sum(world.counts.values()),
        seconds=scheduler.now,
        history=scheduler.history or [],
    )


def _prepare(world: World) -> None:
    """Each tenant has a signal."""

    def upload() -> None:
        mine = world.resources(process)
        for tenant, content in zip(TENANTS, SIGNALS, strict=True):
            sha256 = sha256_hex(content)
            key = signal_key(tenant, sha256)
            mine.blobs.put(key, content)
            with mine.database.unit_of_work() as session:
                Signals(session).add(
                    tenant=tenant,
                    sha256=sha256,
                    byte_count=len(content),
                    media_type="image/png",
                    filename=None,
                    facts={"shape": [len(content)], "channels": 1},
                    object_key=key,
                )

    process = Process(name="setting up", role="setting up")
    world.scheduler.spawn(process, upload)
    world.scheduler.run(10.0, lambda: not process.tasks)


@cache
def _request(signal_id: str, seed: int, steps: int, max_run: float | None, max_queue: float | None) -> FitRequest:
    return FitRequest(
        signal_id=signal_id,
        target=TargetSpec(psnr_db=30.0) if steps < MANY_STEPS else None,
        seed=seed,
        max_steps=steps,
        max_run_seconds=max_run,
        max_queue_seconds=max_queue,
    )


def _steps(world: World, max_run_seconds: float | None) -> int:
    """Who allows little has to ask for more, or the limit would never be met."""
    if max_run_seconds is not None:
        return world.chance.choice([14, 30, 60])
    return world.chance.choice([2, 3, 3, 5, 14] if world.is_crowded else [3, 5, 8, 14, 22])


def _client(world: World, number: int, *, is_hasty: bool) -> Any:
    chance = world.chance
    which = chance.randrange(len(TENANTS))
    max_run_seconds = chance.choice([6.0, 30.0]) if chance.random() < 0.1 else None
    promise = Promise(
        tenant=TENANTS[which],
        signal=which,
        seed=number * 100 + chance.choice([96, 96, 97, 98, *[1] * 30]),
        steps=_steps(world, max_run_seconds),
        key=f"key {number}",
        max_run_seconds=max_run_seconds,
        max_queue_seconds=4.0 if is_hasty else 15.0 if chance.random() < 0.06 else None,
    )
    world.promises.append(promise)
    process = Process(name=f"client {number}", role="client")
    begin = chance.uniform(0.0, 15.0) / (40.0 if world.is_crowded else 8.0 if world.is_hurried else 1.0)
    return world.scheduler.spawn(process, lambda: _live(world, promise, depth=0), after=begin)


def _live(world: World, promise: Promise, *, depth: int) -> None:
    """One client, from its request to its last word about it."""
    chance, scheduler = world.chance, world.scheduler
    tenant = promise.tenant
    signal_id = next(row["id"] for row in world.server.tables["signals"].values() if row["tenant"] == tenant)
    request = _request(signal_id, promise.seed, promise.steps, promise.max_run_seconds, promise.max_queue_seconds)

    def submit(mine: Resources) -> str:
        view, _ = _submissions(world, mine).submit(tenant, request, promise.key)
        return view.id

    if depth == 0:
        if chance.random() < 0.1:
            _note(promise, world.insist("submit", submit))
            scheduler.pause(chance.uniform(0.0, 20.0))
            _note(promise, world.insist("submit again", submit))
        elif chance.random() < 0.1:  # at the same moment
            both = [
                scheduler.spawn(scheduler.process, lambda: _note(promise, world.insist("submit", submit))) for _ in "ab"
            ]
            while not all(task.is_done for task in both):
                scheduler.pause(0.5)
        else:
            _note(promise, world.insist("submit", submit))
    fit_id = promise.fit_ids[0]
    act = chance.choice(["leave", "leave", "leave", "cancel", "cancel", "pause", "pause", "pause and cancel", "delete"])
    scheduler.pause(chance.uniform(0.0, 25.0))
    if act.startswith("pause"):
        promise.wants_pause = True
        world.insist(f"pause {fit_id}", lambda mine: _moved(mine, Fits.request_pause, tenant, fit_id))
        promise.paused_at = scheduler.now
        # Now and then for longer than an object without a row may stay.
        scheduler.pause(chance.uniform(0.0, 20.0) if chance.random() < 0.95 else 220.0)
        promise.paused_at = None
    if act == "delete":
        kind, _ = world.insist(f"delete {fit_id}", lambda mine: delete_fit(mine.database, mine.blobs, tenant, fit_id))
        if kind == "done" or (fit_id,) not in world.server.tables["fits"]:
            promise.deleted = True
            return
    if act.endswith("cancel"):
        if kind_of(promise.seed) == "kills":
            _wait_for_the_last_attempt(world, fit_id)
        promise.wants_cancel = True
        kind, status = world.insist(f"cancel {fit_id}", lambda mine: _moved(mine, Fits.request_cancel, tenant, fit_id))
        if kind == "done":
            promise.acknowledged = str(status)
        else:
            promise.refused_as = world.server.tables["fits"][fit_id,]["status"]
    if act == "pause":
        world.insist(f"resume {fit_id}", lambda mine: _submissions(world, mine).resume(tenant, fit_id))
    while not FitStatus(world.server.tables["fits"][fit_id,]["status"]).is_terminal:
        scheduler.pause(5.0)
    _afterwards(world, promise, fit_id, depth)


def _wait_for_the_last_attempt(world: World, fit_id: str) -> None:
    """Until the last worker has the fit that it may cost: a cancel then has to hold whatever becomes of that one."""
    while True:
        row = world.server.tables["fits"][fit_id,]
        is_last = row["status"] == FitStatus.RUNNING and row["tries"] >= SETTINGS.max_tries
        if is_last or FitStatus(row["status"]).is_terminal or row["status"] == FitStatus.PAUSED:
            return
        world.scheduler.pause(0.5)


def _afterwards(world: World, promise: Promise, fit_id: str, depth: int) -> None:
    """A fit that came to nothing may be wanted after all, and what is there may not be wanted any more."""
    chance, tenant = world.chance, promise.tenant
    row = world.server.tables["fits"][fit_id,]
    if depth < 1 and row["status"] == FitStatus.FAILED and row["error_code"] in {"blob_missing", "blob_damaged"}:
        # What the error advises.
        content = SIGNALS[promise.signal]
        key = signal_key(tenant, sha256_hex(content))
        world.insist("upload again", lambda mine: mine.blobs.put(key, content))
        _retry(world, promise, fit_id, depth)
    elif depth < 1 and row["status"] != FitStatus.SUCCEEDED and chance.random() < 0.3:
        _retry(world, promise, fit_id, depth)
    elif row["status"] == FitStatus.SUCCEEDED and _is_spoilt(world, fit_id):
        if depth < 1:
            _retry(world, promise, fit_id, depth)
    elif chance.random() < 0.25:
        world.insist(f"delete {fit_id}", lambda mine: delete_fit(mine.database, mine.blobs, tenant, fit_id))
        promise.deleted = True


def _retry(world: World, promise: Promise, fit_id: str, depth: int) -> None:
    again = Promise(
        tenant=promise.tenant,
        signal=promise.signal,
        seed=promise.seed,
        steps=promise.steps,
        key=f"retry of {fit_id}",
        max_run_seconds=promise.max_run_seconds,
        max_queue_seconds=promise.max_queue_seconds,
    )

    def retry(mine: Resources) -> str:
        view, _ = _submissions(world, mine).retry(promise.tenant, fit_id)
        return view.id

    kind, answer = world.insist(f"retry {fit_id}", retry)
    if kind == "done" and world.chance.random() < 0.3:
        again.fit_ids += {world.insist(f"retry {fit_id} again", retry)[1]} - {answer}
    if kind == "refused":
        world.violate(f"the retry of {fit_id}, which came to nothing, was refused: {answer}")
        return
    world.promises.append(again)
    _note(again, (kind, answer))
    _live(world, again, depth=depth + 1)


def _is_spoilt(world: World, fit_id: str) -> bool:
    """Whether a client could not download what the fit ended in."""
    rows = world.server.tables["representations"].values()
    row = next((row for row in rows if row["fit_id"] == fit_id), None)
    if row is None:
        return False
    stored = world.bucket.seen.get(row["object_key"])
    return stored is None or sha256_hex(stored.content) != row["sha256"] or row["object_key"] in world.bucket.unreadable


def _note(promise: Promise, answer: tuple[str, Any]) -> None:
    kind, fit_id = answer
    if kind != "done":
        raise AssertionError(f"a request that anybody may send was refused: {fit_id}")
    if fit_id not in promise.fit_ids:
        promise.fit_ids.append(fit_id)


def _moved(mine: Resources, move: Any, tenant: str, fit_id: str) -> FitStatus:
    """As the routes do it."""
    with mine.database.unit_of_work() as session:
        status: FitStatus = move(Fits(session), tenant, fit_id).status
        return status


def _submissions(world: World, mine: Resources) -> Submissions:
    limits = FitLimits(TERMS, lambda signal, spec: 0.0)  # the library's arithmetic is none of the protocol
    return Submissions(mine.database, mine.blobs, Publisher(world, mine.queue), limits, TERMS)  # type: ignore[arg-type]
