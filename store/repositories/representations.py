"""Queries about results."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.errors import CheckpointNotFound, FitNotFound, RepresentationNotReady
from store.models import Checkpoint, Fit, Representation


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
        fit = self._fit(tenant, fit_id)
        if fit.representation is None:
            more = "none will come" if fit.status.is_terminal else "poll GET /fits/{id} until it has succeeded"
            raise RepresentationNotReady(f"fit {fit_id} is {fit.status} and has no representation: {more}")
        return fit.representation

    def checkpoint(self, tenant: str, fit_id: str, checkpoint_id: str) -> Checkpoint:
        """One checkpoint of the tenant's fit.

        Raises:
            FitNotFound: if the tenant has no such fit.
            CheckpointNotFound: if the fit has no such checkpoint.
        """
        self._fit(tenant, fit_id)
        found = self._session.scalar(select(Checkpoint).filter_by(fit_id=fit_id, id=checkpoint_id))
        if found is None:
            raise CheckpointNotFound(f"no checkpoint {checkpoint_id!r}: GET /fits/{fit_id}/checkpoints lists them")
        return found

    def _fit(self, tenant: str, fit_id: str) -> Fit:
        fit = self._session.scalar(select(Fit).filter_by(tenant=tenant, id=fit_id))
        if fit is None:
            raise FitNotFound(f"no fit {fit_id!r}: GET /fits lists yours")
        return fit
