"""Fetching the public sources: downloads from a local server, archives, and what a fetch skips, refuses and says."""

import gzip
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console
from typer.testing import CliRunner

from models.errors import MissingData
from serving.cli import app
from training.fetch import download as downloads
from training.fetch.download import addresses, download, files_of
from training.fetch.run import CONVERTERS, Fetched, fetch, fetch_all, report
from training.rows import write_list
from training.sources import Source

COMMIT = "0" * 40


def ignore(done: int, of: int | None) -> None:
    """Nobody looks at the bar."""


@pytest.fixture
def make_source() -> Callable[..., Source]:
    """A source with these fields; the others are made up."""

    def make(**fields: Any) -> Source:
        rest = dict.fromkeys(
            ("title", "licence", "licence_class", "citation", "language", "asks", "problems", "use"), "x"
        )
        base = {
            "name": "surge_toxicity",
            "address": f"https://github.com/a/b/tree/{COMMIT}",
            "rows": 2,
            "sha256": "0" * 64,
        }
        return Source(**{**rest, **base, "files": ["comments.csv"], **fields})

    return make


def archive(kind: str) -> bytes:
    target = io.BytesIO()
    files = {"top/data/a.csv": b"text,is_toxic\nHello,Not Toxic\n", "top/data/b.md": b"no"}
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as packed:
            for path, content in files.items():
                packed.writestr(path.removeprefix("top/"), content)
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for path, content in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            folder = tarfile.TarInfo("top/data/folder.csv")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
    return target.getvalue()


def test_addresses(make_source: Callable[..., Source]) -> None:
    source = make_source(
        files=["data/x.csv", "texts/*.txt", "https://example.org/p/y.whl#z/*.csv", "https://example.org/q/w.csv"]
    )
    assert list(addresses(source)) == [
        (f"https://raw.githubusercontent.com/a/b/{COMMIT}/data/x.csv", "data/x.csv"),
        (f"https://codeload.github.com/a/b/tar.gz/{COMMIT}", "texts/*.txt"),
        ("https://example.org/p/y.whl", "z/*.csv"),
        ("https://example.org/q/w.csv", "w.csv"),
    ]
    with pytest.raises(MissingData, match="no commit on GitHub"):
        list(addresses(make_source(address="PyPI made-up 1.0", files=["x.csv"])))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_opened(make_source: Callable[..., Source], tmp_path: Path, kind: str) -> None:
    (tmp_path / "surge_toxicity").mkdir()
    (tmp_path / "surge_toxicity" / "x.pack").write_bytes(archive(kind))
    source = make_source(files=["https://example.org/x.pack#data/*.csv"])
    assert files_of(source, tmp_path, ignore) == {"data/a.csv": b"text,is_toxic\nHello,Not Toxic\n"}
    for damaged in (b"PK and no more", b"\x1f\x8b and no more", archive(kind)[:60]):
        (tmp_path / "surge_toxicity" / "x.pack").write_bytes(damaged)
        with pytest.raises(MissingData, match="no archive, or a damaged one"):
            files_of(source, tmp_path, ignore)


class Upstream(BaseHTTPRequestHandler):
    """Answers with the statuses in line, the last one for ever."""

    statuses: ClassVar[list[int]] = []
    asked = 0

    def do_GET(self) -> None:
        cls = type(self)
        cls.asked += 1
        status = cls.statuses.pop(0) if len(cls.statuses) > 1 else cls.statuses[0]
        body = b"text,is_toxic\n" * 10
        self.send_response(200 if status == 206 else status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: 5 if status == 206 else None])  # 206 stands for a connection that breaks off

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server's address."""
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setattr(Upstream, "asked", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/x.csv"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("statuses", [[200], [503, 206, 200], [429, 200]])
def test_download(upstream: str, monkeypatch: pytest.MonkeyPatch, statuses: list[int]) -> None:
    seen: list[tuple[int, int | None]] = []
    monkeypatch.setattr(Upstream, "statuses", [*statuses])
    assert download(upstream, lambda done, of: seen.append((done, of))) == b"text,is_toxic\n" * 10
    assert (seen[-1], Upstream.asked) == ((140, 140), len(statuses))


@pytest.mark.parametrize(("statuses", "asked", "problem"), [([404], 1, "answers 404"), ([500], 3, "answers 500")])
def test_a_download_that_fails(
    upstream: str, monkeypatch: pytest.MonkeyPatch, statuses: list[int], asked: int, problem: str
) -> None:
    monkeypatch.setattr(Upstream, "statuses", statuses)
    with pytest.raises(MissingData, match=rf"cannot be downloaded: .*{problem}; --from takes a file"):
        download(upstream, ignore)
    assert Upstream.asked == asked


def test_a_download_without_a_server_and_one_too_large(upstream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Upstream, "statuses", [200])
    monkeypatch.setattr(downloads, "LIMIT", 100)
    with pytest.raises(MissingData, match="sends more than"):
        download(upstream, ignore)
    with pytest.raises(MissingData, match="cannot be downloaded"):
        download("http://127.0.0.1:9/x.csv", ignore)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Upstream's file, come by other means; it has a third row that is not listed."""
    folder = tmp_path / "given" / "surge_toxicity"
    folder.mkdir(parents=True)
    (folder / "comments.csv").write_text("text,is_toxic\nHello,Not Toxic\nNew here?,Not Toxic\nBye,Toxic\n")
    return tmp_path / "given"


def test_fetch(make_source: Callable[..., Source], given: Path, tmp_path: Path) -> None:
    source, out, lists = make_source(), tmp_path / "out", tmp_path / "lists"
    out.mkdir()
    rows = list(CONVERTERS["surge_toxicity"]({"x": b"text,is_toxic\nBye,Toxic\nHello,Not Toxic\n"}))
    write_list(source.name, rows, lists)
    assert fetch(source, out, given, ignore, lists) == Fetched(source.name, 2, 2, 1, "complete")
    with gzip.open(source.file(out), "rt", encoding="utf-8") as lines:
        assert [json.loads(line) for line in lines] == [
            {"id": "surge_toxicity-0", **rows[0]},
            {"id": "surge_toxicity-1", **rows[1]},
        ]
    first = source.file(out).read_bytes()
    assert fetch(source, out, given, ignore, lists).found == 2
    assert source.file(out).read_bytes() == first  # the same bytes again
    assert [file.name for file in out.iterdir()] == ["surge_toxicity.jsonl.gz"]

    write_list(source.name, [*rows, {"text": "Gone", "labels": {}}], lists)
    partial = fetch(source, out, given, ignore, lists)
    assert (partial.found, partial.missing, partial.note) == (2, 1, "rows are missing; training takes the others")


def test_what_is_right_is_skipped(make_source: Callable[..., Source], tmp_path: Path) -> None:
    from models.bundle import sha256

    file = tmp_path / "surge_toxicity.jsonl.gz"
    file.write_bytes(b"as listed")
    assert fetch(make_source(sha256=sha256(file)), tmp_path, None, ignore).note == "was there"


def test_another_format_or_another_file_is_said_and_nothing_is_written(
    make_source: Callable[..., Source], given: Path, tmp_path: Path
) -> None:
    source = make_source()
    found = fetch(source, tmp_path, given, ignore)
    assert (found.found, found.dropped) == (0, 3)
    assert "not those that were listed" in found.note
    (given / source.name / "comments.csv").write_text("other,columns\n1,2\n")
    assert "another format" in fetch(source, tmp_path, given, ignore).note
    assert not source.file(tmp_path).exists()


def test_one_that_fails_leaves_the_others_alone(
    make_source: Callable[..., Source], given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(address: str, advance: object) -> bytes:
        raise MissingData(f"{address} cannot be downloaded")

    monkeypatch.setattr(downloads, "download", offline)
    console = Console(file=io.StringIO(), width=200)
    results = fetch_all([make_source(name="edos_sexism"), make_source()], tmp_path / "out", given, console)
    assert ["cannot be downloaded" in result.note for result in results] == [True, False]
    console.print(report(results))
    assert "surge_toxicity" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_command(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FRONTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FRONTLINE_DATA", raising=False)
    (given / "surge_toxicity" / "comments.csv").rename(given / "surge_toxicity" / "toxicity_en.csv")
    result = CliRunner().invoke(app, ["data", "fetch", "surge_toxicity", "--from", str(given)])
    assert result.exit_code == 1  # made-up rows are not listed
    assert "surge_toxicity" in result.stdout and "1,000" in result.stdout
    unknown = CliRunner().invoke(app, ["data", "fetch", "nowhere"])
    assert (unknown.exit_code, "lists no source nowhere" in unknown.stderr) == (1, True)
    assert "Each row is checked against the shipped list" in CliRunner().invoke(app, ["data", "fetch", "--help"]).stdout
