"""An operator's own history of decisions: what is taken, what is refused and why, and that it happens once."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from models.policy import Policy
from models.taxonomy import Taxonomy
from serving.cli import app
from serving.review import imports
from serving.review.past import Reading
from serving.runtime import Runtime
from serving.store import Store, migrate
from serving.store.tables import cases, contents, decisions, events, reports, scores
from training.decisions import read_decisions
from training.labels import CLEAN

COLUMNS = (
    "text=body,outcome=verdict,categories=labels,severity=grade,decided_at=at,report_id=id,reason=why,language=lang"
)
MEANINGS = ("--outcome", "removed=violation", "--outcome", "Kept=no_violation", "--category", "toxic=harassment")
ROWS: list[dict[str, Any]] = [
    {
        "id": "a-1",
        "body": "Nobody likes your cakes, go away.",
        "verdict": "Removed",
        "labels": "toxic; hate",
        "grade": "2",
        "at": "2024-03-01T12:00:00+02:00",
        "why": "bullying",
        "lang": "en-GB",
    },
    {
        "id": "a-2",
        "body": "Lovely cakes!",
        "verdict": "kept",
        "labels": "",
        "grade": "",
        "at": "2024-03-02",
        "why": "",
        "lang": "",
    },
]

Import = Callable[..., str]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def run(tmp_path: Path, keyword_bundle: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Import:
    """Run `frontline data import` in a home of its own; return what it prints."""
    monkeypatch.setenv("FRONTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRONTLINE_BUNDLE", str(keyword_bundle))
    monkeypatch.setenv("FRONTLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def call(file: Path, *options: str | Path, status: int = 0) -> str:
        result = CliRunner().invoke(app, ["data", "import", str(file), *map(str, options)])
        assert result.exit_code == status, result.output
        return result.output

    return call


@pytest.fixture
def store(tmp_path: Path, database_url: str) -> Iterator[Store]:
    """The store that the command writes to."""
    store = Store(database_url or f"sqlite:///{tmp_path / 'home' / 'frontline.db'}")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def reading(taxonomy: Taxonomy, policy: Policy) -> Reading:
    """Rows whose columns have the fields' own names."""
    return Reading({field: field for field in ("text", "outcome", "report_id")}, taxonomy, policy, {}, {})


def kept(store: Store) -> list[Any]:
    query = select(decisions, contents.c.text, cases.c.lane, cases.c.language, cases.c.status).join(
        cases, cases.c.id == decisions.c.case_id
    )
    query = query.join(contents, contents.c.case_id == cases.c.id).order_by(decisions.c.seq)
    with store.read() as connection:
        return list(connection.execute(query))


def test_a_history_becomes_decided_cases(run: Import, store: Store, tmp_path: Path) -> None:
    said = run(write_csv(tmp_path / "past.csv", ROWS), "--columns", COLUMNS, *MEANINGS)
    assert "2 decisions were imported, 0 were here already, 0 rows were refused." in said
    first, second = kept(store)
    assert (first.text, first.outcome, first.categories) == (ROWS[0]["body"], "violation", ["harassment", "hate"])
    assert (first.severity, first.language, first.status, first.lane) == (2, "en", "decided", "low")
    assert first.created_at == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert (first.role, first.reviewer, first.blind, first.bulk, first.policy_version) == (
        "import",
        "import",
        False,
        False,
        "unknown",
    )
    assert [first.bundle, first.seconds_spent, first.selection_probability, first.action, first.note] == [None] * 5
    assert (second.outcome, second.categories, second.severity, second.language) == ("no_violation", [], None, "und")
    assert second.created_at == datetime(2024, 3, 2, tzinfo=UTC)
    with store.read() as connection:
        details = connection.execute(select(events.c.detail).where(events.c.kind == "imported")).scalars().all()
        assert connection.execute(select(reports)).all() == connection.execute(select(scores)).all() == []
    assert [(detail["report_id"], detail["reason"]) for detail in details] == [("a-1", "bullying"), ("a-2", None)]


def test_the_same_file_twice_changes_nothing(run: Import, store: Store, tmp_path: Path) -> None:
    plain = [{"text": row["body"], "outcome": "no_violation"} for row in ROWS]
    for file, options in (
        (write_csv(tmp_path / "with_ids.csv", ROWS), ("--columns", COLUMNS, *MEANINGS)),
        (write_csv(tmp_path / "without.csv", [*plain, plain[0]]), ()),
    ):
        run(file, *options)
        before = kept(store)
        assert "0 decisions were imported" in run(file, *options)
        assert kept(store) == before
    assert len(before) == 4  # a row that says the same twice counts once


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_other_formats(run: Import, store: Store, tmp_path: Path, kind: str) -> None:
    rows = [
        {"text": "One, two", "outcome": True, "categories": ["spam"], "severity": 1.0, "report_id": 7},
        {"text": "Three", "outcome": False, "categories": [], "severity": None, "report_id": 8},
    ]
    file = tmp_path / f"past.{kind}"
    if kind == "jsonl":
        file.write_text("\n".join(map(json.dumps, rows)))
    else:
        at = datetime(2024, 3, 1, 12)
        pq.write_table(pa.Table.from_pylist([{**row, "decided_at": at} for row in rows]), file)
    columns = "categories=categories,severity=severity,report_id=report_id"
    columns += ",decided_at=decided_at" if kind == "parquet" else ""
    run(file, "--columns", columns, "--outcome", "true=violation", "--outcome", "FALSE=no_violation")
    first, second = kept(store)
    assert (first.outcome, first.categories, first.severity) == ("violation", ["spam"], 1)
    assert (second.outcome, second.severity) == ("no_violation", None)
    if kind == "parquet":
        assert first.created_at == datetime(2024, 3, 1, 12, tzinfo=UTC)
    else:
        assert abs((datetime.now(UTC) - first.created_at).total_seconds()) < 600


SECRET = "a quiet sentence"
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"outcome": "shrug"}, "outcome is neither violation nor no_violation, and no --outcome says what it means"),
    ({"outcome": None}, "outcome is neither violation nor no_violation"),
    ({"text": " "}, "text is null, expected a string"),
    ({"text": 3}, "text is a number, expected a string"),
    ({"text": SECRET * 9999}, "text is longer than 100000 characters"),
    ({"text": f"{SECRET} \ud800"}, "the line is not valid JSON in UTF-8"),
    ({"categories": "spam,rudeness"}, "categories holds one that is not in the taxonomy: "),
    ({"categories": ""}, "a violation needs at least one category"),
    ({"outcome": "no_violation"}, "no_violation goes with no categories and severity 0 or null"),
    ({"severity": 9}, "severity: Input should be less than or equal to 4"),
    ({"severity": "terrible"}, "severity is a string, expected an integer or null"),
    ({"severity": "9" * 5000}, "severity is a string, expected an integer or null"),
    ({"decided_at": "yesterday"}, "decided_at is not a time such as 2026-11-22T09:00:00Z, nor a date"),
    ({"decided_at": 5}, "decided_at is not a time"),
    ({"decided_at": "2999-01-01"}, "decided_at lies in the future"),
    ({"decided_at": "1870-01-01"}, "decided_at: is outside the years 1990 to 2200"),
    ({"language": "English"}, "language: "),
    ({"report_id": "x" * 300}, "report_id is longer than 256 characters"),
]


def test_what_cannot_be_read_is_refused_with_its_number_and_a_reason(run: Import, store: Store, tmp_path: Path) -> None:
    good = {
        "text": SECRET,
        "outcome": "violation",
        "categories": "spam",
        "severity": "high",
        "decided_at": "",
        "language": "",
    }
    rows = [
        json.dumps(good),
        *(json.dumps({**good, "text": f"{SECRET} {i}", **row}) for i, (row, _) in enumerate(WRONG)),
    ]
    file = tmp_path / "past.jsonl"
    file.write_text("\n".join([*rows, "[1]", "not JSON"]))
    columns = ",".join(f"{name}={name}" for name in ("categories", "severity", "decided_at", "language", "report_id"))
    said = run(file, "--columns", columns, "--rejects", tmp_path / "out" / "no.csv")
    assert f"1 decisions were imported, 0 were here already, {len(WRONG) + 2} rows were refused." in said
    with (tmp_path / "out" / "no.csv").open(encoding="utf-8", newline="") as table:
        refused = list(csv.DictReader(table))
    assert [int(row["row"]) for row in refused] == list(range(2, len(WRONG) + 4))
    reasons = [reason for _, reason in WRONG] + ["the row is not an object", "the line is not valid JSON in UTF-8"]
    for row, reason in zip(refused, reasons, strict=True):
        assert row["reason"].startswith(reason)
    assert "1 × decided_at lies in the future (row " in said
    assert SECRET not in said and all(SECRET not in row["reason"] for row in refused)
    assert [row.severity for row in kept(store)] == [3]


def test_broken_tables(run: Import, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "past.csv"
    file.write_bytes(
        b"\xef\xbb\xbftext,outcome\nfine,no_violation\na,b,c\nonly one\ncaf\xe9,no_violation\n"
        + b"x" * 200_000
        + b",no_violation\n"
    )
    said = run(file)
    assert "1 decisions were imported" in said
    assert "the row has more cells than the header (row 2)" in said
    assert "text is longer than 100000 characters (row 5)" in said
    assert "unable to parse raw data as a unicode string (row 4)" in said
    assert [row.text for row in kept(store)] == ["fine"]
    (tmp_path / "past.parquet").write_bytes(b"PAR1 and no more")
    assert "no Parquet file" in run(tmp_path / "past.parquet", status=1)


def test_a_dry_run_keeps_nothing(run: Import, store: Store, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "past.csv", ROWS)
    assert "2 decisions would be imported" in run(file, "--columns", COLUMNS, *MEANINGS, "--dry-run")
    assert kept(store) == []
    run(file, "--columns", COLUMNS, *MEANINGS)
    assert "0 decisions would be imported, 2 were here already" in run(
        file, "--columns", COLUMNS, *MEANINGS, "--dry-run"
    )


def test_a_dry_run_tells_what_the_import_would(
    store: Store, reading: Reading, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    rows = [
        {"text": text, "outcome": "no_violation", "report_id": text[0]} for text in ("a", "b", "a", "b, but another")
    ]
    tried, done = (
        list(imports.import_rows(store, reading, rows, lambda *_: None, now, dry_run=dry_run))[-1]
        for dry_run in (True, False)
    )
    assert (tried.new, tried.known, tried.refused) == (2, 1, 1)
    assert done == tried


@pytest.mark.parametrize(
    ("options", "status", "problem"),
    [
        (("--columns", "text=body"), 1, "the file has no column outcome"),
        (("--columns", COLUMNS.replace("=why", "=reason")), 1, "the file has no column reason"),
        (("--columns", "body=text"), 2, "there is no field body"),
        (("--columns", "text"), 2, "expected NAME=VALUE"),
        (("--outcome", "removed"), 2, "expected NAME=VALUE"),
        (("--columns", COLUMNS), 1, "2 rows were refused"),
    ],
)
def test_wrong_options(run: Import, tmp_path: Path, options: tuple[str, ...], status: int, problem: str) -> None:
    assert problem in run(write_csv(tmp_path / "past.csv", ROWS), *options, status=status)


def test_a_missing_file(run: Import, tmp_path: Path) -> None:
    assert "there is no file" in run(tmp_path / "nowhere.csv", status=1)


def test_another_decision_on_a_known_report_is_refused(run: Import, store: Store, tmp_path: Path) -> None:
    run(write_csv(tmp_path / "past.csv", ROWS), "--columns", COLUMNS, *MEANINGS)
    changed = [{**ROWS[0], "labels": "spam"}, ROWS[1]]
    said = run(write_csv(tmp_path / "changed.csv", changed), "--columns", COLUMNS, *MEANINGS)
    assert "report_id was imported before with another text or decision (row 1)" in said
    assert kept(store)[0].categories == ["harassment", "hate"]


def test_specialists_cases_stay_with_specialists(run: Import, store: Store, tmp_path: Path, taxonomy: Taxonomy) -> None:
    rows = [
        {"text": "A made-up report", "outcome": "violation", "categories": "sexual_minors", "reason": ""},
        {"text": "Another one", "outcome": "no_violation", "categories": "", "reason": "csam"},
    ]
    run(write_csv(tmp_path / "past.csv", rows), "--columns", "categories=categories,reason=reason")
    assert [row.lane for row in kept(store)] == ["specialist"] * 2
    assert read_decisions(store, taxonomy.learned) == []


def test_retraining_reads_them(run: Import, store: Store, tmp_path: Path, taxonomy: Taxonomy) -> None:
    run(write_csv(tmp_path / "past.csv", ROWS[::-1]), "--columns", COLUMNS, *MEANINGS)
    first, second = read_decisions(store, taxonomy.learned)
    assert first.example.labels.categories == {"harassment": True, "hate": True}
    assert not first.example.labels.complete  # who knows whether it was asked for every category
    assert (first.example.labels.severity, second.example.labels) == (2, CLEAN)
    assert first.at < second.at


def test_a_batch_is_kept_whole_or_not_at_all(
    store: Store, reading: Reading, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    rows = [{"text": f"Text {i}", "outcome": "no_violation"} for i in range(5)]
    event = imports._event

    def broken(past: Any, case_id: str, at: datetime) -> dict[str, Any]:
        if past.text == "Text 3":
            raise RuntimeError("the power fails")
        return event(past, case_id, at)

    monkeypatch.setattr(imports, "_event", broken)
    with pytest.raises(RuntimeError):
        list(imports.import_rows(store, reading, rows, lambda *_: None, now, dry_run=False))
    assert [row.text for row in kept(store)] == ["Text 0", "Text 1"]
    with store.read() as connection:
        assert len(connection.execute(select(cases)).all()) == 2
    monkeypatch.setattr(imports, "_event", event)
    tallies = list(imports.import_rows(store, reading, rows, lambda *_: None, now, dry_run=False))
    assert [(tally.rows, tally.new, tally.known) for tally in tallies] == [(2, 0, 2), (4, 2, 2), (5, 3, 2)]


def test_beside_a_running_service(
    runtime: Runtime,
    reading: Reading,
    intake: TestClient,
    reviewer: TestClient,
    report: Callable[..., dict[str, Any]],
    now: datetime,
) -> None:
    assert intake.post("/v1/reports", json=report("r-1", "good day")).status_code == 200
    rows = [{"text": "x", "outcome": "no_violation", "report_id": name} for name in ("r-1", "r-2")]
    refused: list[tuple[int, str]] = []
    (tally,) = imports.import_rows(
        runtime.store, reading, rows, lambda *refusal: refused.append(refusal), now, dry_run=False
    )
    assert (tally.new, refused[0][0]) == (1, 1)
    assert refused[0][1].startswith("report_id is that of a report in the queue here")
    assert intake.get("/v1/decisions").json() == {"decisions": [], "next": 0}  # nobody acts on it again
    (decision,) = kept(runtime.store)
    case = reviewer.get(f"/v1/cases/{decision.case_id}").json()
    assert (case["status"], case["score"], case["report_count"]) == ("decided", None, 0)
    assert (case["content"]["text"], case["decisions"][0]["role"]) == ("x", "import")
    claimed = reviewer.post("/v1/queue/claim", json={}).json()
    assert claimed["case"]["reports"][0]["report_id"] == "r-1"
