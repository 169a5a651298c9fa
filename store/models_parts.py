"""The table of parts: the tiles of one large fit that any worker may take, a run at a time."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from store.models import NOW, Base


class FitPart(Base):
    """Some tiles of a running fit, offered by the attempt that holds the fit.

    Whoever takes a part holds it by a lease of its own, or, if it is the attempt that holds the fit, by that. What came
    of it is a checkpoint with the part's number.
    """

    __tablename__ = "fit_parts"
    __table_args__ = (Index("ix_fit_parts_open", "fit_id", "number", postgresql_where=text("done_at IS NULL")),)

    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    work: Mapped[dict[str, Any]]  # name of the search, step of the latents, and numbers of the tiles
    # The fencing number: it grows whenever the part is taken, and who writes under an older one is refused.
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    lead: Mapped[int | None]  # the attempt at the fit that took it for itself; another attempt frees it
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
