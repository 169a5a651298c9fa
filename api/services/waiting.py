"""A fit as its client sees it, with what it waits for if it does."""

from sqlalchemy.orm import Session

from api.schemas.fits import FitView
from store.models import Fit
from store.repositories.fits import Fits
from store.repositories.workers import Workers


def seen(session: Session, fit: Fit) -> FitView:
    """A fit with its place in the queue, and whether there is a worker that may take it."""
    position = Fits(session).queue_position(fit)
    is_served = position is None or Workers(session).serves(fit.worker_class)
    return FitView.at(fit, queue_position=position, is_served=is_served)
