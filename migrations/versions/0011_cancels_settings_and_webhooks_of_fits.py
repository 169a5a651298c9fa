"""When a cancel was asked for, what a worker chose where the request left it open, and webhooks of single fits."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INDEXES = {
    "ix_webhook_endpoints_registered": (["tenant", "id"], "fit_id IS NULL", False),
    "ix_webhook_endpoints_fit_id": (["fit_id"], "fit_id IS NOT NULL", True),
}

_WAITING = "ix_webhook_deliveries_progress"


def upgrade() -> None:
    op.add_column("fits", sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("fits", sa.Column("resolved", postgresql.JSONB(), nullable=True))
    op.add_column("webhook_endpoints", sa.Column("fit_id", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_webhook_endpoints_fit_id_fits"), "webhook_endpoints", "fits", ["fit_id"], ["id"], ondelete="CASCADE"
    )
    for name, (columns, where, is_unique) in _INDEXES.items():
        # A tenant has twenty rows here at most before this migration, so these are made at once.
        op.create_index(name, "webhook_endpoints", columns, unique=is_unique, postgresql_where=sa.text(where))
    op.drop_index("ix_webhook_endpoints_tenant_id", table_name="webhook_endpoints")
    op.add_column("fits", sa.Column("has_webhook", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    with op.get_context().autocommit_block():
        op.drop_index(_WAITING, table_name="webhook_deliveries", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _WAITING,
            "webhook_deliveries",
            ["endpoint_id"],
            unique=False,
            postgresql_where=sa.text("status = 'pending' AND event_type = 'fit.progress'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index(_WAITING, table_name="webhook_deliveries")
    op.drop_column("fits", "has_webhook")
    op.execute("DELETE FROM webhook_endpoints WHERE fit_id IS NOT NULL")
    op.create_index("ix_webhook_endpoints_tenant_id", "webhook_endpoints", ["tenant", "id"], unique=False)
    for name, (_, where, _unique) in reversed(_INDEXES.items()):
        op.drop_index(name, table_name="webhook_endpoints", postgresql_where=sa.text(where))
    op.drop_constraint(op.f("fk_webhook_endpoints_fit_id_fits"), "webhook_endpoints", type_="foreignkey")
    op.drop_column("webhook_endpoints", "fit_id")
    op.drop_column("fits", "resolved")
    op.drop_column("fits", "cancel_requested_at")
