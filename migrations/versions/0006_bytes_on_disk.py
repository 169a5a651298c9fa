"""What lies in the bucket counts until it is gone; things may have an end."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_SOME_DAY = sa.text("expires_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "deleted_objects",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_deleted_objects")),
    )
    op.create_index("ix_deleted_objects_tenant", "deleted_objects", ["tenant"], unique=False)
    op.add_column("uploads", sa.Column("received_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("fits", sa.Column("kept_seconds", sa.Float(), nullable=True))
    for table in ("fits", "signals"):
        op.add_column(table, sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        # Nothing has an end yet, so the index is empty and made at once.
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"], unique=False, postgresql_where=_SOME_DAY)


def downgrade() -> None:
    for table in ("signals", "fits"):
        op.drop_index(f"ix_{table}_expires_at", table_name=table, postgresql_where=_SOME_DAY)
        op.drop_column(table, "expires_at")
    op.drop_column("fits", "kept_seconds")
    op.drop_column("uploads", "received_bytes")
    op.drop_index("ix_deleted_objects_tenant", table_name="deleted_objects")
    op.drop_table("deleted_objects")
