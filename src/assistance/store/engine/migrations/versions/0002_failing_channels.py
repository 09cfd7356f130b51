"""All processes know of a channel that does not answer one of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; processes of the version before leave it empty."""
    op.add_column(
        "lanes",
        sa.Column("failing_until", sa.Double(), nullable=True, comment="it does not answer; looked at again by then"),
    )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("lanes", "failing_until")
