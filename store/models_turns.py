"""The table of turns: when each tenant was last served, for the order in which fits are claimed."""

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from store.models import Base


class Turn(Base):
    """When a tenant was last served. It outlives the fits, or deleting them would bring their tenant to the front."""

    __tablename__ = "turns"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    # Number of the tenant's last claim among all claims: clocks are set back now and then, numbers are not.
    served: Mapped[int] = mapped_column(BigInteger, index=True)
