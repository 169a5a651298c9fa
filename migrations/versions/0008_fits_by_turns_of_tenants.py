"""Fits are taken by turns of their tenants: who was served when, and each tenant's queue in its own order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_turns")),
    )
    op.create_index("ix_turns_served", "turns", ["served"], unique=False)
    op.create_index(
        "ix_fits_turns", "fits", ["tenant", sa.text("priority DESC"), "id"], unique=False, postgresql_where=_QUEUED
    )
    op.drop_index("ix_fits_turn", table_name="fits", postgresql_where=_QUEUED)


def downgrade() -> None:
    op.create_index("ix_fits_turn", "fits", [sa.text("priority DESC"), "id"], unique=False, postgresql_where=_QUEUED)
    op.drop_index("ix_fits_turns", table_name="fits", postgresql_where=_QUEUED)
    op.drop_index("ix_turns_served", table_name="turns")
    op.drop_table("turns")
