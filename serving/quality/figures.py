"""How well reviewers do: everyone's own figures for themselves, and totals of several in which nobody can be seen."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from serving.accounts.auth import Identity
from serving.quality.agreement import Pairs, Share
from serving.quality.golden import Answer, content_of
from serving.queue.stages import GOLDEN, QA, SECOND
from serving.review.second_looks import VERDICTS, agree
from serving.store import Store
from serving.store.tables import cases, claims, decisions, golden

FEWEST = 5  # reviewers whose figures may be shown added up
CLEAN = "no_violation"  # where figures are by category: the cases without any
SHOWN = 10  # golden cases whose answers differed, to learn from


@dataclass(frozen=True)
class Pair:
    """An opinion of somebody's beside another on the same version of a case."""

    mine: Row[Any]
    other: Row[Any] | Answer

    @property
    def agrees(self) -> bool:
        """Whether the two are the same in what matters."""
        return agree(self.mine, self.other)

    @property
    def categories(self) -> set[str]:
        """What the case is about: the categories that either names."""
        return {*self.mine.categories, *self.other.categories} or {CLEAN}

    @property
    def people(self) -> set[str]:
        """Whose opinions these are; a golden case's answer is nobody's."""
        return {opinion.reviewer for opinion in (self.mine, self.other) if not isinstance(opinion, Answer)}


@dataclass(frozen=True)
class Looked:
    """A case that two reviewers looked at, and what QA made of it if they disagreed."""

    first: Row[Any]
    second: Row[Any]
    qa: Row[Any] | None


@dataclass(frozen=True)
class Figure:
    """On how many cases an opinion agreed with another: of one category, or of all (None)."""

    category: str | None
    share: Share


@dataclass(frozen=True)
class Lesson:
    """A golden case that was answered differently: its text (None if it may no longer be seen) and both answers."""

    text: str | None
    mine: Row[Any]
    answer: Answer


@dataclass(frozen=True)
class Own:
    """A reviewer's own figures, all categories first: against golden answers, second reviewers, and QA."""

    golden: list[Figure]
    second: list[Figure]
    qa: list[Figure]
    lessons: list[Lesson]


def own(store: Store, who: Identity, since: datetime) -> Own:
    """What a reviewer has done since a moment; for themselves alone."""
    with store.read() as connection:
        mine = decisions.c.case_id.in_(_claimed(who, since)) & (decisions.c.reviewer == who.id)
        answers = _golden(connection, since, mine)
        looks = [look for look in _looked(connection, _claimed(who, since)) if look.second.created_at >= since]
        lessons = [_lesson(connection, pair) for pair in reversed(answers) if not pair.agrees][:SHOWN]
    return Own(
        figures(answers),
        figures(pair for look in looks for pair in _with_second(look, who)),
        figures(pair for look in looks for pair in _with_qa(look, who)),
        lessons,
    )


def figures(pairs: Iterable[Pair]) -> list[Figure]:
    """Agreement over all pairs and by category, the most frequent first; a pair counts in each of its categories."""
    found: dict[str | None, list[bool]] = defaultdict(list)
    for pair in pairs:
        for category in (None, *pair.categories):
            found[category].append(pair.agrees)
    ordered = sorted(found, key=lambda category: (category is not None, -len(found[category]), category or ""))
    return [Figure(category, Share.of(found[category])) for category in ordered]


@dataclass(frozen=True)
class Total:
    """A figure over everybody; where fewer than FEWEST reviewers made it up, `share` and `pairs` are None."""

    name: str
    category: str | None
    reviewers: int
    share: Share | None
    pairs: Pairs | None = None  # of a yes-or-no question: a violation at all, or of the category


def totals(store: Store, since: datetime) -> list[Total]:
    """Golden accuracy, agreement of second looks and how many of them QA changed, since a moment, over everybody."""
    with store.read() as connection:
        answers = _golden(connection, since, decisions.c.created_at >= since)
        seconds = select(decisions.c.case_id).where(decisions.c.role == SECOND, decisions.c.created_at >= since)
        looks = [look for look in _looked(connection, seconds) if look.second.created_at >= since]
    both = [Pair(look.first, look.second) for look in looks]
    settled = [Pair(look.first, look.qa) for look in looks if look.qa]
    return [
        *(_total("golden", category, answers) for category in _categories(answers)),
        *(_total("second look", category, both, ask=True) for category in _categories(both)),
        *([_total("first confirmed by QA", None, settled)] if settled else []),
    ]


def _categories(pairs: Sequence[Pair]) -> list[str | None]:
    return [figure.category for figure in figures(pairs) if figure.category != CLEAN]


def _total(name: str, category: str | None, pairs: Sequence[Pair], *, ask: bool = False) -> Total:
    about = [pair for pair in pairs if category is None or category in pair.categories]
    people = {person for pair in about for person in pair.people}
    if len(people) < FEWEST:
        return Total(name, category, len(people), None)
    asked = Pairs.of([(_says(pair.mine, category), _says(pair.other, category)) for pair in pairs]) if ask else None
    return Total(name, category, len(people), Share.of([pair.agrees for pair in about]), asked)


def _says(opinion: Row[Any] | Answer, category: str | None) -> bool:
    return opinion.outcome == "violation" if category is None else category in opinion.categories


def _claimed(who: Identity, since: datetime) -> Any:
    """The cases that somebody had since a moment; decisions are found by them, however many there are."""
    return select(claims.c.case_id).where(claims.c.reviewer == who.id, claims.c.claimed_at >= since)


def _golden(connection: Connection, since: datetime, among: ColumnElement[bool]) -> list[Pair]:
    """Answers to golden cases beside the known ones, oldest first; those of removed golden cases count no longer."""
    known = (golden.c.case_id == cases.c.copy_of) & (golden.c.content_version == decisions.c.content_version)
    rows = connection.execute(
        select(decisions, *(column.label(f"known_{column.name}") for column in golden.c))
        .join(cases, cases.c.id == decisions.c.case_id)
        .join(golden, known)
        .where(among, decisions.c.role == GOLDEN, decisions.c.created_at >= since)
        .where(decisions.c.outcome.in_(VERDICTS), decisions.c.retracted_at.is_(None))
        .order_by(decisions.c.seq)
    )
    return [Pair(row, Answer(*(getattr(row, f"known_{field.name}") for field in fields(Answer)))) for row in rows]


def _looked(connection: Connection, among: Any) -> Iterator[Looked]:
    """The cases among some that two reviewers looked at."""
    seconds = select(decisions.c.case_id).where(decisions.c.case_id.in_(among), decisions.c.role == SECOND)
    rows = connection.execute(
        select(decisions)
        .where(decisions.c.case_id.in_(seconds), decisions.c.role != GOLDEN, decisions.c.retracted_at.is_(None))
        .order_by(decisions.c.case_id, decisions.c.seq)
    )
    for _, made in groupby(rows, lambda row: (row.case_id, row.content_version)):
        yield from _looks(made)


def _looks(made: Iterable[Row[Any]]) -> Iterator[Looked]:
    """The second looks among the decisions on one version of a case, in order: it may have come back in between."""
    first: Row[Any] | None = None
    second: Row[Any] | None = None
    for row in made:
        if row.outcome not in VERDICTS:
            continue
        if row.role == SECOND:
            second = row
        elif row.role == QA and first is not None and second is not None:
            yield Looked(first, second, row)
            first = second = None
        else:
            if first is not None and second is not None:
                yield Looked(first, second, None)
            first, second = row, None
    if first is not None and second is not None:
        yield Looked(first, second, None)


def _with_second(look: Looked, who: Identity) -> list[Pair]:
    if look.first.reviewer == who.id:
        return [Pair(look.first, look.second)]
    return [Pair(look.second, look.first)] if look.second.reviewer == who.id else []


def _with_qa(look: Looked, who: Identity) -> list[Pair]:
    mine = [opinion for opinion in (look.first, look.second) if opinion.reviewer == who.id]
    return [Pair(opinion, look.qa) for opinion in mine if look.qa]


def _lesson(connection: Connection, pair: Pair) -> Lesson:
    assert isinstance(pair.other, Answer)  # noqa: S101  (of answers to golden cases alone)
    content = content_of(connection, pair.other.case_id, pair.other.content_version)
    return Lesson(content.text if content else None, pair.mine, pair.other)
