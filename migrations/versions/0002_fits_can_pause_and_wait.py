"""Fits can be paused, wait until a time, and are claimed by age.

An old and a new version of the service run side by side while this is applied. An old api cannot show a fit that a new
one has paused: let clients pause only when the release is complete.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_BEFORE = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled", "expired")
_AFTER = ("queued", "paused", *_BEFORE[1:])


def upgrade() -> None:
    op.add_column("fits", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
    op.add_column("fits", sa.Column("pause_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _allow(_AFTER)
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_fits_turn",
            "fits",
            [sa.literal_column("priority DESC"), "id"],
            postgresql_where=sa.text("status = 'queued'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index("ix_fits_claim_order", table_name="fits", postgresql_concurrently=True, if_exists=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_fits_claim_order",
            "fits",
            [sa.literal_column("priority DESC"), "queued_at"],
            postgresql_where=sa.text("status = 'queued'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index("ix_fits_turn", table_name="fits", postgresql_concurrently=True, if_exists=True)
    op.execute("UPDATE fits SET status = 'queued', published_at = NULL WHERE status = 'paused'")
    _allow(_BEFORE)
    op.drop_column("fits", "pause_requested")
    op.drop_column("fits", "not_before")


def _allow(statuses: Sequence[str]) -> None:
    name, words = op.f("ck_fits_status_known"), ", ".join(repr(status) for status in statuses)
    op.drop_constraint(name, "fits", type_="check")
    # Not checked against the rows that are there while the table is locked, but right after.
    op.execute(f"ALTER TABLE fits ADD CONSTRAINT {name} CHECK (status IN ({words})) NOT VALID")
    op.execute(f"ALTER TABLE fits VALIDATE CONSTRAINT {name}")
