"""How the rows of an operator's own history read as decisions; a row that does not is refused with a reason."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import FrontlineError, MissingData
from models.policy import Policy
from models.report import MAX_TEXT, Id, Language, Name, Time, first_error
from models.taxonomy import Severity, Taxonomy
from serving.errors import InvalidRequest
from serving.review.decisions import check
from serving.review.second_looks import VERDICTS

REQUIRED = ("text", "outcome")
DIGITS = 9  # of a number in a cell at most: Python refuses to read those of thousands
SEVERITIES = {severity.name.lower(): int(severity) for severity in Severity}


class Past(BaseModel):
    """One decision of the past; what is absent is unknown."""

    model_config = ConfigDict(frozen=True, strict=True)

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    outcome: Literal["violation", "no_violation"]
    categories: list[Name] = []
    severity: Annotated[int, Field(ge=0, le=4)] | None = None
    decided_at: Time | None = None
    report_id: Id | None = None
    reason: Name | None = None
    language: Language | None = None

    @property
    def decision_id(self) -> str:
        """The same for the same decision, however often it is imported: by its report, or else by all of it."""
        key = self.body_hash if self.report_id is None else f"report {self.report_id}"
        return f"import-{hashlib.sha256(key.encode()).hexdigest()[:40]}"

    @property
    def body_hash(self) -> str:
        """A hash of everything that is known of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True)
class Reading:
    """How rows read: each field's column, and what the operator's outcomes and categories (in small letters) mean."""

    columns: Mapping[str, str]
    taxonomy: Taxonomy
    policy: Policy
    outcomes: Mapping[str, str]
    categories: Mapping[str, str]

    def past(self, row: object, now: datetime) -> Past:
        """A row as a decision. Raises FrontlineError, whose message never quotes a cell."""
        if isinstance(row, FrontlineError):
            raise row
        if not isinstance(row, dict):
            raise InvalidRequest("the row is not an object")
        if None in row:
            raise InvalidRequest("the row has more cells than the header")
        cells = {field: _filled(row.get(column)) for field, column in self.columns.items()}
        for field in ("report_id", "reason", "language"):
            if cells.get(field) is not None:  # an id may well be a number
                cells[field] = str(cells[field]).strip()
        cells["outcome"] = self._outcome(cells["outcome"])
        cells["categories"] = self._categories(cells.get("categories"))
        cells["severity"] = _severity(cells.get("severity"))
        cells["decided_at"] = _time(cells.get("decided_at"), now)
        try:
            past = Past.model_validate(cells)
        except ValidationError as error:
            raise first_error(error, Past) from None
        check(past, self.taxonomy)
        return past

    def _outcome(self, cell: Any) -> str:
        name = str(cell).strip().casefold()
        outcome = self.outcomes.get(name, name)
        if outcome not in VERDICTS:
            raise InvalidRequest("outcome is neither violation nor no_violation, and no --outcome says what it means")
        return outcome

    def _categories(self, cell: Any) -> list[str]:
        names = cell if isinstance(cell, list) else str(cell or "").replace(";", ",").replace("|", ",").split(",")
        keys = (str(name).strip().casefold() for name in names)
        return list(dict.fromkeys(self.categories.get(key, key) for key in keys if key))


def with_columns(rows: Iterator[object], columns: Mapping[str, str], *, table: bool) -> Iterator[object]:
    """The rows, if the first has the columns: all of them in a table, those that every row needs in JSON lines.

    Raises MissingData.
    """
    first = next(rows, None)
    wanted = [column for field, column in columns.items() if table or field in REQUIRED]
    if lacking := [column for column in wanted if isinstance(first, dict) and column not in first]:
        raise MissingData(
            f"the file has no column {', '.join(lacking)}; say with --columns what its columns are called"
        )
    return chain([] if first is None else [first], rows)


def _filled(cell: Any) -> Any:
    """None for an empty cell: blank, or NaN, which is not itself."""
    blank = cell is None or (isinstance(cell, str) and not cell.strip()) or cell != cell
    return None if blank else cell


def _severity(cell: Any) -> Any:
    """A grade from its number or name; what is neither stays, for the check to name it."""
    if isinstance(cell, str):
        name = cell.strip().casefold()
        number = name.isascii() and name.isdigit() and len(name) <= DIGITS
        return SEVERITIES.get(name, int(name) if number else cell)
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _time(cell: Any, now: datetime) -> datetime | None:
    """A moment from ISO 8601 or a date; without a zone it is UTC."""
    if cell is None:
        return None
    try:
        found = datetime.fromisoformat(cell.isoformat() if isinstance(cell, date) else cell.strip())
    except (ValueError, AttributeError):
        raise InvalidRequest("decided_at is not a time such as 2026-11-22T09:00:00Z, nor a date") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found > now:
        raise InvalidRequest("decided_at lies in the future")
    return found
