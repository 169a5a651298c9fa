"""The request that asked for a fit, for logs and traces."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("fits", sa.Column("origin", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("fits", "origin")
