"""What a decision is replayed from, the customer's history by time, and promises made to customers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the tables; rows that are there stay as they are."""
    op.add_column(
        "decisions",
        sa.Column("kept", sa.Text, comment="JSON of triage.replay.Kept; null in rows older than revision 0002."),
    )
    op.create_index("ix_decisions_source_customer_id_created_at", "decisions", ["source", "customer_id", "created_at"])
    op.create_table(
        "promises",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("decision_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("ticket_id", sa.String(200), nullable=False),
        sa.Column("text", sa.Text, nullable=False, comment="Cleaned and masked."),
        sa.Column("due_at", sa.String(40)),
        sa.Column("made_at", sa.String(40), nullable=False),
        sa.Column("kept_at", sa.String(40), comment="Null while it is open."),
        sa.PrimaryKeyConstraint("id", name="pk_promises"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_promises_decision_id"),
    )
    op.create_index("ix_promises_source_ticket_id", "promises", ["source", "ticket_id"])


def downgrade() -> None:
    """Drop what was added."""
    op.drop_table("promises")
    op.drop_index("ix_decisions_source_customer_id_created_at", "decisions")
    op.drop_column("decisions", "kept")
