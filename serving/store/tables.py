"""The tables of the store; a test compares them with what the migrations make."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    true,
)

from serving.store.columns import Free, Id, Name, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# What cases have whose language or category is not known: values, as an index finds no first row among nulls.
UNKNOWN_LANGUAGE, NO_CATEGORY = "und", "none"

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
    Column("rank", Float, nullable=False, server_default="0"),  # the order inside a lane, see Policy.rank
    Column("waits_since", UtcTime),  # when it was last put into the queue
    Column(
        "category", Name, nullable=False, server_default=NO_CATEGORY
    ),  # the likeliest, for those who take some alone
    Column("severity", Integer),  # 0 to 4 as scored, for the exposure of reviewers
    Column("flagged", Free, nullable=False, server_default="[]"),  # categories that any report on this content flagged
    Column("stage", Name, nullable=False, server_default="first"),  # whose look it waits for: first, second, qa, appeal
    Column("brigade", Boolean, nullable=False, server_default=false()),
    Column("copy_of", String(32)),  # of a golden case as one reviewer gets it: the case whose content it shows
    Column("subject_id", Id, index=True),  # whoever made the content, as the first report that says so has it
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
# The queue's order: with these, finding a lane's next case costs the same however many wait, also for those who take
# some languages or categories alone. They hold waiting cases only, so that what is decided costs nothing.
_WAITS = cases.c.status == "open"
for _name, _skills in (
    ("queue", ()),
    ("language", (cases.c.language,)),
    ("category", (cases.c.category,)),
    ("skills", (cases.c.category, cases.c.language)),
):
    _order = (cases.c.stage, cases.c.lane, *_skills, cases.c.rank.desc())
    Index(f"ix_cases_{_name}", *_order, sqlite_where=_WAITS, postgresql_where=_WAITS)
Index("ix_cases_due", cases.c.lane, cases.c.due_at, sqlite_where=_WAITS, postgresql_where=_WAITS)
# What each reviewer holds.
_IS_HELD = cases.c.status == "claimed"
Index("ix_cases_held", cases.c.claimed_by, cases.c.claimed_at.desc(), sqlite_where=_IS_HELD, postgresql_where=_IS_HELD)
# Few cases are copies.
_IS_COPY = cases.c.copy_of.is_not(None)
Index("ix_cases_copy_of", cases.c.copy_of, sqlite_where=_IS_COPY, postgresql_where=_IS_COPY)

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
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),
    Column("content_version", Integer, nullable=False),
    Column("body", Free, nullable=False),  # without its content, which may be long and of which a case shows one
    Column("content", Free),
    Column("body_hash", String(64), nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("score_id", String(64), nullable=False),
    # Whether where the case waits follows from it: not if it is a brigade's, or came before the case was decided.
    Column("raises", Boolean, nullable=False, default=True, server_default=true()),
)
Index("ix_reports_case", reports.c.case_id, reports.c.received_at)

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
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),
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
    Column("final_at", UtcTime),  # until then whoever made it may take it back, and the feed does not show it
    Column("retracted_at", UtcTime),
    UniqueConstraint("decision_id"),
    sqlite_autoincrement=True,
)
Index("ix_decisions_case", decisions.c.case_id, decisions.c.reviewer)
Index("ix_decisions_reviewer", decisions.c.reviewer, decisions.c.final_at)

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

claims = Table(
    "claims",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),
    Column("content_version", Integer, nullable=False),
    Column("stage", Name, nullable=False),
    Column("lane", Name, nullable=False),
    Column("severity", Integer),
    Column("reviewer", String(32), nullable=False),
    Column("claimed_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("ending", Name),  # decided, released, skipped, transferred, lapsed, withdrawn
    Column("reason", Free),  # of a skip or a transfer
    Column("bundle", String(128)),  # the model whose hints are shown
)
Index("ix_claims_case", claims.c.case_id, claims.c.reviewer)
Index("ix_claims_reviewer", claims.c.reviewer, claims.c.claimed_at.desc())

appeals = Table(
    "appeals",
    metadata,
    Column("appeal_id", Id, primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("decision_id", Id, nullable=False),  # the decision that is appealed
    Column("statement", Free),  # what the subject says
    Column("created_at", UtcTime, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(256), nullable=False, unique=True),
    Column("role", Name, nullable=False),
    Column("password_hash", String(256)),  # None: signs in elsewhere
    Column("subject", String(512), unique=True),  # issuer and subject of OpenID Connect
    Column("profile", Free, nullable=False),  # languages, categories, opt-ins and how pages look
    Column("created_at", UtcTime, nullable=False),
    Column("disabled_at", UtcTime),
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("person_id", String(32), ForeignKey("people.id"), nullable=False, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

failed_sign_ins = Table(
    "failed_sign_ins",
    metadata,
    Column("key", String(64), primary_key=True),  # the hash of a name or an address
    Column("forgotten_at", UtcTime, nullable=False, index=True),  # by when all its failures are forgotten
)

golden = Table(
    "golden",
    metadata,
    Column("case_id", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("content_version", Integer, nullable=False),
    Column("outcome", Name, nullable=False),
    Column("categories", Free, nullable=False),
    Column("severity", Integer),
    Column("why", Free),
    Column("added_by", String(32), nullable=False),
    Column("added_at", UtcTime, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("category", Name),
    Column("title", Free, nullable=False),
    Column("body", Free, nullable=False),
    Column("policy_version", Name, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

notices_read = Table(
    "notices_read",
    metadata,
    Column("notice_id", String(32), ForeignKey("notices.id"), primary_key=True),
    Column("person_id", String(32), primary_key=True),  # or the token's, of those who sign in with one
    Column("read_at", UtcTime, nullable=False),
    Column("practised", Integer, nullable=False),
    Column("right", Integer, nullable=False),
)

suggestions = Table(
    "suggestions",
    metadata,
    Column("id", String(64), primary_key=True),  # the hash of who suggested what, so that a retry adds nothing
    Column("token_id", String(32), ForeignKey("tokens.id"), nullable=False, index=True),
    Column("text", Free, nullable=False),
    Column("body", Free, nullable=False),  # the rest of the suggestion as it came: scores, languages, ids
    Column("bundle", String(128), nullable=False),  # in force when it came
    Column("created_at", UtcTime, nullable=False),
)

trusted_suggesters = Table(
    "trusted_suggesters",
    metadata,
    Column("token_id", String(32), ForeignKey("tokens.id"), primary_key=True),
    Column("trusted_at", UtcTime, nullable=False),
)
