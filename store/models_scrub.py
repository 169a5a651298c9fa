"""Where the comparison of rows with objects is, and whether the database has ended uncleanly since it began."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from store.models import NOW, Base


class Scrub(Base):
    """The present pass over all rows that name an object, or the last one, in the row "objects".

    Another, "unclean", has the time at which the database was last found restored, or after an unclean end.
    """

    __tablename__ = "scrubs"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str | None]  # table that is being compared; None once the pass has ended
    before_id: Mapped[str | None]  # rows with this id and above are compared: the newest come first
    is_urgent: Mapped[bool]  # whether it runs as fast as it can
    objects: Mapped[int] = mapped_column(BigInteger)  # compared in this pass
    byte_count: Mapped[int] = mapped_column(BigInteger)
    damaged: Mapped[int] = mapped_column(BigInteger)
    began_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]


class CleanMark(Base):
    """Says that the database has not crashed, nor been restored elsewhere, since a pass over all objects was begun.

    PostgreSQL itself empties unlogged tables when it starts after an unclean end, and only then.
    """

    __tablename__ = "clean_marks"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012

    database: Mapped[str] = mapped_column(primary_key=True)  # names the cluster and the database in it
