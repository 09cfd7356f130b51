"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "attempts",
        sa.Column(
            "request_id", sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "fence", sa.Integer(), autoincrement=False, nullable=False, comment="the lease under which it was made"
        ),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
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
        sa.Column(
            "request_id", sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("person", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.String(length=12), nullable=False),
        sa.Column("opening", sa.String(length=6), nullable=False, comment="open, closed or both"),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.Column("about", sa.Integer(), nullable=True, comment="number of the event that an update tells of"),
        sa.Column("rank", sa.SmallInteger(), nullable=False, comment="0 urgent, 1 normal"),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("owed_since", sa.Double(), nullable=False),
        sa.Column("parked_at", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("short", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("rank IN (0, 1)", name="deliveries_rank"),
        sa.PrimaryKeyConstraint("request_id", "n"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["channel", "rank", "due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'retrying')"),
        postgresql_where=sa.text("state IN ('pending', 'retrying')"),
    )
    op.create_index(
        "deliveries_leased",
        "deliveries",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "deliveries_parked",
        "deliveries",
        ["channel", "rank", "owed_since"],
        unique=False,
        sqlite_where=sa.text("state = 'parked'"),
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "deliveries_stuck",
        "deliveries",
        ["request_id", "n"],
        unique=False,
        sqlite_where=sa.text("state IN ('failed', 'parked', 'retrying')"),
        postgresql_where=sa.text("state IN ('failed', 'parked', 'retrying')"),
    )
    op.create_table(
        "events",
        sa.Column(
            "request_id", sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("request_id", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "idempotency",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column(
            "request_id", sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("client", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_by_request", "idempotency", ["request_id"], unique=False)
    op.create_index("idempotency_expiring", "idempotency", ["expires_at"], unique=False)
    op.create_table(
        "lanes",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "frozen_until",
            sa.Double(),
            nullable=False,
            comment="Retry-After holds for every process, restarts included",
        ),
        sa.Column("parked_since", sa.Double(), nullable=True),
        sa.Column("parked_reason", sa.Text(), nullable=True),
        sa.Column("probe_at", sa.Double(), nullable=True, comment="when one message is tried on a parked channel"),
        sa.Column(
            "arrival", sa.Double(), nullable=False, comment="of the next message, if they came evenly at the pace"
        ),
        sa.PrimaryKeyConstraint("channel"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("topic_title", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("description", sa.Text(), nullable=True, comment="NULL once erased"),
        sa.Column("follow_ups", sa.Text(), nullable=True, comment="JSON list of texts"),
        sa.Column("customer", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("links", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("metadata", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("priority", sa.String(length=6), nullable=False),
        sa.Column("callback", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("expected_response", sa.Double(), nullable=True),
        sa.Column("notified_at", sa.Double(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="number of the last event"),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("requests_by_client", "requests", ["client", "id"], unique=False)
    op.create_index(
        "requests_by_conversation",
        "requests",
        ["conversation_id", "id"],
        unique=False,
        sqlite_where=sa.text("conversation_id IS NOT NULL"),
        postgresql_where=sa.text("conversation_id IS NOT NULL"),
    )
    op.create_index(
        "requests_expiring",
        "requests",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('accepted', 'notified')"),
        postgresql_where=sa.text("status IN ('accepted', 'notified')"),
    )
    op.create_index(
        "requests_failed",
        "requests",
        ["id"],
        unique=False,
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "requests_not_erased",
        "requests",
        ["id"],
        unique=False,
        sqlite_where=sa.text("description IS NOT NULL"),
        postgresql_where=sa.text("description IS NOT NULL"),
    )
    op.create_index(
        "requests_open",
        "requests",
        ["id"],
        unique=False,
        sqlite_where=sa.text("status IN ('accepted', 'claimed', 'notified')"),
        postgresql_where=sa.text("status IN ('accepted', 'claimed', 'notified')"),
    )
    op.create_index(
        "requests_open_conversation",
        "requests",
        ["client", "topic", "conversation_id"],
        unique=True,
        sqlite_where=sa.text("conversation_id IS NOT NULL AND status IN ('accepted', 'claimed', 'notified')"),
        postgresql_where=sa.text("conversation_id IS NOT NULL AND status IN ('accepted', 'claimed', 'notified')"),
    )
    op.create_index(
        "requests_untaken",
        "requests",
        ["topic", "created_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('accepted', 'notified')"),
        postgresql_where=sa.text("status IN ('accepted', 'notified')"),
    )


def downgrade() -> None:
    """Drop them; their indexes go with them."""
    op.drop_table("requests")
    op.drop_table("lanes")
    op.drop_table("idempotency")
    op.drop_table("events")
    op.drop_table("deliveries")
    op.drop_table("beats")
    op.drop_table("attempts")
