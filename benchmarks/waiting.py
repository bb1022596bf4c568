"""A store in which made-up cases wait: a thousand by the service's own way, and from there any number of copies."""

import hashlib
import itertools
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, event, func, insert, literal, select, text

from benchmarks.texts import draw
from models import Report, Scorer
from models.policy import LANES
from serving.queue.intake import Scored, keep
from serving.store import Store
from serving.store.tables import cases, contents, reports, scores

BASE = 1000
TEXTS = 64
LANE_SHARES = (0.002, 0.018, 0.08, 0.4, 0.5)  # most urgent lane first
LANGUAGES, LANGUAGE_SHARES = ("en", "de", "fr", "und"), (0.8, 0.08, 0.06, 0.06)
DAYS = 7  # over which those that wait came
AGES = 50
SEED = 7


class Arrivals:
    """Made-up reports with a bundle's scores of their texts, and with lanes and languages drawn by fixed shares."""

    def __init__(self, scorer: Scorer, tokenizer: Path) -> None:
        self._random = random.Random(SEED)  # noqa: S311  (nothing secret)
        self._numbers = itertools.count()
        self.scorer, now = scorer, datetime.now(UTC)
        read = [Report.model_validate({"report_id": "r", "content": {"text": each}}) for each in draw(tokenizer, TEXTS)]
        self._scored = [(report, scorer.score(report, received_at=now)) for report in read]

    def next(self, now: datetime) -> Scored:
        """One more."""
        number = next(self._numbers)
        report, score = self._scored[number % TEXTS]
        (lane,), (language,) = (
            self._random.choices(LANES, LANE_SHARES),
            self._random.choices(LANGUAGES, LANGUAGE_SHARES),
        )
        content = report.content.model_copy(update={"language": language})
        category = score.categories[self._random.randrange(5)].model_copy(update={"flagged": True})
        priority = {"lane": lane, "value": 30 * self._random.random(), "due_at": self.scorer.policy.due(lane, now)}
        own = {
            "report_id": f"r-{number}",
            "score_id": f"s-{number}",
            "priority": score.priority.model_copy(update=priority),
            "categories": [category, *score.categories[1:]],
        }
        return Scored(
            report.model_copy(update={"report_id": f"r-{number}", "content": content}),
            now,
            score.model_copy(update=own),
        )

    def some(self, number: int, now: datetime) -> list[Scored]:
        """So many more."""
        return [self.next(now) for _ in range(number)]


def fill(store: Store, arrivals: Arrivals) -> None:
    """Put BASE cases into an empty store, which came one after another in the last days."""
    if store.is_sqlite:
        event.listen(store.engine, "connect", _add_md5)
        store.engine.dispose()
    now = datetime.now(UTC)
    for age in range(AGES):
        since = now - timedelta(days=DAYS) * (AGES - age) / AGES
        keep(store, arrivals.scorer, arrivals.some(BASE // AGES, since), since, 0.1)


def grow(store: Store, times: int) -> None:
    """Make so many times as many of the cases that wait, each copy with its own ids and its own place."""
    with store.write() as connection:
        # Room for the pages that rows with random keys touch, for this once.
        connection.execute(text("PRAGMA cache_size = -1000000" if store.is_sqlite else "SET LOCAL work_mem = '256MB'"))
        connection.execute(text("CREATE TEMPORARY TABLE originals AS SELECT id FROM cases WHERE status = 'open'"))
        for copy in range(1, times):
            _copy(connection, uuid.uuid4().hex, copy / times)
        connection.execute(text("DROP TABLE originals"))
    store.engine.dispose()
    settle(store)


def settle(store: Store) -> None:
    """Bring a store to rest, as it would be after some time without so much at once."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)" if store.is_sqlite else "VACUUM ANALYZE"))


def waiting(connection: Connection) -> int:
    """How many cases wait."""
    return connection.execute(select(func.count()).where(cases.c.status == "open")).scalar_one()


def _copy(connection: Connection, name: str, step: float) -> None:
    fresh = bindparam("name", type_=cases.c.id.type)
    own: dict[Table, dict[str, ColumnElement[Any]]] = {
        cases: {"id": func.md5(cases.c.id.concat(fresh)), "rank": cases.c.rank - literal(step)},
        contents: {
            "case_id": func.md5(contents.c.case_id.concat(fresh)),
            "prepared_hash": func.md5(contents.c.prepared_hash.concat(fresh)),
        },
        reports: {
            "report_id": func.md5(reports.c.report_id.concat(fresh)),
            "case_id": func.md5(reports.c.case_id.concat(fresh)),
            "score_id": func.md5(reports.c.score_id.concat(fresh)),
        },
        scores: {
            "score_id": func.md5(scores.c.score_id.concat(fresh)),
            "report_id": func.md5(scores.c.report_id.concat(fresh)),
            "score": literal({}, scores.c.score.type),  # gigabytes otherwise, and nothing here reads it
        },
    }
    for table, changed in own.items():
        columns = [changed.get(column.name, column) for column in table.c]
        query = select(*columns).where(text(_IS_ORIGINAL[table.name]))
        connection.execute(insert(table).from_select([column.name for column in table.c], query), {"name": name})


_IS_ORIGINAL = {
    "cases": "cases.id IN (SELECT id FROM originals)",
    "contents": "contents.case_id IN (SELECT id FROM originals)",
    "reports": "reports.case_id IN (SELECT id FROM originals)",
    "scores": "scores.report_id IN (SELECT report_id FROM reports WHERE case_id IN (SELECT id FROM originals))",
}


def _add_md5(connection: Any, _record: object) -> None:
    connection.create_function("md5", 1, _md5, deterministic=True)


def _md5(value: str | None) -> str | None:
    return None if value is None else hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()


def sizes(most: int) -> Iterator[int]:
    """1,000 and each ten times as many, up to the most."""
    size = BASE
    while size <= most:
        yield size
        size *= 10
