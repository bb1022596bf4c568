"""The command line: scoring files, tokens, the queue, and one real service from start to restart."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from models import parse_report
from serving.accounts.auth import create_token, list_tokens
from serving.accounts.people import list_people
from serving.cli import app
from serving.settings import Settings
from serving.store import Store
from serving.up import SAMPLE, server_command

TEXTS = ["We will ambush you", "Your parcel waits", "good day"]


@pytest.fixture
def frontline(tmp_path: Path, keyword_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in an empty home; return what it prints."""
    monkeypatch.setenv("FRONTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRONTLINE_BUNDLE", str(keyword_bundle))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, status: int = 0, **options: Any) -> str:
        result = CliRunner().invoke(app, arguments, **options)
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    return run


def test_the_sample_reports_fit_the_contract() -> None:
    items = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    assert [warnings for _, warnings in map(parse_report, items)] == [[]] * len(items)
    assert len({item["report_id"] for item in items}) == len(items) == 40


def test_score_json_lines(frontline: Callable[..., str], tmp_path: Path) -> None:
    lines = [json.dumps({"report_id": f"r-{i}", "content": {"text": text}}) for i, text in enumerate(TEXTS)]
    lines[1:1] = ['{"report_id": "bad", "content": {"text": 3}}', "not json"]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    frontline("score", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"))
    first, bad, unreadable, second, third = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [row["report_id"] for row in (first, second, third)] == ["r-0", "r-1", "r-2"]
    assert (bad["report_id"], bad["error"]["code"]) == ("bad", "invalid_report")
    assert (unreadable["report_id"], unreadable["error"]["code"]) == ("3", "invalid_json")
    assert first["violation"]["probability"] > 0.9 > third["violation"]["probability"]
    piped = frontline("score", "-", input="\n".join(lines))
    assert [json.loads(line)["report_id"] for line in piped.splitlines()] == ["r-0", "bad", "3", "r-1", "r-2"]


def test_score_csv(frontline: Callable[..., str], tmp_path: Path) -> None:
    rows = "text,subject.prior_violations,reporter.is_target,exposure.views_per_hour,received_at\n"
    rows += '"We will, ambush\nyou",3,true,1.5,2026-11-22T09:00:00Z\ngood day,,,,\nhello,many,,,\n'
    (tmp_path / "in.csv").write_text(rows)
    threat, joke, bad = map(json.loads, frontline("score", str(tmp_path / "in.csv")).splitlines())
    assert [threat["report_id"], joke["report_id"], bad["report_id"]] == ["1", "2", "3"]
    assert threat["priority"]["due_at"] == "2026-11-22T13:00:00Z"
    assert bad["error"]["field"] == "subject.prior_violations"


def test_score_parquet(frontline: Callable[..., str], tmp_path: Path) -> None:
    columns = {
        "report_id": [7, 8, 9],
        "content.text": TEXTS,
        "subject.prior_violations": [3.0, None, float("nan")],
        "reporter": [{"is_target": True}, None, {"is_target": None}],
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    answers = [json.loads(line) for line in frontline("score", str(tmp_path / "in.parquet")).splitlines()]
    assert [answer["report_id"] for answer in answers] == ["7", "8", "9"]
    assert all("error" not in answer for answer in answers)


def test_files_that_cannot_be_read(frontline: Callable[..., str], tmp_path: Path) -> None:
    assert "there is no file" in frontline("score", str(tmp_path / "none.csv"), status=1)
    (tmp_path / "a.xlsx").touch()
    assert "is none of" in frontline("score", str(tmp_path / "a.xlsx"), status=1)


def test_no_mistake_overwrites_a_file(frontline: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    rows = "".join(json.dumps({"report_id": str(i), "content": {"text": text}}) + "\n" for i, text in enumerate(TEXTS))
    file.write_text(rows, "utf-8")
    frontline("score", str(tmp_path / "none.jsonl"), "-o", str(file), status=1)
    assert file.read_text("utf-8") == rows
    assert "another file" in frontline("score", str(file), "-o", str(file), status=2)
    assert file.read_text("utf-8") == rows


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FRONTLINE_PORT", "abc", "setting FRONTLINE_PORT: "),
        ("FRONTLINE_DATABASE_URL", "no address", "the store cannot be used"),
        ("FRONTLINE_DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/none", "the store cannot be used"),
    ],
)
def test_what_is_set_wrong_is_said_in_a_line(
    frontline: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert frontline("queue", status=1).startswith(said)


def test_a_folder_that_is_not_there(frontline: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n", "utf-8")
    said = frontline("score", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "none" / "out.jsonl"), status=1)
    assert said.startswith("No such file or directory: ")


def test_a_bad_row_stops_no_other(frontline: Callable[..., str], tmp_path: Path) -> None:
    def refused(rows: bytes) -> tuple[str, str, str]:
        (tmp_path / "in.csv").write_bytes(rows + b"\n")
        bad, good = map(json.loads, frontline("score", str(tmp_path / "in.csv")).splitlines())
        assert "error" not in good
        return bad["report_id"], bad["error"]["code"], bad["error"]["field"]

    assert refused(b"content,text\nx,hello\n,hello") == ("1", "invalid_report", "content")
    assert refused(b"text,subject,subject.id\nhello,x,u-1\nhello,,u-1") == ("1", "invalid_report", "subject")
    assert refused(b"text,subject.id,subject\nhello,u-1,x\nhello,u-1,") == ("1", "invalid_report", "subject")
    assert refused(b"report_id,text\nr-\xff,hello\nr-2,hello") == ("r-?", "invalid_report", "report_id")
    assert refused(b"text\nhell\xff\nhello") == ("1", "invalid_report", "content.text")
    digits = b"9" * 5000
    row = b"text,subject.prior_violations\nhello," + digits + b"\nhello,1"
    assert refused(row) == ("1", "invalid_report", "subject.prior_violations")


def test_a_cell_without_end(frontline: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'text\nhello\n"' + b"a" * (10**7 + 1) + b"\nhello\n")
    said = frontline("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.jsonl"), status=1)
    assert "missing_data: line 3 of in.csv makes a cell of more than 10,000,000 characters" in said
    assert "aaa" not in said
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1


def test_standard_input_that_is_not_utf_8(frontline: Callable[..., str]) -> None:
    lines = frontline("score", "-", input=b'{"content": {"text": "\xff"}}\n{"content": {"text": "hello"}}\n')
    bad, good = map(json.loads, lines.splitlines())
    assert bad["error"]["code"] == "invalid_json"
    assert good["report_id"] == "2"


def test_tracebacks_show_no_values() -> None:
    assert app.pretty_exceptions_show_locals is False


def test_tokens_and_queue(frontline: Callable[..., str]) -> None:
    frontline("migrate")
    assert frontline("token", "create", "reviewer", "--name", "[Ada]").startswith("fl_")
    listed = frontline("token", "list")
    assert "[Ada]" in listed
    (token_id,) = re.findall(r"[0-9a-f]{32}", listed)
    frontline("token", "revoke", token_id)
    assert "no unrevoked token" in frontline("token", "revoke", token_id, status=1)
    assert "the roles are" in frontline("token", "create", "root", status=1)
    assert "Next cases" in frontline("queue")


def test_up_says_that_the_port_is_taken(frontline: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("FRONTLINE_PORT", str(taken.getsockname()[1]))
        assert "FRONTLINE_PORT" in frontline("up", status=1)


def test_up_says_that_there_is_no_bundle(frontline: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTLINE_BUNDLE", "nowhere")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FRONTLINE_PORT", str(free.getsockname()[1]))
    assert "bundle_refused" in frontline("up", status=1)


def test_up_makes_no_secrets_that_nobody_sees(
    frontline: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FRONTLINE_PORT", str(free.getsockname()[1]))
    monkeypatch.setattr("serving.up.server_command", lambda _: ([sys.executable, "-c", "raise SystemExit(3)"], {}))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert "status 3" in frontline("up", status=1)
    store = Store(Settings(home=tmp_path / "home").store_url)
    assert (list_people(store), list_tokens(store)) == ([], [])
    store.close()


def test_two_services_share_no_folder(tmp_path: Path) -> None:
    first, second = (server_command(Settings(home=tmp_path / name))[1]["BENTOML_HOME"] for name in ("a", "b"))
    assert first != second


def call(address: str, token: str = "", body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=20) as response:
        content = response.read()
        return json.loads(content) if "json" in response.headers.get("Content-Type", "") else content.decode()


@contextmanager
def running(port: int, home: Path, bundle: Path) -> Iterator[str]:
    """`frontline up` until the block ends; gives what it printed when it was ready."""
    environment = {
        **os.environ,
        "FRONTLINE_HOME": str(home),
        "FRONTLINE_BUNDLE": str(bundle),
        "FRONTLINE_PORT": str(port),
        "COLUMNS": "200",
        "http_proxy": "http://127.0.0.1:9",
    }
    log = home.parent / f"up-{time.monotonic_ns()}.log"
    with log.open("w") as out:
        command = [sys.executable, "-c", "from serving.cli import app; app()", "up"]
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 90
        while "Ctrl-C stops" not in log.read_text() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
        assert "Ctrl-C stops" in log.read_text(), log.read_text()
        yield log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.slow
def test_the_real_service(tmp_path: Path, keyword_bundle: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    with running(port, tmp_path / "home", keyword_bundle) as printed:
        assert call(f"{base}/readyz") is not None
        assert re.search(r"reviewer\s+password\s+\S{16}", printed)
        store = Store(Settings(home=tmp_path / "home").store_url)
        tokens = {"reviewer": create_token(store, "reviewer", "reviewer")}
        store.close()
        tokens |= dict(re.findall(r"(intake)\s+token\s+(fl_\S+)", printed))
        texts = {"joke": "good day", "scam": "Your parcel waits", "threat": "parcel ambush: we will ambush you"}
        reports = [{"report_id": name, "content": {"text": text, "language": "en"}} for name, text in texts.items()]
        for report in reports:
            assert call(f"{base}/v1/reports", tokens["intake"], report)["report_id"] == report["report_id"]
        answer = call(f"{base}/v1/queue/claim", tokens["reviewer"], {"languages": ["en"]})
        assert answer["case"]["reports"][0]["report_id"] == "threat"
        decision = {
            "decision_id": "d-1",
            "case_id": answer["case"]["id"],
            "claim_id": answer["claim"]["id"],
            "token": answer["claim"]["token"],
            "content_version": 1,
            "outcome": "violation",
            "categories": ["violence_threat"],
        }
        assert call(f"{base}/v1/decisions", tokens["reviewer"], decision)["seq"] == 1
        for path in ("nowhere", "v1/reports/zeppelin"):
            with pytest.raises(urllib.error.HTTPError) as missing:
                call(f"{base}/{path}", tokens["intake"])
            assert json.loads(missing.value.read())["error"]["code"] == "not_found"
        metrics = call(f"{base}/metrics")
        counted = (
            'frontline_request_duration_seconds_count{method="GET",route="/v1/reports/{report_id}",status="404"} 1.0'
        )
        assert counted in metrics
        assert not re.search("nowhere|zeppelin|bentoml_service_request", metrics)
    with running(port, tmp_path / "home", keyword_bundle) as printed:
        assert "fl_" not in printed
        assert "password" not in printed
        assert call(f"{base}/v1/reports/threat", tokens["intake"])["status"] == "decided"
        assert call(f"{base}/v1/decisions", tokens["reviewer"], decision)["seq"] == 1
