"""A fit may be for a class of workers only, and each class is found by one probe."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.add_column("fits", sa.Column("worker_class", sa.Text(), server_default=sa.text("'any'"), nullable=False))
    op.drop_index("ix_fits_turns", table_name="fits", postgresql_where=_QUEUED)
    op.create_index(
        "ix_fits_turns",
        "fits",
        ["tenant", "worker_class", sa.text("priority DESC"), "id"],
        unique=False,
        postgresql_where=_QUEUED,
    )


def downgrade() -> None:
    op.drop_index("ix_fits_turns", table_name="fits", postgresql_where=_QUEUED)
    op.create_index(
        "ix_fits_turns", "fits", ["tenant", sa.text("priority DESC"), "id"], unique=False, postgresql_where=_QUEUED
    )
    op.drop_column("fits", "worker_class")
