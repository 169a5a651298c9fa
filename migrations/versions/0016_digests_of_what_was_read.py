"""What a small signal is read as is known by its digest."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("signals", sa.Column("decoded_sha256", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("signals", "decoded_sha256")
