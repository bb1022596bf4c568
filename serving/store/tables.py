"""The tables of the store; a test compares them with what the migrations make."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, turn the others into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# Free text is kept as a JSON string: PostgreSQL's text refuses U+0000, which people do send.
Free = JSON(none_as_null=True)
Id, Name = String(256), String(64)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("role", Name, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("content_id", Id, unique=True),
    Column("kind", Name),
    Column("language", Name),
    Column("status", Name, nullable=False),
    Column("lane", Name, nullable=False),
    Column("priority", Float, nullable=False),
    Column("priority_detail", Free, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("content_version", Integer, nullable=False),
    Column("reopened", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("claim_id", String(32), unique=True),
    Column("claimed_by", String(32)),
    Column("claimed_at", UtcTime),
    Column("claim_expires_at", UtcTime, index=True),
    Column("blind", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
# The queue's order: with it, finding a lane's next case costs the same however many wait.
Index("ix_cases_queue", cases.c.status, cases.c.lane, cases.c.priority.desc(), cases.c.created_at)

contents = Table(
    "contents",
    metadata,
    Column("case_id", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Free),
    Column("url", Free),
    Column("context", Free, nullable=False),
    Column("attachments", Free, nullable=False),
    Column("prepared_hash", String(64), index=True),
    Column("created_at", UtcTime, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("report_id", Id, primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("content_version", Integer, nullable=False),
    Column("body", Free, nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("score_id", String(64), nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("score_id", String(64), primary_key=True),
    Column("report_id", Id, ForeignKey("reports.report_id"), nullable=False, index=True),
    Column("bundle", String(128), nullable=False),
    Column("violation_probability", Float),
    Column("expected_severity", Float),
    Column("abstained", Boolean, nullable=False),
    Column("score", Free, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("decision_id", Id, nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("content_version", Integer, nullable=False),
    Column("claim_id", String(32), nullable=False),
    Column("outcome", Name, nullable=False),
    Column("categories", Free, nullable=False),
    Column("severity", Integer),
    Column("action", Free),
    Column("note", Free),
    Column("reviewer", String(32), nullable=False),
    Column("role", Name, nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("bundle", String(128)),
    Column("seconds_spent", Float),
    Column("bulk", Boolean, nullable=False),
    Column("selection_probability", Float),
    Column("policy_version", Name, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("supersedes", Integer, ForeignKey("decisions.seq")),
    UniqueConstraint("decision_id"),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(32)),
    Column("kind", Name, nullable=False, index=True),
    Column("case_id", String(32), ForeignKey("cases.id"), index=True),
    Column("detail", Free, nullable=False),
)
