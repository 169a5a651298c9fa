"""Fits carry labels, signals can be deleted, large uploads come in parts.

An old and a new version of the service run side by side while this is applied. An old worker cannot read what a new api
writes into `fits.spec` (version 2), and an old api would show deleted signals: release the workers first, and let
clients use the new requests only when the release is complete.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("fits", sa.Column("labels", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.add_column("signals", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "uploads",
        sa.Column(
            "id", sa.Text(), server_default=sa.text("'upl_' || replace(uuidv7()::text, '-', '')"), nullable=False
        ),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("part_bytes", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("storage_id", sa.Text(), nullable=False),
        sa.Column("signal_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.id"], name=op.f("fk_uploads_signal_id_signals")),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_signals_content",
            "signals",
            ["tenant", "sha256"],
            unique=True,
            postgresql_where=sa.text("deleted_at IS NULL"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.create_index("ix_fits_signal_id", "fits", ["signal_id"], postgresql_concurrently=True, if_not_exists=True)
        op.create_index(
            "ix_fits_labels",
            "fits",
            ["labels"],
            postgresql_using="gin",
            postgresql_concurrently=True,
            if_not_exists=True,
        )
    op.drop_constraint(op.f("uq_signals_tenant_sha256"), "signals", type_="unique")


def downgrade() -> None:
    # What was deleted stays so: its object is gone. Fits that need such a row keep it, without its old name.
    op.execute("UPDATE signals SET sha256 = sha256 || ' deleted ' || id WHERE deleted_at IS NOT NULL")
    op.create_unique_constraint(op.f("uq_signals_tenant_sha256"), "signals", ["tenant", "sha256"])
    with op.get_context().autocommit_block():
        for name, table in (("labels", "fits"), ("signal_id", "fits"), ("content", "signals")):
            op.drop_index(f"ix_{table}_{name}", table_name=table, postgresql_concurrently=True, if_exists=True)
    op.drop_table("uploads")
    op.drop_column("signals", "deleted_at")
    op.drop_column("fits", "labels")
