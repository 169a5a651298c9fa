"""Lists of fits by status and by last change, and how long workers worked in a month, each from an index."""

from collections.abc import Sequence

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INDEXES = {
    "ix_fits_status": ("fits", ["tenant", "status", "id"]),
    # Every report of progress writes to this one: a row for each second and running fit, of which there are few.
    "ix_fits_updated": ("fits", ["tenant", "updated_at", "id"]),
    "ix_fit_attempts_ended_at": ("fit_attempts", ["ended_at"]),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, (table, columns) in _INDEXES.items():
            # One that was broken off is there and of no use.
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, unique=False, postgresql_concurrently=True)


def downgrade() -> None:
    for name, (table, _) in reversed(_INDEXES.items()):
        op.drop_index(name, table_name=table)
