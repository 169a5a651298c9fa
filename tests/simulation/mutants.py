"""`make mutants`: the protocol broken in named ways, one at a time, and what notices it: the simulation or a test.

The real functions are broken: a piece of their source is exchanged and what comes of it takes the function's place, in
a process of its own. A piece that is no longer there is an error, so the list follows the code.
"""

import argparse
import importlib
import inspect
import os
import pickle
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from tests.simulation.schedule import run
from tests.simulation.world import patched


@dataclass(frozen=True, slots=True)
class Mutant:
    """A way to break the protocol: in a function, one piece of source in place of another.

    Attributes:
        name: what the broken protocol does, in words.
        function: module and path of the function that is broken.
        old: piece of its source, there exactly once.
        new: what stands in its place.
        test: file and name of the test that notices it, where schedules reach it too rarely.
    """

    name: str
    function: str
    old: str
    new: str
    test: str = ""


MOVES = "store.repositories.moves:Moves."
ATTEMPTS = "store.repositories.attempts:Attempts."
REPAIRS = "store.repositories.repairs:Repairs."
LOCK_HELD = "store.repositories.moves:_lock_held"
HELD_ROWS = "store.repositories.moves:_held_rows"
LEASE_IS_OVER = "store.repositories.repairs:_lease_is_over"
FITS = "store.repositories.fits:Fits."
HELD = "fit = self._held(claim)"
UNFENCED = "fit = self._session.get_one(Fit, claim.fit_id)"
NOTHING = "pass"
HINTED = "tests/integration/worker/test_hinted.py::"
TOGETHER = "tests/integration/worker/test_together.py::"
BY_ITS_OWN_CLOCK = "tests/simulation/test_lease.py::test_a_lease_that_nobody_extends_is_over_by_the_workers_own_clock"

MUTANTS = (
    # The fence and the status machine.
    Mutant("no fence", LOCK_HELD, ', Fit.attempt == bindparam("attempt")', ""),
    Mutant(
        "no fence where several are locked",
        MOVES + "lock",
        "fit.attempt == by_fit[fit.id].attempt",
        "True",
        "tests/integration/store/test_fits.py::test_several_that_are_locked_at_once_are_fenced_each_by_itself",
    ),
    Mutant(
        "a fence that forgets what was ended just now",
        MOVES + "_held",
        "or fit.status not in HELD",
        "",
        "tests/integration/store/test_fits.py::test_what_one_unit_of_work_has_ended_it_writes_nothing_more_to",
    ),
    Mutant("a worker's row is not locked", HELD_ROWS, ".with_for_update(of=Fit)", ""),
    Mutant("a client's row is not locked", "store.repositories.moves:_lock_of_tenant", ".with_for_update(of=Fit)", ""),
    Mutant("every move is legal", MOVES + "_move", "if status not in LEGAL_MOVES[fit.status]:", "if False:"),
    Mutant("a lease outlives its attempt", MOVES + "_move", "fit.lease_until = None", NOTHING),
    Mutant("a wish to pause outlives its attempt", MOVES + "_move", "fit.pause_requested = False", NOTHING),
    Mutant("no time of the end", MOVES + "_move", "fit.finished_at = self._now", NOTHING),
    Mutant(
        "a move without its event",
        MOVES + "_move",
        "self._record(fit, status, data, along)",
        'self._record(fit, "moved", data, along)',
    ),
    Mutant("wrong attempt in an event", MOVES + "_append_event", '"of_attempt": attempt', '"of_attempt": attempt - 1'),
    Mutant("a gap in the history", MOVES + "_record", "fit.event_seq += 1", "fit.event_seq += 2"),
    Mutant(
        "a lost worker's cancel is forgotten",
        MOVES + "_give_back",
        "if fit.status is FitStatus.CANCELLING:",
        "if False:",
    ),
    Mutant("a lost worker's pause is forgotten", MOVES + "_give_back", "if fit.pause_requested:", "if False:"),
    Mutant("a queued fit names a worker", MOVES + "_give_back", "fit.worker = None", NOTHING),
    Mutant(
        "a worker never hears of a cancel",
        "store.repositories.moves:order_of",
        "if fit.status is FitStatus.CANCELLING:",
        "if False:",
    ),
    Mutant(
        "a worker never hears of a pause",
        "store.repositories.moves:order_of",
        "Order.PAUSE if fit.pause_requested else Order.CONTINUE",
        "Order.CONTINUE",
    ),
    # What a worker does.
    Mutant("a claim that is not counted", ATTEMPTS + "_begin", "fit.tries += 1", NOTHING),
    Mutant("a claim with the old fencing number", ATTEMPTS + "_begin", "fit.attempt += 1", NOTHING),
    Mutant(
        "a claim without its attempt",
        ATTEMPTS + "_begin",
        ', "attempt": {"by": worker}',
        "",
    ),
    Mutant("a claim without a lease", ATTEMPTS + "_begin", "lease_seconds=lease_seconds", "lease_seconds=None"),
    Mutant(
        "a beat that extends nothing",
        ATTEMPTS + "beat",
        "fit.lease_until = self._later(lease_seconds)",
        NOTHING,
    ),
    Mutant(
        "a beat that extends too far", ATTEMPTS + "beat", "self._later(lease_seconds)", "self._later(lease_seconds * 5)"
    ),
    Mutant("a beat without a fence", ATTEMPTS + "beat", HELD, UNFENCED),
    Mutant("progress without a fence", ATTEMPTS + "report_progress", HELD, UNFENCED),
    Mutant("a checkpoint without a fence", ATTEMPTS + "add_checkpoint", HELD, UNFENCED),
    Mutant("a success without a fence", ATTEMPTS + "succeed", HELD, UNFENCED),
    Mutant("a success that leaves its attempt open", ATTEMPTS + "succeed", '**ended("succeeded"), ', ""),
    Mutant("a failure that leaves its attempt open", ATTEMPTS + "fail", ', along=ended("failed")', ""),
    Mutant("a cancel that counts as a lost worker", ATTEMPTS + "confirm_cancel", '"cancelled")', '"lost")'),
    Mutant("an outage that counts as a lost worker", ATTEMPTS + "retry", "fit.tries -= 1", NOTHING),
    Mutant("budget of outages off by one", ATTEMPTS + "retry", "failures >= max_failures", "failures > max_failures"),
    Mutant("no pause after an outage", ATTEMPTS + "retry", "fit.not_before = self._later(wait)", NOTHING),
    Mutant("a drained worker that counts as lost", ATTEMPTS + "release", "fit.tries -= 1", NOTHING),
    Mutant("a drained attempt that ended as lost", ATTEMPTS + "release", 'else "drained"', 'else "lost"'),
    # Upkeep.
    Mutant("no leases are reaped", REPAIRS + "reap_expired_leases", "requeued: list[str] = []", "return []"),
    Mutant("leases are reaped that hold", LEASE_IS_OVER, ", Fit.lease_until < func.now()", ""),
    Mutant(
        "budget of lost workers off by one",
        REPAIRS + "reap_expired_leases",
        "fit.tries >= max_tries",
        "fit.tries > max_tries",
    ),
    Mutant(
        "a lost attempt stays open",
        REPAIRS + "reap_expired_leases",
        'self._end_attempt(Claim(fit.id, fit.attempt), "lost")',
        NOTHING,
    ),
    Mutant(
        "a fit that is reaped is not locked",
        LEASE_IS_OVER,
        "expired.with_for_update(of=Fit, skip_locked=True)",
        "expired",
    ),
    Mutant(
        "a lost cancel fails instead",
        REPAIRS + "reap_expired_leases",
        "fit.status is FitStatus.RUNNING and ",
        "",
        "tests/integration/store/test_fits.py::test_a_cancelled_fit_whose_last_worker_dies_is_cancelled_and_has_not_failed",
    ),
    Mutant("nothing is ever overdue", REPAIRS + "fail_overdue", "with self._alone(fit):", "if False:"),
    Mutant(
        "an overdue attempt stays open",
        MOVES + "_fail_overdue",
        'self._end_attempt(claim, "failed")',
        NOTHING,
    ),
    Mutant(
        "time that is used up does not count at a claim",
        ATTEMPTS + "claim_next",
        "if allowed is not None:",
        "if False:",
        "tests/integration/store/test_fits.py::test_a_fit_whose_time_was_used_up_when_it_was_paused_does_not_begin_again",
    ),
    Mutant("nothing ever expires", REPAIRS + "expire_waiting", "with self._alone(fit):", "if False:"),
    Mutant(
        "a fit's own limits are not heard",
        "store.repositories.allowances:allowed_seconds",
        'func.jsonb_typeof(Fit.spec[limit]) == "number"',
        'func.jsonb_typeof(Fit.spec[limit]) == "word"',
    ),
    Mutant(
        "lost hints are not sent again",
        REPAIRS + "take_unpublished",
        "return list(",
        "return [] and list(",
    ),
    Mutant(
        "checkpoints of running fits are dropped",
        "store.repositories.repairs:_finished_checkpoints",
        ".where(Fit.status.in_(ENDED))",
        "",
    ),
    Mutant(
        "checkpoints of ended fits stay",
        "store.repositories.repairs:_finished_checkpoints",
        ".where(Fit.status.in_(ENDED))",
        ".where(Fit.status.not_in(_ENDED), Fit.id == '')",
    ),
    Mutant("the sweep knows no object", REPAIRS + "knows_object", "return any(", "return False and any("),
    Mutant(
        "the sweep knows no checkpoint", REPAIRS + "knows_object", "(Representation, Checkpoint)", "(Representation,)"
    ),
    Mutant("no sweep", "worker.sweep:sweep", "if take(resources, key):", "if False:"),
    Mutant(
        "the sweep takes what is young",
        "worker.sweep:sweep",
        "settled = datetime.now(UTC) - timedelta(seconds=resources.settings.orphan_seconds)",
        "settled = datetime.now(UTC) + timedelta(seconds=60)",
        "tests/integration/worker/test_run.py::test_objects_that_no_row_knows_are_swept",
    ),
    Mutant(
        "deletions that were cut short stay",
        "worker.deletion:delete_what_is_due",
        "for key in DeletedObjects(session).oldest()",
        "for key in ()",
    ),
    # Clients.
    Mutant(
        "no idempotency key",
        FITS + "submit",
        "if idempotency is not None:\n        # Conc",
        "if False:\n        # Conc",
    ),
    Mutant(
        "requests with one key do not wait for each other",
        FITS + "submit",
        'f"{tenant}\\n{idempotency[0]}"',
        'f"{tenant}\\n{idempotency[0]}{id(self)}"',
    ),
    Mutant("the key is looked for and not heard", FITS + "submit", "if known is not None:", "if False:"),
    Mutant(
        "a retry without a key of its own",
        FITS + "submit_again",
        'idempotency=(f"retry of {fit_id}", "retry")',
        "idempotency=None",
    ),
    Mutant(
        "a queued fit cannot be cancelled",
        FITS + "request_cancel",
        "case FitStatus.QUEUED | FitStatus.PAUSED:",
        "case FitStatus.PAUSED:",
    ),
    Mutant(
        "a running fit is cancelled at once",
        FITS + "request_cancel",
        "self._move(fit, FitStatus.CANCELLING)",
        "self._move(fit, FitStatus.CANCELLED)",
    ),
    Mutant("a pause that nobody notes", FITS + "request_pause", "self._wish_pause(fit, True)", NOTHING),
    Mutant("a resume that takes no pause back", FITS + "request_resume", "self._wish_pause(fit, False)", NOTHING),
    Mutant(
        "a running fit can be deleted",
        "store.repositories.deletions:Deletions.delete_fit",
        "if not fit.status.is_terminal:",
        "if False:",
    ),
    Mutant(
        "a deletion that forgets its objects",
        "store.repositories.deletions:Deletions._delete",
        "keys = DeletedObjects(self._session).note(fit.tenant, objects)",
        "keys = [key for key, _ in objects]",
    ),
    Mutant(
        "objects that are struck off and stay",
        "store.repositories.deletions:remove_objects",
        "blobs.delete(key)",
        NOTHING,
    ),
    # The worker's own.
    Mutant(
        "a result without its bytes",
        "worker.attempt:_store",
        "resources.blobs.put(key, content, media_type=MEDIA_TYPE)",
        NOTHING,
    ),
    Mutant(
        "a cancel during the last move ends the worker",
        "worker.ends:persist",
        "except IllegalMove:",
        "except ZeroDivisionError:",
    ),
    Mutant(
        "the last move is tried once",
        "worker.ends:persist",
        'logger.warning("the end of the fit could not be written yet: %s", error)',
        "return",
    ),
    Mutant(
        "an outage fails the fit",
        "worker.ends:without_engines",
        "return _tried_again(claim, resources.settings)",
        'return failed(claim, "storage_unavailable", "away")',
    ),
    Mutant("work is taken that cannot be done", "worker.run:_engines_answer", "resources.blobs.ping()", NOTHING),
    Mutant(
        "engines that failed are not asked again",
        "worker.ends:without_engines",
        "resources.engines.answered_at = None",
        NOTHING,
        "tests/unit/worker/test_engines.py::test_engines_of_which_one_failed_in_an_attempt_are_asked_at_once",
    ),
    # What becomes of a message: with a hint that is lost a fit waits for upkeep, which no schedule takes for a fault.
    Mutant(
        "fits wait behind a large one",
        "worker.hinted:run_hinted_fits",
        "if left and not all(is_small(one.spec, one.signal) for one in claimed):",
        "if False:",
        HINTED + "test_nobody_waits_behind_a_large_fit",
    ),
    Mutant(
        "who leaves takes its message along",
        "worker.hinted:run_hinted_fits",
        "        give_back(left)",
        "        pass",
        HINTED + "test_who_is_to_leave_gives_the_rest_back",
    ),
    Mutant(
        "a fit of another class uses up the hint",
        "worker.hinted:run_hinted_fits",
        "due = sum(one.worker_class is not hint.worker_class for one in claimed)",
        "due = 0",
        HINTED + "test_a_small_fit_of_another_class_sends_one_on",
    ),
    Mutant(
        "slow fits stay with one worker",
        "worker.hinted:run_hinted_fits",
        "if time.monotonic() >= ends_at:",
        "if False:",
        HINTED + "test_fits_that_take_longer_than_foreseen_are_shared_again",
    ),
    Mutant(
        "a message never ends",
        "worker.hinted:run_hinted_fits",
        "left -= 1  # used up, whatever comes of it: a message that fails again and again ends",
        NOTHING,
        HINTED + "test_a_claim_that_fails_uses_up_its_part_of_the_message",
    ),
    # Several small fits at once.
    Mutant(
        "what was tried before goes with others",
        "worker.run:_goes_with_others",
        "fit.attempt == 0 and ",
        "",
    ),
    Mutant(
        "what is large goes with small ones",
        "worker.run:_goes_with_others",
        " and is_small(spec, fit.signal)",
        "",
    ),
    Mutant(
        "one that ends its process takes the others along",
        "worker.attempt:Attempt.leave_others",
        "if not write_once(self._resources, other.claim, *ends):",
        "if False:",
    ),
    Mutant(
        "what nobody foresaw in one costs the others an attempt",
        "worker.together:see_through",
        "current.leave_others()  # what nobody foresaw in one is to cost none of them an attempt",
        NOTHING,
        TOGETHER + "test_what_nobody_foresaw_in_one_costs_the_others_nothing",
    ),
    Mutant(
        "one place is announced where several came free",
        "worker.run:_wake_for_those_who_waited",
        "resources.queue.publish(fit_id, worker_class, places)",
        "resources.queue.publish(fit_id, worker_class)",
        TOGETHER + "test_as_many_places_are_announced_as_came_free",
    ),
    Mutant(
        "what waits for its turn hangs",
        "worker.lease:Lease.rest",
        "self._last_step = math.inf",
        NOTHING,
        TOGETHER + "test_one_that_hangs_costs_the_others_nothing",
    ),
    Mutant(
        "an outage costs each of several an attempt",
        "worker.together:see_through",
        "attempt.hand_back()",
        NOTHING,
        TOGETHER + "test_an_outage_of_storage_costs_one_attempt",
    ),
    Mutant(
        "one end that cannot be written hides the others",
        "worker.together:_write_ends",
        'logger.info("%s attempts are ended one by one: %s", len(attempts), error)',
        "return",
        TOGETHER + "test_ends_that_cannot_be_written_together_are_written_one_by_one",
    ),
    Mutant(
        "memory is charged to the first of several",
        "worker.together:see_through",
        "for current in under_way:\n                    current.go_on()\n                    if current.lost_engines:",
        "for each in under_way:\n                    each.go_on()\n                    if each.lost_engines:",
        TOGETHER + "test_one_that_takes_too_much_and_ends_the_process_costs_the_others_nothing",
    ),
    Mutant(
        "the time of others is one's own",
        "worker.deadline:Deadline._look",
        "worked = self._worked_seconds + (0.0 if since is None else time.monotonic() - since)",
        "worked = self._seconds if hasattr(self, '_timer') else 0.0",
        TOGETHER + "test_the_time_of_others_is_not_ones_own",
    ),
    Mutant(
        "each stage has all the time of a fit",
        "worker.deadline:Deadline.working",
        "self._worked_seconds += time.monotonic() - began",
        NOTHING,
        TOGETHER + "test_the_time_of_all_stages_is_ones_own",
    ),
    Mutant(
        "a pause while it waits for its turn is not heard",
        "worker.attempt:Attempt._work",
        "reporter.heed()\n        result",
        "result",
        TOGETHER + "test_one_that_is_paused_is_handed_back_by_itself",
    ),
    Mutant(
        "a lease that was lost between two stages is believed in",
        "worker.attempt:Attempt._go_on",
        "if self._lease.is_lost():",
        "if False:",
        TOGETHER + "test_a_lease_that_was_lost_before_the_file_is_stored_leaves_no_object",
    ),
    Mutant(
        "upkeep sends no hints",
        "worker.upkeep:_announce",
        "if hints != 0:",
        "if True:",
    ),
    Mutant("every attempt begins anew", "worker.attempt:_train", "if claimed.claim.attempt > 1", "if False"),
    Mutant("a result that does not count is left", "worker.ends:persist", "if left:", "if False:"),
    Mutant(
        "no lease clock",
        "worker.lease:Lease.is_lost",
        " or time.monotonic() >= self._valid_until",
        "",
        BY_ITS_OWN_CLOCK,
    ),
    Mutant(
        "a lost lease that nobody is told of",
        "worker.lease:Lease._keep",
        "except LeaseLost:\n            self._lost.set()",
        "except LeaseLost:\n            pass",
        "tests/integration/worker/test_run.py::test_a_lease_that_was_taken_is_known_from_the_first_beat_that_is_refused",
    ),
    Mutant(
        "no heartbeat",
        "worker.lease:Lease._keep",
        "self.note(self._beat(session))",
        NOTHING,
    ),
    Mutant(
        "a lease that is believed from its answer on",
        "worker.lease:Lease._keep",
        "self._valid_until = started + settings.lease_seconds",
        "self._valid_until = time.monotonic() + settings.lease_seconds",
        "tests/integration/worker/test_run.py::test_a_lease_counts_from_before_a_beat_that_waited",
    ),
    Mutant(
        "a lease that is believed from its claim's answer on",
        "worker.lease:Lease.__init__",
        "(time.monotonic() if since is None else since)",
        "time.monotonic()",
        BY_ITS_OWN_CLOCK,
    ),
    Mutant(
        "a computation may hang",
        "worker.lease:Lease._keep",
        "if started - self._last_step > settings.stall_seconds:",
        "if False:",
    ),
    Mutant(
        "a worker does not leave",
        "worker.progress:Reporter.__call__",
        "if draining.is_set() or self._lease.order is Order.PAUSE:",
        "if self._lease.order is Order.PAUSE:",
    ),
    Mutant(
        "who leaves saves nothing",
        "worker.progress:Reporter.__call__",
        "save_checkpoint(self._resources, self._claim, progress.capture())\n        self.handed_over",
        "self.handed_over",
    ),
    Mutant("no checkpoints", "worker.progress:Reporter.__call__", "if now >= self._next_checkpoint:", "if False:"),
    Mutant("training does not look at its lease", "worker.progress:Reporter.__call__", "self._expect_lease()", NOTHING),
    Mutant(
        "a checkpoint's row without its object",
        "worker.checkpoints:save_checkpoint",
        "resources.blobs.put(key, content)",
        NOTHING,
    ),
    Mutant(
        "checkpoints are not compared with their hash",
        "worker.checkpoints:load_checkpoints",
        "sha256=checkpoint.sha256, ",
        "",
        "tests/integration/worker/test_run.py::test_a_damaged_checkpoint_is_passed_over",
    ),
    Mutant(
        "a damaged checkpoint hides the older ones",
        "worker.checkpoints:load_checkpoints",
        'logger.warning("checkpoint %s is of no use: %s", checkpoint.id, error)',
        "return",
    ),
    Mutant(
        "the newest checkpoint is dropped",
        "worker.checkpoints:save_checkpoint",
        "[resources.settings.checkpoints_kept :]",
        "[: resources.settings.checkpoints_kept]",
        "tests/integration/worker/test_run.py::test_upkeep_leaves_no_checkpoints_of_a_finished_fit",
    ),
    Mutant("objects are not synced", "store.blobs:BlobStore.put", "self._folder.sync()", NOTHING),
    Mutant(
        "a signal is not compared with its hash",
        "worker.attempt:Attempt._work",
        "claimed.signal.object_key, sha256=claimed.signal.sha256, max_bytes",
        "claimed.signal.object_key, max_bytes",
    ),
)


def function_of(place: str) -> FunctionType:
    """The function that a mutant breaks, without its decorators."""
    module, _, path = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    unwrapped = inspect.unwrap(found)
    if not isinstance(unwrapped, FunctionType):
        raise TypeError(f"{place} is no function")
    return unwrapped


def mutated(mutant: Mutant) -> CodeType:
    """The code of the broken function.

    Raises:
        LookupError: unless the piece that is exchanged is there exactly once.
    """
    function = function_of(mutant.function)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(mutant.old) != 1:
        raise LookupError(f"{mutant.name}: {mutant.old!r} is {source.count(mutant.old)} times in {mutant.function}")
    module = compile(source.replace(mutant.old, mutant.new), f"<{mutant.name}>", "exec")
    return next(one for one in module.co_consts if isinstance(one, CodeType) and one.co_name == function.__name__)


def forget_statements() -> None:
    """Let all statements be built again that were built once, with whatever function is broken by now."""
    for module in [module for name, module in sys.modules.items() if name.startswith("store.")]:
        for member in vars(module).values():
            if hasattr(member, "cache_clear"):
                member.cache_clear()


def hunt(mutant: Mutant, code: CodeType, schedules: int, seconds: float) -> tuple[int, str | None, float]:
    """Run schedules with the broken function; how many, what was noticed, and the seconds that it took."""
    function_of(mutant.function).__code__ = code
    forget_statements()
    begun = time.process_time()
    seed = 0
    for seed in range(1, schedules + 1):
        try:
            found = run(seed).violations
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        if found:
            return seed, found[0], time.process_time() - begun
        if time.process_time() - begun > seconds:
            break
    return seed, None, time.process_time() - begun


def hunt_alone(mutant: Mutant, schedules: int, seconds: float) -> tuple[int, str | None, float]:
    """The same in a process of its own, which ends with the broken function in it."""
    code = mutated(mutant)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(write, "wb") as answer:
            try:
                pickle.dump(hunt(mutant, code, schedules, seconds), answer)
            except BaseException as error:
                pickle.dump((0, f"it ends the simulation: {error!r}", 0.0), answer)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        found: tuple[int, str | None, float] = pickle.load(answer)
    os.waitpid(child, 0)
    return found


def ask_its_test(mutant: Mutant) -> tuple[str | None, float]:
    """Run the test that is named for it with the broken function in place; its failure, if it fails, and seconds."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "tests.simulation.broken", mutant.test]
    tried = subprocess.run(
        command, env={**os.environ, "BROKEN": mutant.name}, capture_output=True, text=True, check=False
    )
    failed = [line for line in tried.stdout.splitlines() if line.startswith("FAILED ")]
    if tried.returncode not in {0, 1} or bool(failed) != bool(tried.returncode):
        raise RuntimeError(f"{mutant.test} could not be run: {tried.stdout[-2000:]}{tried.stderr[-500:]}")
    return failed[0] if failed else None, time.monotonic() - begun


def main() -> int:
    """Hunt them all, or those whose name has a word in it; the exit status is 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000, help="at most, for each mutant")
    parser.add_argument("--seconds", type=float, default=120.0, help="of processor time at most, for each mutant")
    parser.add_argument("--every", type=int, default=1, help="only each n-th of them, to share them between processes")
    parser.add_argument("--first", type=int, default=0, help="number of the first one that is wanted")
    parser.add_argument("--only", default="", help="a word in the names of those that are wanted")
    chosen = parser.parse_args()
    wanted = [mutant for mutant in MUTANTS[chosen.first :: chosen.every] if chosen.only in mutant.name]
    survivors: list[str] = []
    with patched():
        run(0)  # translates the statements, once for all
        for mutant in wanted:
            if mutant.test:
                found, seconds = ask_its_test(mutant)
                tried = "its test"
            else:
                schedules, found, seconds = hunt_alone(mutant, chosen.schedules, chosen.seconds)
                tried = f"{schedules} schedules"
            if found is None:
                survivors.append(mutant.name)
            verdict = "SURVIVES" if found is None else "noticed"
            print(f"{verdict:8} {mutant.name}: {tried}, {seconds:.1f} s. {found or ''}"[:260], flush=True)  # noqa: T201
    print(f"{len(wanted)} mutants, {len(survivors)} survivors{': ' if survivors else ''}{', '.join(survivors)}")  # noqa: T201
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
