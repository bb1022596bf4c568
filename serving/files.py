"""Scoring a file of reports: JSON lines, CSV or Parquet in, one JSON line per row out, in order."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from models import MissingData, Report, Scorer
from serving.errors import InvalidJson
from serving.queue.intake import Rejected, score
from serving.schemas import ErrorDetail, ItemError

JSON_LINES = (".jsonl", ".ndjson", ".json")
FIELD = 10**7  # characters of a cell at most: Python's own limit is below that of a text, which has an error of its own


def score_rows(scorer: Scorer, rows: Iterator[object]) -> Iterator[str]:
    """A line for each row: its score, or what is wrong with it."""
    now = datetime.now(UTC)
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            row = {"report_id": str(number), **row}
        result = Rejected(None, row) if isinstance(row, InvalidJson) else score(scorer, row, now)
        if isinstance(result, Rejected):
            detail = ErrorDetail.model_validate(result.error.as_dict())
            report_id = result.report_id or str(number)
            yield ItemError(report_id=report_id, error=detail).model_dump_json()
        else:
            yield result.score.model_dump_json()


def read_rows(path: Path) -> Iterator[object]:
    """The rows of a file as report objects. Raises MissingData if it cannot be read."""
    for record in read_records(path):
        yield _unflatten(record) if is_table(path) and isinstance(record, dict) else record


def is_table(path: Path) -> bool:
    """Whether all rows of a file have the same columns."""
    return path.suffix not in JSON_LINES


def read_records(path: Path) -> Iterator[object]:
    """The rows of a file by its suffix, as they are. Raises MissingData if it cannot be read."""
    if not path.is_file():
        raise MissingData(f"there is no file {path}")
    if path.suffix == ".csv":
        yield from _csv(path)
    elif path.suffix == ".parquet":
        yield from _parquet(path)
    elif path.suffix in JSON_LINES:
        with path.open("rb") as file:
            yield from json_lines(file)
    else:
        raise MissingData(f"{path.name} is none of {', '.join(JSON_LINES)}, .csv and .parquet")


def json_lines(file: BinaryIO) -> Iterator[object]:
    """A value per line that is not blank; an InvalidJson stands for one that cannot be read."""
    for line in file:
        if line.strip():
            try:
                yield from_json(line, allow_inf_nan=False)
            except ValueError:
                yield InvalidJson("the line is not valid JSON in UTF-8")


def _csv(path: Path) -> Iterator[object]:
    csv.field_size_limit(FIELD)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file)
        try:
            yield from rows
        except csv.Error:  # where the next row begins is not known any more
            raise MissingData(
                f"line {rows.reader.line_num} of {path.name} makes a cell of more than {FIELD:,} characters; "
                "perhaps a quotation mark before it is never closed"
            ) from None


def _parquet(path: Path) -> Iterator[object]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingData("reading Parquet needs pyarrow: pip install 'frontline[parquet]'") from None
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    except (OSError, ValueError):
        raise MissingData(f"{path.name} is no Parquet file, or a damaged one") from None


def _unflatten(row: Mapping[str | None, Any]) -> dict[str, Any]:
    """A flat row as a report: dotted names nest, `text` means content.text, empty cells are absent."""
    report: dict[str, Any] = {"content": {}}
    for name, cell in row.items():
        if name is None or cell is None or cell == "" or cell != cell:  # NaN is not itself
            continue
        *parents, last = ("content.text" if name == "text" else name).split(".")
        inner = report
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):  # as with `subject` beside `subject.id`: the check names it
                break
        else:
            inner[last] = _typed([*parents, last], cell)
    return report


def _typed(names: list[str], cell: Any) -> Any:
    """A cell as the type that the contract has there; what does not fit stays, for the check to name it."""
    annotation = _annotation(Report, names)
    if isinstance(cell, datetime):
        return cell.isoformat()
    if annotation is None or isinstance(cell, (list, dict)):
        return cell
    plain = {get_args(part)[0] if get_origin(part) is Annotated else part for part in get_args(annotation)}
    if not plain & {int, float, bool}:
        return str(cell)
    try:
        return TypeAdapter(annotation).validate_python(cell)
    except ValidationError:
        return cell


def _annotation(model: type[BaseModel], names: list[str]) -> Any:
    field = model.model_fields.get(names[0])
    if field is None or len(names) == 1:
        return field and field.annotation
    inner = field.annotation
    return _annotation(inner, names[1:]) if isinstance(inner, type) and issubclass(inner, BaseModel) else None
