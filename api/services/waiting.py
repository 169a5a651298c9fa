"""A fit as its client sees it, with what it waits for if it does."""

from sqlalchemy.orm import Session

from api.schemas.fits import FitView
from store.models import Fit
from store.repositories.fits import Fits
from store.repositories.workers import Workers
from store.status import FitStatus


def seen(session: Session, fit: Fit) -> FitView:
    """A fit with its place in the queue, and whether there is a worker that may take it."""
    if fit.status is not FitStatus.QUEUED:
        return FitView.at(fit, queue_position=None)
    position, is_served = Fits(session).queue_position(fit), Workers(session).serves(fit.worker_class)
    return FitView.at(fit, queue_position=position, is_served=is_served)
