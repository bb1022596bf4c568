"""Scores that callers of the Perspective protocol suggested, and whose suggestions an operator trusts."""

import sqlalchemy as sa
from alembic import op

from serving.store.columns import UtcTime

revision = "0003"
down_revision = "0002"

FREE = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "suggestions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("text", FREE, nullable=False),
        sa.Column("body", FREE, nullable=False),
        sa.Column("bundle", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_suggestions_token_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suggestions")),
    )
    op.create_index(op.f("ix_suggestions_token_id"), "suggestions", ["token_id"])
    op.create_table(
        "trusted_suggesters",
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("trusted_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_trusted_suggesters_token_id")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_trusted_suggesters")),
    )
