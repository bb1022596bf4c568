"""The queue's own order, claims as a history, people who sign in, golden cases and notices."""

import math
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from serving.store.columns import UtcTime

revision = "0002"
down_revision = "0001"

FREE = sa.JSON(none_as_null=True)
# As in the policy that comes with this version, or the cases that wait already could not be compared with new ones.
DOUBLING_HOURS = {"specialist": 8.0, "critical": 8.0, "high": 48.0, "standard": 48.0, "low": 48.0}
LEAST_WEIGHT = {"specialist": 100.0, "critical": 60.0, "high": 0.3, "standard": 0.03, "low": 0.01}


def upgrade() -> None:
    """Add what the queue and the console need."""
    op.add_column("cases", sa.Column("rank", sa.Float(), server_default="0", nullable=False))
    op.add_column("cases", sa.Column("waits_since", UtcTime()))
    op.add_column("cases", sa.Column("category", sa.String(length=64), server_default="none", nullable=False))
    op.execute("UPDATE cases SET language = 'und' WHERE language IS NULL")
    op.add_column("cases", sa.Column("severity", sa.Integer()))
    op.add_column("cases", sa.Column("flagged", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("reports", sa.Column("content", sa.JSON()))
    op.add_column("cases", sa.Column("stage", sa.String(length=64), server_default="first", nullable=False))
    op.add_column("cases", sa.Column("brigade", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("cases", sa.Column("copy_of", sa.String(length=32)))
    op.add_column("cases", sa.Column("subject_id", sa.String(length=256)))
    op.create_index(op.f("ix_cases_subject_id"), "cases", ["subject_id"])
    op.add_column("reports", sa.Column("raises", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.drop_index(op.f("ix_reports_case_id"), "reports")
    op.create_index("ix_reports_case", "reports", ["case_id", "received_at"])
    op.add_column("decisions", sa.Column("final_at", UtcTime()))
    op.add_column("decisions", sa.Column("retracted_at", UtcTime()))
    op.drop_index(op.f("ix_decisions_case_id"), "decisions")
    op.create_index("ix_decisions_case", "decisions", ["case_id", "reviewer"])
    op.create_index("ix_decisions_reviewer", "decisions", ["reviewer", "final_at"])
    _place_waiting()
    _make_queue_indexes()
    is_copy = sa.text("copy_of IS NOT NULL")
    op.create_index("ix_cases_copy_of", "cases", ["copy_of"], sqlite_where=is_copy, postgresql_where=is_copy)
    _make_tables()


def _make_queue_indexes() -> None:
    op.drop_index("ix_cases_queue", "cases")
    order: sa.ColumnElement[Any] = sa.literal_column("rank DESC")
    waits, held = sa.text("status = 'open'"), sa.text("status = 'claimed'")
    indexes: dict[str, list[str | sa.ColumnElement[Any]]] = {
        "queue": ["stage", "lane", order],
        "language": ["stage", "lane", "language", order],
        "category": ["stage", "lane", "category", order],
        "skills": ["stage", "lane", "category", "language", order],
        "due": ["lane", "due_at"],
    }
    for name, columns in indexes.items():
        op.create_index(f"ix_cases_{name}", "cases", columns, sqlite_where=waits, postgresql_where=waits)
    newest: sa.ColumnElement[Any] = sa.literal_column("claimed_at DESC")
    op.create_index("ix_cases_held", "cases", ["claimed_by", newest], sqlite_where=held, postgresql_where=held)


def _place_waiting() -> None:
    """Keep the order that waiting cases had, as far as waiting does not change it from now on."""
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in ("id", "lane", "priority")]
    columns.append(sa.column("created_at", UtcTime()))
    cases = sa.table("cases", *columns, sa.column("rank"), sa.column("waits_since", UtcTime()))
    connection = op.get_bind()
    rows = connection.execute(sa.select(*columns)).all()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    placed = [
        {
            "key": row.id,
            "place": math.log2(max(row.priority, LEAST_WEIGHT[row.lane]))
            - (row.created_at - epoch).total_seconds() / 3600 / DOUBLING_HOURS[row.lane],
            "since": row.created_at,
        }
        for row in rows
    ]
    if placed:
        statement = sa.update(cases).where(cases.c.id == sa.bindparam("key"))
        connection.execute(
            statement.values(rank=sa.bindparam("place"), waits_since=sa.bindparam("since", type_=UtcTime())), placed
        )


def _make_tables() -> None:
    op.create_table(
        "claims",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("content_version", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.Integer()),
        sa.Column("reviewer", sa.String(length=32), nullable=False),
        sa.Column("claimed_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime()),
        sa.Column("ending", sa.String(length=64)),
        sa.Column("reason", FREE),
        sa.Column("bundle", sa.String(length=128)),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_claims_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
    )
    op.create_index("ix_claims_case", "claims", ["case_id", "reviewer"])
    op.create_index("ix_claims_reviewer", "claims", ["reviewer", sa.literal_column("claimed_at DESC")])
    op.create_table(
        "appeals",
        sa.Column("appeal_id", sa.String(length=256), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("decision_id", sa.String(length=256), nullable=False),
        sa.Column("statement", FREE),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_appeals_case_id")),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_appeals")),
    )
    op.create_index(op.f("ix_appeals_case_id"), "appeals", ["case_id"])
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=256)),
        sa.Column("subject", sa.String(length=512)),
        sa.Column("profile", FREE, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("disabled_at", UtcTime()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("name", name=op.f("uq_people_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_people_subject")),
    )
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sessions_person_id")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_person_id"), "sessions", ["person_id"])
    op.create_table(
        "failed_sign_ins",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("forgotten_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failed_sign_ins")),
    )
    op.create_index(op.f("ix_failed_sign_ins_forgotten_at"), "failed_sign_ins", ["forgotten_at"])
    op.create_table(
        "golden",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("content_version", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("categories", FREE, nullable=False),
        sa.Column("severity", sa.Integer()),
        sa.Column("why", FREE),
        sa.Column("added_by", sa.String(length=32), nullable=False),
        sa.Column("added_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_golden_case_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_golden")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=64)),
        sa.Column("title", FREE, nullable=False),
        sa.Column("body", FREE, nullable=False),
        sa.Column("policy_version", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_table(
        "notices_read",
        sa.Column("notice_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("read_at", UtcTime(), nullable=False),
        sa.Column("practised", sa.Integer(), nullable=False),
        sa.Column("right", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_notices_read_notice_id")),
        sa.PrimaryKeyConstraint("notice_id", "person_id", name=op.f("pk_notices_read")),
    )
