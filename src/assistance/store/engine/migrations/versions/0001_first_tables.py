"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_id = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
_OPEN = "status IN ('accepted', 'claimed', 'notified')"
_UNCLAIMED = "status IN ('accepted', 'notified')"


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    """An index of some rows only, on either database."""
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "attempts",
        sa.Column("request_id", _id, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "fence", sa.Integer(), autoincrement=False, nullable=False, comment="the lease under which it was made"
        ),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("answer", sa.Text()),
        sa.PrimaryKeyConstraint("request_id", "n", "fence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "beats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False, comment="when it was last seen to work"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("request_id", _id, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("person", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.String(length=12), nullable=False),
        sa.Column("opening", sa.String(length=6), nullable=False, comment="open, closed or both"),
        sa.Column("hours", sa.Text()),
        sa.Column("about", sa.Integer(), comment="number of the event that an update tells of"),
        sa.Column("rank", sa.SmallInteger(), nullable=False, comment="0 urgent, 1 normal"),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("owed_since", sa.Double(), nullable=False),
        sa.Column("parked_at", sa.Double()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("short", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", sa.Double()),
        sa.Column("reference", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.CheckConstraint("rank IN (0, 1)", name="deliveries_rank"),
        sa.PrimaryKeyConstraint("request_id", "n"),
        sqlite_with_rowid=False,
    )
    _index("deliveries_due", "deliveries", ["channel", "rank", "due_at"], "state IN ('pending', 'retrying')")
    _index("deliveries_leased", "deliveries", ["lease_until"], "state = 'sending'")
    _index("deliveries_parked", "deliveries", ["channel", "rank", "owed_since"], "state = 'parked'")
    _index("deliveries_stuck", "deliveries", ["request_id", "n"], "state IN ('failed', 'parked', 'retrying')")
    op.create_table(
        "events",
        sa.Column("request_id", _id, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("data", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("request_id", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "idempotency",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", _id, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("client", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_by_request", "idempotency", ["request_id"])
    op.create_index("idempotency_expiring", "idempotency", ["expires_at"])
    op.create_table(
        "lanes",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "frozen_until",
            sa.Double(),
            nullable=False,
            comment="Retry-After holds for every process, restarts included",
        ),
        sa.Column("parked_since", sa.Double()),
        sa.Column("parked_reason", sa.Text()),
        sa.Column("probe_at", sa.Double(), comment="when one message is tried on a parked channel"),
        sa.Column(
            "arrival", sa.Double(), nullable=False, comment="of the next message, if they came evenly at the pace"
        ),
        sa.PrimaryKeyConstraint("channel"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "requests",
        sa.Column("id", _id, nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("topic_title", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("description", sa.Text(), comment="NULL once erased"),
        sa.Column("follow_ups", sa.Text(), comment="JSON list of texts"),
        sa.Column("customer", sa.Text(), comment="JSON"),
        sa.Column("links", sa.Text(), comment="JSON"),
        sa.Column("metadata", sa.Text(), comment="JSON"),
        sa.Column("conversation_id", sa.Text()),
        sa.Column("priority", sa.String(length=6), nullable=False),
        sa.Column("callback", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("expected_response", sa.Double()),
        sa.Column("notified_at", sa.Double()),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claimed_at", sa.Double()),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="number of the last event"),
        sa.Column("traceparent", sa.Text()),
        sa.Column("correlation_id", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("requests_by_client", "requests", ["client", "id"])
    _index("requests_by_conversation", "requests", ["conversation_id", "id"], "conversation_id IS NOT NULL")
    _index("requests_expiring", "requests", ["expires_at"], _UNCLAIMED)
    _index("requests_failed", "requests", ["id"], "status = 'failed'")
    _index("requests_not_erased", "requests", ["id"], "description IS NOT NULL")
    _index("requests_open", "requests", ["id"], _OPEN)
    _index(
        "requests_open_conversation",
        "requests",
        ["client", "topic", "conversation_id"],
        f"conversation_id IS NOT NULL AND {_OPEN}",
        unique=True,
    )
    _index("requests_untaken", "requests", ["topic", "created_at"], _UNCLAIMED)


def downgrade() -> None:
    """Drop them; their indexes go with them."""
    for table in ("requests", "lanes", "idempotency", "events", "deliveries", "beats", "attempts"):
        op.drop_table(table)
