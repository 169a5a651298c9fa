"""A number of places that many want, of which no tenant may take all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import TooBusy


class Places:
    """So many things may be under way at the same time in this process, and fewer of any one tenant.

    Without keys there is one tenant, and nobody to leave a place to.

    Args:
        what: word in the plural for what takes a place.
        most: largest number of places that all tenants have together.
        per_tenant: largest number of places of one tenant; None for three quarters of all.
        is_shared: whether there is more than one tenant.
    """

    def __init__(self, what: str, most: int, per_tenant: int | None, *, is_shared: bool) -> None:
        self._what = what
        self._most = most
        share = max(1, most * 3 // 4) if per_tenant is None else min(per_tenant, most)
        self._share = share if is_shared else most
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken.total()

    def has_room(self, tenant: str) -> bool:
        """Whether the tenant may take another place."""
        return self.taken < self._most and self._taken[tenant] < self._share

    def check_room(self, tenant: str) -> None:
        """See whether the tenant may take another place.

        Raises:
            TooBusy: if it may not; the message says whether others are in the way, or the tenant itself.
        """
        if self._taken[tenant] >= self._share:
            raise TooBusy(
                f"{self._taken[tenant]} {self._what} of yours are under way, the most that one client may have"
            )
        if self.taken >= self._most:
            raise TooBusy(f"{self.taken} {self._what} are under way: try again in a moment")

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """Hold a place while the block runs; who wants to be refused without one asks `check_room` first."""
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]
