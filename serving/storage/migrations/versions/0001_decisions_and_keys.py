"""Decisions, idempotency keys, API keys and facts about the installation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("ticket_id", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("text_sha256", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False, comment="Cleaned and masked."),
        sa.Column("channel", sa.String(200)),
        sa.Column("customer_id", sa.String(200)),
        sa.Column("received_at", sa.String(40)),
        sa.Column("metadata", sa.Text, comment="Masked JSON."),
        sa.Column("primary_type", sa.String(40)),
        sa.Column("tier", sa.String(20), nullable=False),
        sa.Column("queue", sa.String(100), nullable=False),
        sa.Column("abstained", sa.Boolean, nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("policy", sa.String(100), nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False, comment="The exact bytes of the decision."),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.UniqueConstraint("source", "ticket_id", "text_sha256", name="uq_decisions_source_ticket_id_text_sha256"),
        sa.UniqueConstraint("source", "ticket_id", "revision", name="uq_decisions_source_ticket_id_revision"),
    )
    for column in ("primary_type", "tier", "created_at"):
        op.create_index(f"ix_decisions_{column}", "decisions", [column])
    op.create_table(
        "idempotency_keys",
        sa.Column("key_hmac", sa.String(64), nullable=False),
        sa.Column("body_hmac", sa.String(64), nullable=False),
        sa.Column("decision_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("key_hmac", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["decisions.decision_id"],
            name="fk_idempotency_keys_decision_id",
            deferrable=True,
            initially="DEFERRED",
        ),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("revoked_at", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("name", name="uq_api_keys_name"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation"),
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("idempotency_keys", "decisions", "api_keys", "installation"):
        op.drop_table(table)
