"""Each change of a fit is told once, also one that was made shortly before the follower came."""

from datetime import UTC, datetime, timedelta

from api.services.seen_changes import LATE_COMMIT, SeenChanges

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_was_changed_before_the_first_look_is_not_asked_for_later() -> None:
    seen = SeenChanges(NOW)
    assert seen.since == NOW - LATE_COMMIT
    seen.add({"one": NOW - timedelta(seconds=20)})
    assert seen.since == NOW - LATE_COMMIT


def test_a_change_is_new_until_it_was_told() -> None:
    seen = SeenChanges(NOW)
    moment = NOW + timedelta(seconds=1)
    assert seen.is_new("one", moment)
    seen.add({"one": moment})
    assert not seen.is_new("one", moment)
    assert seen.is_new("one", moment + timedelta(microseconds=1))
    assert seen.is_new("two", moment)


def test_what_may_still_be_committed_is_asked_for_again_and_what_is_kept_is_in_that_time() -> None:
    seen = SeenChanges(NOW)
    seen.add({"one": NOW, "two": NOW + timedelta(hours=1)})
    assert seen.since == NOW + timedelta(hours=1) - LATE_COMMIT
    assert seen.is_new("one", NOW), "forgotten, and not asked for any more"
    assert not seen.is_new("two", NOW + timedelta(hours=1))
    seen.add({})
    assert seen.since == NOW + timedelta(hours=1) - LATE_COMMIT
