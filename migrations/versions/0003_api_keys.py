"""API keys, and an index to count a tenant's waiting fits.

An old and a new version of the service run side by side while this is applied: the old one asks for no keys.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column(
            "id", sa.Text(), server_default=sa.text("'key_' || replace(uuidv7()::text, '-', '')"), nullable=False
        ),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tenant ~ '^[a-z0-9][a-z0-9-]{0,62}$'", name=op.f("ck_api_keys_tenant_plain")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant", "id"])
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_fits_waiting",
            "fits",
            ["tenant"],
            postgresql_where=sa.text("status IN ('paused', 'queued')"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_fits_waiting", table_name="fits", postgresql_concurrently=True, if_exists=True)
    op.drop_table("api_keys")
