"""The state machine's table."""

from store.status import HELD, LEGAL_MOVES, FitStatus


def test_every_state_has_moves_or_is_terminal() -> None:
    assert set(LEGAL_MOVES) == set(FitStatus)
    terminal = {status for status in FitStatus if status.is_terminal}
    assert terminal == {FitStatus.SUCCEEDED, FitStatus.FAILED, FitStatus.CANCELLED, FitStatus.EXPIRED}


def test_a_terminal_state_is_within_reach_of_every_other() -> None:
    for status in FitStatus:
        reached = {status}
        while more := {target for known in reached for target in LEGAL_MOVES[known]} - reached:
            reached |= more
        assert any(target.is_terminal for target in reached)


def test_success_needs_a_lease_and_no_cancel() -> None:
    assert {status for status in FitStatus if FitStatus.SUCCEEDED in LEGAL_MOVES[status]} == {FitStatus.RUNNING}
    assert {FitStatus.RUNNING, FitStatus.CANCELLING} == HELD
