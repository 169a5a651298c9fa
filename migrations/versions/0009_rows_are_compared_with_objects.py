"""Rows are compared with objects: how far that is, and which signals and representations are damaged."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_DAMAGED = sa.text("damage IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "scrubs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("before_id", sa.Text(), nullable=True),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("damaged", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_scrubs")),
    )
    op.create_table(
        "clean_marks",
        sa.Column("database", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("database", name=op.f("pk_clean_marks")),
        prefixes=["UNLOGGED"],
    )
    for table in ("signals", "representations"):
        op.add_column(table, sa.Column("damage", sa.Text(), nullable=True))
        # Nothing is known to be damaged yet, so the index is empty and made at once.
        op.create_index(f"ix_{table}_damage", table, ["damage"], unique=False, postgresql_where=_DAMAGED)


def downgrade() -> None:
    for table in ("representations", "signals"):
        op.drop_index(f"ix_{table}_damage", table_name=table, postgresql_where=_DAMAGED)
        op.drop_column(table, "damage")
    op.drop_table("clean_marks")
    op.drop_table("scrubs")
