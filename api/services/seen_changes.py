"""What somebody who follows all fits of a tenant has seen of their changes, so that each is told once."""

from datetime import datetime, timedelta

# A change is stamped when its transaction begins and seen when it ends: so far back is looked at again.
LATE_COMMIT = timedelta(seconds=30)


class SeenChanges:
    """The changes of fits that a follower has seen.

    Args:
        now: time at which following begins; what was changed more than `LATE_COMMIT` before it is never asked for.
    """

    def __init__(self, now: datetime) -> None:
        self._moments: dict[str, datetime] = {}
        self.since = now - LATE_COMMIT
        """Time after which changes are to be asked for. It never goes back: what lies before it was not kept, and would
        be taken for new."""

    def is_new(self, fit_id: str, moment: datetime) -> bool:
        """Whether a change that was stamped at `moment` has not been seen."""
        return self._moments.get(fit_id) != moment

    def add(self, moments: dict[str, datetime]) -> None:
        """Remember changes as seen: the time of the last one by the id of the fit."""
        self._moments |= moments
        if self._moments:
            self.since = max(self.since, max(self._moments.values()) - LATE_COMMIT)
        self._moments = {fit_id: moment for fit_id, moment in self._moments.items() if moment >= self.since}
