"""Workers of fits that are there now, or were until lately."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.models import NOW, Base, _new_id


class Worker(Base):
    """One worker, as it last described itself; it writes the row, and takes it away when it is told to leave."""

    __tablename__ = "workers"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("wrk"))
    name: Mapped[str]  # as in the broker, where it beats
    process: Mapped[str]  # its process that holds fits now, as `fits.worker` names it; another takes over now and then
    facts: Mapped[dict[str, Any]]  # device, device_name, threads, memory_bytes, used_bytes, release, classes
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
