"""A site's own log of Perspective's scores: reading it, and what changes if ours take over at the same cut-offs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from models.errors import MissingData
from models.report import MAX_TEXT
from serving.files import read_records
from serving.perspective.attributes import ATTRIBUTES, known_as
from training.perspective import MIN_ROWS, MOST_ROWS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Logged:
    """Texts, and their scores [n] by attribute, NaN where not logged; `refused` rows had no text or no score, and
    `left_out` were not drawn.
    """

    texts: list[str]
    scores: dict[str, Floats]
    refused: int
    left_out: int = 0

    def drawn(self, most: int, seed: int = 7) -> "Logged":
        """So many rows of it at most, at random."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.texts))[:most])
        scores = {name: values[rows] for name, values in self.scores.items()}
        return Logged([self.texts[row] for row in rows], scores, self.refused, len(self.texts) - len(rows))


@dataclass(frozen=True)
class Change:
    """What one cut-off flagged, what ours flags at it, and the cut-off at which ours flags as many."""

    attribute: str
    cut_off: float
    rows: int
    flagged: int
    ours: int
    gained: int  # not flagged before, flagged by ours at the same cut-off
    lost: int
    equal: float  # the cut-off of ours at which the same share is flagged
    swapped: int  # that change sides at it, both ways


def read_log(path: Path) -> Logged:
    """Read JSON lines, CSV or Parquet: one comment a row, flat or as the protocol has requests and answers.

    Of more than MOST_ROWS so many are drawn at random.
    Raises MissingData where the file cannot be read or no attribute has MIN_ROWS scores.
    """
    texts, rows, refused = [], [], 0
    for record in read_records(path):
        text, scores = _row(record)
        if text and scores:
            texts.append(text[:MAX_TEXT])
            rows.append(scores)
        else:
            refused += 1
    columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in ATTRIBUTES}
    found = {name: values for name, values in columns.items() if np.isfinite(values).sum() >= MIN_ROWS}
    if not found:
        raise MissingData(
            f"{path.name} has no attribute with {MIN_ROWS} scores; a row is a text with its scores, "
            "such as text,TOXICITY,INSULT, or a request and its answer"
        )
    return Logged(texts, found, refused).drawn(MOST_ROWS)


def latest(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores by attribute; of several versions of one, the latest named (a plain name counts as that)."""
    named = sorted(scores, key=lambda name: int(name.partition("@")[2] or 99))
    return {attribute: scores[name] for name in named if (attribute := known_as(name)) is not None}


def _row(record: object) -> tuple[str | None, dict[str, float]]:
    """The text and the scores of one record; wherever in it they are."""
    if not isinstance(record, dict):
        return None, {}
    parts = [part for part in (record, record.get("request"), record.get("response")) if isinstance(part, dict)]
    texts: list[Any] = [part.get("text") for part in parts]
    texts += [part["comment"].get("text") for part in parts if isinstance(part.get("comment"), dict)]
    scores: dict[str, float] = {}
    for part in parts:
        inner = part.get("attributeScores")
        scores |= _numbers(inner if isinstance(inner, dict) else part)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), None)
    return text, latest(scores)


def _numbers(values: Mapping[Any, Any]) -> dict[str, float]:
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            summary = value.get("summaryScore")
            value = summary.get("value") if isinstance(summary, dict) else None
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if isinstance(name, str) and known_as(name) and 0 <= number <= 1:
            found[name] = number
    return found


def changes(theirs: Mapping[str, Floats], ours: Mapping[str, Floats], cut_offs: Iterable[float]) -> list[Change]:
    """What each cut-off changes for each attribute; both sides [known scores], `ours` held out of its fit."""
    return [_change(name, theirs[name], ours[name], cut_off) for name in ours for cut_off in cut_offs]


def _change(name: str, theirs: Floats, ours: Floats, cut_off: float) -> Change:
    before, after = theirs >= cut_off, ours >= cut_off
    flagged = int(before.sum())
    ranked = np.sort(ours)[::-1]
    equal = float(ranked[flagged - 1]) if flagged else float(np.nextafter(ranked[0], 2))
    moved = before != (ours >= equal)
    return Change(
        attribute=name,
        cut_off=cut_off,
        rows=len(theirs),
        flagged=flagged,
        ours=int(after.sum()),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
        equal=equal,
        swapped=int(moved.sum()),
    )


def show(found: Sequence[Change]) -> Table:
    """The changes as a table."""
    table = Table("attribute", "cut-off", "rows", "flagged", "ours", "+", "−", "same share at", "change sides there")
    for change in found:
        numbers = (change.rows, change.flagged, change.ours, change.gained, change.lost)
        cells = [f"{number:,}" for number in numbers]
        table.add_row(change.attribute, f"{change.cut_off:g}", *cells, f"{change.equal:.3f}", f"{change.swapped:,}")
    return table
