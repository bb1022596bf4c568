"""Keeping an operator's own history of decisions: each as a case that is decided, once, by nobody whom we know."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Self, TextIO

from sqlalchemy import Connection, insert, select

from models.errors import FrontlineError
from models.language import primary_language
from models.policy import LANES
from models.priority import floors
from serving.files import is_table, read_records
from serving.queue.intake import prepared_hash
from serving.queue.stages import FIRST
from serving.review.decisions import IMPORTED, LOCK
from serving.review.past import Past, Reading, with_columns
from serving.store import Store
from serving.store.ids import new_id
from serving.store.tables import UNKNOWN_LANGUAGE, cases, contents, decisions, events, reports

UNKNOWN_POLICY = "unknown"
BATCH = 500  # rows that one transaction keeps
SHOWN = 5  # row numbers that a reason is shown with
Numbered = list[tuple[int, Past]]
Refused = list[tuple[int, str]]


@dataclass(frozen=True)
class Tally:
    """How many rows are new, were known already, and were refused."""

    new: int = 0
    known: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.new + self.known + self.refused


class Refusals:
    """What was refused: written to a CSV file of row and reason, where one is named, and counted by reason."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._rows: dict[str, list[int]] = {}

    def __enter__(self) -> Self:
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(("row", "reason"))
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, row: int, reason: str) -> None:
        """Take one down."""
        self._rows.setdefault(reason, []).append(row)
        if self._file:
            csv.writer(self._file).writerow((row, reason))

    def lines(self) -> Iterator[str]:
        """A line per reason, with the first rows that it holds for."""
        for reason, rows in self._rows.items():
            first = ", ".join(map(str, rows[:SHOWN])) + (", …" if len(rows) > SHOWN else "")
            yield f"{len(rows):,} × {reason} (row {first})"


def import_file(
    store: Store, reading: Reading, file: Path, rejects: Path | None, say: Callable[[str], None], *, dry_run: bool
) -> tuple[Tally, list[str]]:
    """Import a file; return the tally and a line per reason for refusals. `rejects` gets them row by row.

    Raises MissingData where the file cannot be read or lacks a column.
    """
    rows = with_columns(read_records(file), reading.columns, table=is_table(file))
    tally = Tally()
    with Refusals(rejects) as refusals:
        for tally in import_rows(store, reading, rows, refusals.add, datetime.now(UTC), dry_run=dry_run):
            say(f"Importing: {tally.rows:,} rows")
        return tally, list(refusals.lines())


def import_rows(
    store: Store,
    reading: Reading,
    rows: Iterable[object],
    refuse: Callable[[int, str], None],
    now: datetime,
    *,
    dry_run: bool,
) -> Iterator[Tally]:
    """Keep rows batch by batch; gives the tally so far after each. `refuse` is told a row's number, from 1, and why.

    A row without a time counts as decided now. A dry run keeps nothing.
    """
    tally, seen = Tally(), dict[str, str]()  # by a dry run: hashes of what would be here by now, by decision
    numbered = iter(enumerate(rows, 1))
    while batch := list(islice(numbered, BATCH)):
        pasts, refused = _read(reading, batch, now)
        if dry_run:
            new, known, conflicts = _compare(store, pasts, seen)
        else:
            new, known, conflicts = _keep(store, reading, pasts, now)
        for number, reason in sorted(refused + conflicts):
            refuse(number, reason)
        tally = Tally(tally.new + new, tally.known + known, tally.refused + len(refused) + len(conflicts))
        yield tally


def _read(reading: Reading, batch: list[tuple[int, object]], now: datetime) -> tuple[Numbered, Refused]:
    pasts: Numbered = []
    refused: Refused = []
    for number, row in batch:
        try:
            pasts.append((number, reading.past(row, now)))
        except FrontlineError as error:
            refused.append((number, error.message))
    return pasts, refused


def _compare(store: Store, pasts: Numbered, seen: dict[str, str]) -> tuple[int, int, Refused]:
    """Keep nothing: how many are new, known, and contradict the store or what was `seen`, which the new then are."""
    with store.read() as connection:
        new, known, conflicts = _sort(connection, pasts, seen)
    seen.update({past.decision_id: past.body_hash for past in new})
    return len(new), known, conflicts


def _keep(store: Store, reading: Reading, pasts: Numbered, now: datetime) -> tuple[int, int, Refused]:
    """Keep what is new, all of it or nothing: how many are new, how many known, and which contradict the store."""
    # Hashed before the transaction: long texts take time to prepare, and SQLite has one writer at a time.
    hashes = {past.text: prepared_hash(past.text) for _, past in pasts}

    def work(connection: Connection) -> tuple[int, int, Refused]:
        # As with every decision: one writer at a time, so that a reader of the feed misses none.
        store.serialise(connection, LOCK)
        new, known, conflicts = _sort(connection, pasts, {})
        if new:
            _insert(connection, reading, new, hashes, now)
        return len(new), known, conflicts

    return store.retrying(work)


def _sort(connection: Connection, pasts: Numbered, seen: Mapping[str, str]) -> tuple[list[Past], int, Refused]:
    """What is new, how many are known, and which contradict what is known, be it kept or `seen`."""
    ids = [past.decision_id for _, past in pasts]
    query = select(decisions.c.decision_id, decisions.c.body_hash).where(decisions.c.decision_id.in_(ids))
    hashes = {**seen, **{row.decision_id: row.body_hash for row in connection.execute(query)}}
    reported = [past.report_id for _, past in pasts if past.report_id is not None]
    here = set(connection.execute(select(reports.c.report_id).where(reports.c.report_id.in_(reported))).scalars())
    new: list[Past] = []
    known = 0
    conflicts: Refused = []
    for number, past in pasts:
        before = hashes.get(past.decision_id)
        if past.report_id in here:
            conflicts.append((number, "report_id is that of a report in the queue here; decide its case here"))
        elif before is None:
            hashes[past.decision_id] = past.body_hash
            new.append(past)
        elif before == past.body_hash:
            known += 1
        else:
            conflicts.append((number, "report_id was imported before with another text or decision"))
    return new, known, conflicts


def _insert(
    connection: Connection, reading: Reading, pasts: list[Past], hashes: Mapping[str, str | None], now: datetime
) -> None:
    rows = [(past, new_id(now), past.decided_at or now) for past in pasts]
    connection.execute(insert(cases), [_case(reading, *row, now) for row in rows])
    connection.execute(insert(contents), [_content(*row, hashes[row[0].text]) for row in rows])
    connection.execute(insert(decisions), [_decision(*row) for row in rows])
    connection.execute(insert(events), [_event(past, case_id, now) for past, case_id, _ in rows])


def _case(reading: Reading, past: Past, case_id: str, at: datetime, now: datetime) -> dict[str, Any]:
    reason = reading.taxonomy.of_reason(past.reason)
    # Floors hold here too: what belongs to specialists is shown to nobody else, and never learnt from.
    lowest = floors(reading.policy, [*past.categories, *([reason.key] if reason else [])])
    return {
        "id": case_id,
        "language": primary_language(past.language) or UNKNOWN_LANGUAGE,
        "status": "decided",
        "lane": reading.policy.most_urgent([LANES[-1], *lowest]),
        "priority": 0.0,
        "priority_detail": {},
        "rank": 0.0,
        "waits_since": at,
        "stage": FIRST,
        "brigade": False,
        "due_at": at,
        "content_version": 1,
        "reopened": 0,
        "fence": 0,
        "blind": False,
        "created_at": at,
        "updated_at": now,
    }


def _content(past: Past, case_id: str, at: datetime, text_hash: str | None) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "version": 1,
        "text": past.text,
        "context": [],
        "attachments": [],
        "prepared_hash": text_hash,
        "created_at": at,
    }


def _decision(past: Past, case_id: str, at: datetime) -> dict[str, Any]:
    return {
        "decision_id": past.decision_id,
        "body_hash": past.body_hash,
        "case_id": case_id,
        "content_version": 1,
        "claim_id": IMPORTED,  # nobody claimed it here, and who decided is not known
        "outcome": past.outcome,
        "categories": past.categories,
        "severity": past.severity,
        "reviewer": IMPORTED,
        "role": IMPORTED,
        "blind": False,
        "bulk": False,
        "policy_version": UNKNOWN_POLICY,
        "created_at": at,
    }


def _event(past: Past, case_id: str, now: datetime) -> dict[str, Any]:
    detail = {"decision_id": past.decision_id, "report_id": past.report_id, "reason": past.reason}
    return {"at": now, "actor": None, "kind": "imported", "case_id": case_id, "detail": detail}
