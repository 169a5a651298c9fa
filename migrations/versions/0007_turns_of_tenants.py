"""Views and messages are taken by turns of their tenants; what owners ask to be sent is counted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_SENDING = sa.text("sending_until IS NOT NULL")
_ASKED = sa.text("asked_at IS NOT NULL")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("renders", sa.Column("claimed_at", moment, nullable=True))
    op.create_index("ix_renders_tenant_claimed_at", "renders", ["tenant", "claimed_at"], unique=False)
    op.add_column("webhook_deliveries", sa.Column("sending_until", moment, nullable=True))
    op.add_column("webhook_deliveries", sa.Column("asked_at", moment, nullable=True))
    for name, column, where in (("sending", "sending_until", _SENDING), ("asked", "asked_at", _ASKED)):
        op.create_index(
            f"ix_webhook_deliveries_{name}", "webhook_deliveries", [column], unique=False, postgresql_where=where
        )


def downgrade() -> None:
    for name, where in (("asked", _ASKED), ("sending", _SENDING)):
        op.drop_index(f"ix_webhook_deliveries_{name}", table_name="webhook_deliveries", postgresql_where=where)
    op.drop_column("webhook_deliveries", "asked_at")
    op.drop_column("webhook_deliveries", "sending_until")
    op.drop_index("ix_renders_tenant_claimed_at", table_name="renders")
    op.drop_column("renders", "claimed_at")
