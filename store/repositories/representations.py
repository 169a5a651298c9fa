"""Queries about results."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.errors import FitNotFound, RepresentationNotReady
from store.models import Fit, Representation


class Representations:
    """The representations table within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_fit(self, tenant: str, fit_id: str) -> Representation:
        """The representation of the tenant's fit.

        Raises:
            FitNotFound: if the tenant has no such fit.
            RepresentationNotReady: if the fit has not succeeded.
        """
        fit = self._session.scalar(select(Fit).filter_by(tenant=tenant, id=fit_id))
        if fit is None:
            raise FitNotFound(f"no fit {fit_id!r}: GET /fits lists yours")
        if fit.representation is None:
            more = "none will come" if fit.status.is_terminal else "poll GET /fits/{id} until it has succeeded"
            raise RepresentationNotReady(f"fit {fit_id} is {fit.status} and has no representation: {more}")
        return fit.representation
