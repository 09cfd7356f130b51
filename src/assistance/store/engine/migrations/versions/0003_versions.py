"""The version of a request is a number: `ETag` and `If-Match` hash nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; processes of the version before do not raise it, and their own `ETag` does without."""
    op.add_column(
        "deliveries",
        sa.Column(
            "changes", sa.Integer(), nullable=False, server_default="0", comment="of the state; part of the version"
        ),
    )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("deliveries", "changes")
