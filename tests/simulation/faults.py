"""What goes wrong, by name; a schedule of it is drawn from the seed, by time and by the number of a statement."""

from collections.abc import Callable
from dataclasses import dataclass

from store.keys import SIGNALS
from tests.simulation.bucket import Stored
from tests.simulation.scheduler import Process
from tests.simulation.world import PARTIES, Cut, World

LONGEST_SECONDS = 45.0  # of a fault that lasts: more than two leases


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong in a process, or in an engine."""

    name: str
    weight: int
    strike: Callable[[World, Process], None]


def kill(world: World, process: Process) -> None:
    """The process is gone; what it had sent and not heard of may be done or not."""
    world.scheduler.kill(process)


def freeze(world: World, process: Process) -> None:
    """The process stands still and goes on as if nothing had happened."""
    # Half of the time for longer than a lease, so that somebody else has the fit by then.
    shortest = world.chance.choice([0.5, 25.0])
    seconds = world.chance.uniform(shortest, LONGEST_SECONDS)
    process.frozen_until = max(process.frozen_until, world.scheduler.now + seconds)


def freeze_until_missed(world: World, process: Process) -> None:
    """The process stands still, and goes on just when upkeep is about to miss it."""
    process.frozen_until = max(process.frozen_until, world.scheduler.now + LONGEST_SECONDS)
    world.sleepers.append(process)


def cut(world: World, process: Process) -> None:
    """Nothing gets through between the process and one engine."""
    until = world.scheduler.now + world.chance.uniform(0.5, LONGEST_SECONDS)
    is_silent = world.chance.random() < 0.7
    world.cuts.append(
        Cut(process=process, task=None, party=world.chance.choice(PARTIES), until=until, is_silent=is_silent)
    )


def cut_thread(world: World, process: Process) -> None:
    """The connection of one thread to the database falls silent, while the others' are fine; often past its lease."""
    tasks = sorted((task for task in process.tasks if not task.only_waits), key=lambda task: task.turn)
    if tasks:
        until = world.scheduler.now + world.chance.uniform(world.chance.choice([0.5, 25.0]), LONGEST_SECONDS)
        world.cuts.append(
            Cut(process=process, task=world.chance.choice(tasks), party="database", until=until, is_silent=True)
        )


def lose_answer(world: World, process: Process) -> None:
    """The line to the database falls silent just now, for less than it takes to be noticed or for more."""
    until = world.scheduler.now + world.chance.uniform(0.001, 15.0)
    world.cuts.append(Cut(process=process, task=None, party="database", until=until, is_silent=True))


def drain(world: World, process: Process) -> None:
    """The worker is asked to leave."""
    process.draining = True


def restart_database(world: World, process: Process) -> None:
    """Every transaction that is open is undone."""
    world.server.restart(world.chance.uniform(0.2, 8.0))


def step_clock(world: World, process: Process) -> None:
    """The database's clock is set."""
    world.server.clock_seconds += world.chance.uniform(-8.0, 8.0)
    world.clock_was_set = True


def cut_power(world: World, process: Process) -> None:
    """The machine is off: what storage had not synced is gone, and so is everybody."""
    seconds = world.chance.uniform(0.2, 15.0)
    world.bucket.lose_power(seconds)
    world.server.restart(seconds)
    world.broker.lose_all(seconds)
    for other in list(world.processes.values()):
        if other is not process and not other.is_dead:
            world.scheduler.kill(other)
    world.scheduler.kill(process)


def stop_storage(world: World, process: Process) -> None:
    """Storage is away and loses nothing."""
    world.bucket.down_since = world.scheduler.now
    world.bucket.down_until = world.scheduler.now + world.chance.uniform(1.0, LONGEST_SECONDS)


def fill_storage(world: World, process: Process) -> None:
    """Storage answers and reads, and has no room."""
    world.bucket.full_until = world.scheduler.now + world.chance.uniform(10.0, 120.0)


def lose_messages(world: World, process: Process) -> None:
    """The broker starts anew, empty."""
    world.broker.lose_all(world.chance.uniform(0.0, 10.0))


def spoil_object(world: World, process: Process) -> None:
    """An object is deleted, cut short, exchanged, changed or unreadable."""
    bucket, chance = world.bucket, world.chance
    keys = sorted(bucket.seen)
    if not keys:
        return  # nothing is stored at this moment, be it that an earlier fault deleted it
    rare = [key for key in keys if not key.startswith(SIGNALS)]
    if rare and chance.random() < 0.7:
        keys = rare
    key = chance.choice(keys)
    content = bucket.seen[key].content
    bucket.harmed.add(key)
    match chance.choice(["delete", "truncate", "exchange", "change", "refuse"]):
        case "delete":
            bucket.seen.pop(key)
            bucket.on_disk.pop(key, None)
            return
        case "truncate":
            content = content[: len(content) // 2]
        case "exchange":
            content = bucket.seen[chance.choice(keys)].content
        case "change":
            place = chance.randrange(len(content))
            # A digit for a digit, so that it still reads as what it was.
            content = content[:place] + (b"7" if content[place : place + 1] != b"7" else b"3") + content[place + 1 :]
        case _:
            bucket.unreadable.add(key)
    spoilt = Stored(content, bucket.seen[key].changed)
    bucket.seen[key] = spoilt
    if key in bucket.on_disk:
        bucket.on_disk[key] = spoilt


FAULTS = (
    Fault("kill", 8, kill),
    Fault("freeze", 8, freeze),
    Fault("freeze until missed", 3, freeze_until_missed),
    Fault("cut", 6, cut),
    Fault("cut of a thread", 4, cut_thread),
    Fault("lost answer", 6, lose_answer),
    Fault("drain", 2, drain),
    Fault("database restarts", 3, restart_database),
    Fault("clock is set", 1, step_clock),
    Fault("power is cut", 3, cut_power),
    Fault("storage stops", 2, stop_storage),
    Fault("storage is full", 3, fill_storage),
    Fault("messages lost", 2, lose_messages),
    Fault("object spoilt", 4, spoil_object),
)
# How many round trips a role makes in a schedule that nothing disturbs, roughly.
TRIPS = {"worker": 250, "upkeep": 120, "api": 40}
VICTIMS = ("worker", "worker", "worker", "worker", "upkeep", "api")


def draw(world: World, span: float) -> None:
    """Set up what will go wrong."""
    chance = world.chance
    weights = [fault.weight for fault in FAULTS]
    for _ in range(chance.choice([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8])):
        fault = chance.choices(FAULTS, weights)[0]
        role = chance.choice(VICTIMS)
        if chance.random() < 0.6:
            number = chance.randint(1, TRIPS[role])
            world.traps[role, number] = _strike(world, fault, f"at round trip {number} of {role}")
        else:
            world.strike_later(chance.uniform(0.0, span), role, _strike(world, fault, "by the clock"))


def _strike(world: World, fault: Fault, when: str) -> Callable[[Process], None]:
    def strike(process: Process) -> None:
        world.scheduler.note(f"FAULT {fault.name}, {process.name}, {when}")
        world.faults[fault.name] = world.faults.get(fault.name, 0) + 1
        fault.strike(world, process)

    return strike
