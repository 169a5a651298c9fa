"""Parts of large fits, which several workers take, and checkpoints that hold what came of one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_OLD, _NEW = "uq_checkpoints_fit_id_attempt_step", "uq_checkpoints_fit_id_attempt_step_part"


def upgrade() -> None:
    op.create_table(
        "fit_parts",
        sa.Column("fit_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("work", postgresql.JSONB(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lead", sa.Integer(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["fit_id"], ["fits.id"], name=op.f("fk_fit_parts_fit_id_fits"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("fit_id", "number", name=op.f("pk_fit_parts")),
    )
    op.create_index("ix_fit_parts_open", "fit_parts", ["fit_id", "number"], postgresql_where=sa.text("done_at IS NULL"))
    op.add_column("checkpoints", sa.Column("part", sa.Integer(), nullable=True))
    # A few rows for each running fit: this is done at once.
    op.drop_constraint(_OLD, "checkpoints", type_="unique")
    op.create_unique_constraint(
        _NEW, "checkpoints", ["fit_id", "attempt", "step", "part"], postgresql_nulls_not_distinct=True
    )


def downgrade() -> None:
    op.drop_constraint(_NEW, "checkpoints", type_="unique")
    # Objects without a row are swept away.
    op.execute("DELETE FROM checkpoints WHERE part IS NOT NULL")
    op.create_unique_constraint(_OLD, "checkpoints", ["fit_id", "attempt", "step"])
    op.drop_column("checkpoints", "part")
    op.drop_index("ix_fit_parts_open", table_name="fit_parts")
    op.drop_table("fit_parts")
