"""Objects whose rows are gone: each counts for its tenant until storage has let go of it."""

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from store.models import NOW, Base


class DeletedObject(Base):
    """An object that is to be removed, written in the transaction that deletes the row which named it."""

    __tablename__ = "deleted_objects"
    __table_args__ = (Index("ix_deleted_objects_tenant", "tenant"),)

    object_key: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    byte_count: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
