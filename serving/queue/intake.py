"""Taking reports in: score each once, keep it once, and put its case where it belongs in the queue."""

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from models import FrontlineError, Report, Score, Scorer, parse_report
from models.language import primary_language
from models.observer import Stopwatch
from models.policy import SPECIALIST, Policy
from models.prepare import prepare
from models.priority import of_case
from models.score import Priority
from serving.errors import DeadlineExceeded, ReportConflict, ScoringFailed
from serving.logs import log, where
from serving.queue.brigades import is_brigade
from serving.queue.cases import take_from_others
from serving.queue.draws import drawn
from serving.queue.placing import content_of, joined, kept_special, level_of, place
from serving.queue.stages import FIRST, QA, SECOND
from serving.store import Store
from serving.store.events import record
from serving.store.ids import new_id
from serving.store.tables import (
    UNKNOWN_LANGUAGE,
    cases,
    contents,
    decisions,
    reports,
    scores,
)

# Built once, and inserts get their values as parameters: building statements costs more than running them.
_FIRST_SCORE = (
    select(reports.c.body_hash, scores.c.score)
    .join(scores, scores.c.score_id == reports.c.score_id)
    .where(reports.c.report_id == bindparam("report_id"))
)


@dataclass(frozen=True)
class Rejected:
    """A report that was not taken, and why."""

    report_id: str | None
    error: FrontlineError


@dataclass(frozen=True)
class Scored:
    """A report with its score."""

    report: Report
    received_at: datetime
    score: Score


@dataclass(frozen=True)
class _Hashed(Scored):
    body_hash: str
    prepared_hash: str | None


def score(
    scorer: Scorer, item: object, now: datetime, *, explain: bool = False, deadline: float = math.inf
) -> Scored | Rejected:
    """Score a decoded JSON value without keeping anything, unless its `deadline` (`time.monotonic`) has passed."""
    given = item.get("report_id") if isinstance(item, dict) else None
    report_id = _echo(given) if isinstance(given, str) and len(given) <= 256 else None
    try:
        if time.monotonic() > deadline:
            raise DeadlineExceeded("the deadline passed before this report's turn came")
        watch = Stopwatch(scorer.observer)
        report, warnings = parse_report(item)
        watch.lap("parse")
        received_at = report.received_at or now
        found = scorer.score(report, received_at=received_at, warnings=warnings, explain=explain)
    except FrontlineError as error:
        return Rejected(report_id, error)
    except Exception as error:  # whatever it is, the other reports of the batch must not wait for its repair
        log.error("scoring_failed", report_id=report_id, error=type(error).__qualname__, where=where(error))
        return Rejected(report_id, ScoringFailed("this report could not be scored; the log has the cause"))
    return Scored(report, received_at, found)


def keep(
    store: Store, scorer: Scorer, items: Sequence[Scored | Rejected], now: datetime, blind_share: float
) -> list[Score | Rejected]:
    """Store scored reports in one transaction; bad ones fail alone.

    A known report_id with the same body gives the stored first score, with another body a ReportConflict. The answers
    are in the order of the items.
    """
    # Hashed before the transaction: a long text takes time to prepare, and SQLite has one writer at a time.
    hashed = [_hashed(item) for item in items]
    # In the same order for everybody, so that no two batches ever wait for each other's cases; those on one content
    # stay in the order in which they came.
    order = sorted(range(len(hashed)), key=lambda number: _content_id(hashed[number]))

    def work(connection: Connection) -> list[Score | Rejected]:
        kept: dict[int, Score | Rejected] = {}
        for number in order:
            item = hashed[number]
            kept[number] = _keep(connection, scorer, item, now, blind_share) if isinstance(item, _Hashed) else item
        return [kept[number] for number in range(len(hashed))]

    return store.retrying(work)


def _content_id(item: _Hashed | Rejected) -> str:
    return item.report.content.id or "" if isinstance(item, _Hashed) else ""


def _echo(given: str) -> str:
    """An id that can be sent back: a file that is not UTF-8 reads as lone surrogates, which no answer can hold."""
    return given.encode("utf-8", "replace").decode("utf-8")


def _hashed(result: Scored | Rejected) -> _Hashed | Rejected:
    if isinstance(result, Rejected):
        return result
    report = result.report
    return _Hashed(report, result.received_at, result.score, _body_hash(report), prepared_hash(report.content.text))


def _body_hash(report: Report) -> str:
    # Without defaults, so that a field that the contract gains later does not turn a retry into a conflict.
    return hashlib.sha256(report.model_dump_json(exclude_defaults=True).encode("utf-8")).hexdigest()


def _keep(connection: Connection, scorer: Scorer, item: _Hashed, now: datetime, blind_share: float) -> Score | Rejected:
    report = item.report
    known = connection.execute(_FIRST_SCORE, {"report_id": report.report_id}).one_or_none()
    if known is not None:
        if known.body_hash == item.body_hash:
            return Score.model_validate(known.score)
        message = "this report_id was sent before with another body; send a changed report under a new report_id"
        return Rejected(report.report_id, ReportConflict(message, field="report_id"))
    case = _case_of(connection, report.content.id)
    if case is None:
        case_id, version, raises = _open_case(connection, scorer.policy, item, now, blind_share), 1, True
    else:
        version, raises = _join_case(connection, scorer.policy, case, item, now)
        case_id = case.id
    _insert_report(connection, item, case_id, version, now, raises=raises)
    return item.score


def _case_of(connection: Connection, content_id: str | None) -> Row[Any] | None:
    if content_id is None:
        return None
    return connection.execute(select(cases).where(cases.c.content_id == content_id).with_for_update()).one_or_none()


def _open_case(connection: Connection, policy: Policy, item: _Hashed, now: datetime, blind_share: float) -> str:
    case_id, content = new_id(now), item.report.content
    connection.execute(
        insert(cases),
        dict(
            id=case_id,
            content_id=content.id,
            kind=content.kind,
            language=primary_language(content.language) or UNKNOWN_LANGUAGE,
            subject_id=item.report.subject.id,
            status="open",
            content_version=1,
            blind=_blind(case_id, blind_share) and item.score.priority.lane != SPECIALIST,
            created_at=now,
            updated_at=now,
            **content_of(item.score),
            **place(policy, item.score.priority, now),
        ),
    )
    _insert_content(connection, case_id, 1, item, now)
    return case_id


def _join_case(
    connection: Connection, policy: Policy, case: Row[Any], item: _Hashed, now: datetime
) -> tuple[int, bool]:
    """Attach a report to its case; return the version of the content that it is about, and whether it raises it."""
    content, version = item.report.content, case.content_version
    latest = connection.execute(
        select(contents.c.text).where(contents.c.case_id == case.id, contents.c.version == version)
    ).scalar_one()
    changed = content.text is not None and content.text != latest  # a report without text says nothing of the text
    if changed:
        version += 1
        _insert_content(connection, case.id, version, item, now)
    values: dict[str, Any] = {"content_version": version, "updated_at": now}
    if case.subject_id is None:
        values["subject_id"] = item.report.subject.id
    said = content_of(item.score)
    closed, raises = case.status in ("decided", "withdrawn"), False
    if closed and (changed or _brings_more(connection, case, item.score)):
        # The clock starts anew: what is decided no longer waits.
        raises = True
        connection.execute(update(reports).where(reports.c.case_id == case.id, reports.c.raises).values(raises=False))
        values |= {"status": "open", "stage": FIRST, "reopened": case.reopened + 1}
        priority = kept_special(case, item.score.priority, policy.due(SPECIALIST, now))
        values |= said | place(policy, priority, now)
        record(connection, now, "reopened", case.id, None, report_id=item.report.report_id)
    elif not closed and not changed and is_brigade(connection, policy, case.id, item.report, now):
        values["brigade"] = True
    elif not closed:
        raises = True
        standing = Priority.model_validate(case.priority_detail)
        joint = of_case([standing, item.score.priority])
        values |= said if changed else joined(case, item.score, leads=joint.value == item.score.priority.value)
        values |= place(policy, joint, case.waits_since)
        if changed and case.stage in (SECOND, QA):
            values["stage"] = FIRST  # of what it says now nobody has an opinion yet
    values["flagged"] = said["flagged"] if changed else sorted({*case.flagged, *said["flagged"]})
    if values.get("lane") == SPECIALIST != case.lane:
        values |= take_from_others(connection, case, now)
    connection.execute(update(cases).where(cases.c.id == case.id).values(values))
    return int(version), raises


def _brings_more(connection: Connection, case: Row[Any], new: Score) -> bool:
    """Whether a report on decided content names a higher severity or a category that nobody named before."""
    decided = connection.execute(
        select(decisions.c.categories, decisions.c.severity)
        .where(decisions.c.case_id == case.id, decisions.c.retracted_at.is_(None))
        .order_by(decisions.c.seq.desc())
        .limit(1)
    ).one_or_none()
    known = {*case.flagged, *(decided.categories if decided else ())}
    severest = max(case.severity or 0, (decided.severity or 0) if decided else 0)
    return level_of(new) > severest or not known.issuperset(content_of(new)["flagged"])


def _insert_content(connection: Connection, case_id: str, version: int, item: _Hashed, now: datetime) -> None:
    content = item.report.content
    body = content.model_dump(mode="json")
    values = {"case_id": case_id, "version": version, "prepared_hash": item.prepared_hash, "created_at": now}
    values |= {"text": content.text, "url": content.url, "context": body["context"], "attachments": body["attachments"]}
    connection.execute(insert(contents), values)


def _insert_report(
    connection: Connection, item: _Hashed, case_id: str, version: int, now: datetime, *, raises: bool
) -> None:
    report, score = item.report, item.score
    body = report.model_dump(mode="json", exclude_defaults=True)
    connection.execute(
        insert(reports),
        {
            "report_id": report.report_id,
            "case_id": case_id,
            "content_version": version,
            "content": body.pop("content"),
            "body": body,
            "body_hash": item.body_hash,
            "received_at": item.received_at,
            "score_id": score.score_id,
            "raises": raises,
        },
    )
    connection.execute(
        insert(scores),
        {
            "score_id": score.score_id,
            "report_id": report.report_id,
            "bundle": score.model.bundle,
            "violation_probability": score.violation.probability,
            "expected_severity": score.severity.expected if score.severity else None,
            "abstained": score.abstained,
            "score": score.model_dump(mode="json"),
            "created_at": now,
        },
    )


def prepared_hash(text: str | None) -> str | None:
    """A hash of the prepared text, the same for texts that differ in spelling alone; None where nothing is left."""
    prepared = prepare(text or "").text
    return hashlib.sha256(prepared.encode("utf-8")).hexdigest() if prepared else None


def _blind(case_id: str, share: float) -> bool:
    """Whether reviewers see this case without hints: a fixed draw from the case's id."""
    return drawn(f"blind.v1 {case_id}") < share


def count_reports(store: Store) -> int:
    """How many reports are kept."""
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(reports)).scalar_one()
