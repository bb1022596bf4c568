"""Fetching the public sources: made-up files in each upstream format, lists of rows, downloads from a local server."""

import gzip
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
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
from training.fetch.mails import html_text, mail_text
from training.fetch.run import CONVERTERS, Fetched, fetch, fetch_all, report
from training.rows import digest, is_listed, listed, place, write_list
from training.sources import Source

COMMIT = "0" * 40
HTML = (
    b"<html><head><title>Kept out</title></head><body>One<br>two<p>A&nbsp; b<table><tr><td>c<td>d</table></body></html>"
)


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


def converted(name: str, files: Mapping[str, str]) -> list[dict[str, Any]]:
    return list(CONVERTERS[name]({path: text.encode() for path, text in files.items()}))


TABLES: list[tuple[str, dict[str, str], list[dict[str, Any]]]] = [
    (
        "ailuminate_en",
        {"p.csv": 'release_prompt_id,prompt_text,hazard,persona,locale\n1,"How, do\r\nI ",prv,skilled,en_US\n'},
        [{"text": "How, do\r\nI ", "labels": {"hazard": "prv", "persona": "skilled", "locale": "en_US"}}],
    ),
    (
        "covid_fake_news",
        {
            "data/Constraint_Train.csv": "id,tweet,label\n1, Wash your hands ,real\n",
            "data/Constraint_Val.csv": "id,tweet,label\n",
            "data/english_test_with_labels.csv": "id,tweet,label\n1,Tea cures it,fake\n",
        },
        [
            {"text": "Wash your hands", "labels": {"label": "real"}, "split": "train"},
            {"text": "Tea cures it", "labels": {"label": "fake"}, "split": "test"},
        ],
    ),
    (
        "davidson_hate_offensive",
        {"d.csv": ',count,hate_speech,offensive_language,neither,class,tweet\n0,3,0,1,2,2,"a\n""b"" &amp; c"\n'},
        [
            {
                "text": 'a\n"b" &amp; c',
                "labels": {"count": "3", "hate_speech": "0", "offensive_language": "1", "neither": "2", "class": "2"},
            }
        ],
    ),
    (
        "edos_sexism",
        {"e.csv": "text,label_sexist,label_category,label_vector,split\nNice hat,not sexist,none,none,dev\n"},
        [
            {
                "text": "Nice hat",
                "labels": {"label_sexist": "not sexist", "label_category": "none", "label_vector": "none"},
                "split": "dev",
            }
        ],
    ),
    (
        "ethos",
        {
            "Ethos_Dataset_Binary.csv": 'comment;isHate\nFine, thanks;0.0\n"Go; away";0.8\nAlone;1.0\n',
            "Ethos_Dataset_Multi_Label.csv": 'comment;violence;gender\n"Go; away";0.2;1\n',
        },
        [
            {"text": "Fine, thanks", "labels": {"isHate": "0.0"}},
            {"text": "Go; away", "labels": {"isHate": "0.8", "violence": "0.2", "gender": "1"}},
            {"text": "Alone", "labels": {"isHate": "1.0"}},
        ],
    ),
    (
        "germeval2018_german",
        {
            "germeval2018.training.txt": '"Guten Tag |LBR|\tOTHER\tOTHER\n',
            "germeval2018.test.txt": "Du Schnecke \tOFFENSE\tINSULT\r\n\n",
        },
        [
            {"text": '"Guten Tag |LBR|', "labels": {"coarse": "OTHER", "fine": "OTHER"}, "split": "train"},
            {"text": "Du Schnecke", "labels": {"coarse": "OFFENSE", "fine": "INSULT"}, "split": "test"},
        ],
    ),
    (
        "hatemoji_build",
        {
            "B/train.csv": "entry_id,text,type,target,set,split,label_gold\n1,a 🍅 ,none,['none'],original,train,0\n",
            "B/validation.csv": "text\n",
            "B/test.csv": "text\n",
        },
        [
            {
                "text": "a 🍅 ",
                "labels": {"label_gold": "0", "type": "none", "target": "['none']", "set": "original"},
                "split": "train",
            }
        ],
    ),
    (
        "implicit_hate",
        {
            "c/implicit_hate_v1_stg1_posts.tsv": 'post\tclass\n" a ""b"" "\tnot_hate\nsend them !\timplicit_hate\n',
            "c/implicit_hate_v1_stg2_posts.tsv": (
                "post\timplicit_class\textra_implicit_class\nSend them!\tincitement\t\n a b\tirony\t\n"
            ),
        },
        [
            {"text": ' a "b" ', "labels": {"class": "not_hate"}},
            {
                "text": "send them !",
                "labels": {"class": "implicit_hate", "implicit_class": "incitement", "extra_implicit_class": ""},
            },
        ],
    ),
    (
        "online_misogyny_reddit",
        {"f.csv": ",author,body,level_1,level_2,level_3,strength,split\n1,somebody,Hi there ,No,None,,,train\n"},
        [
            {
                "text": "Hi there ",
                "labels": {"level_1": "No", "level_2": "None", "level_3": "", "strength": ""},
                "split": "train",
            }
        ],
    ),
    (
        "openai_teen_safety_synthetic",
        {"datasets/dangerous-content.csv": "A notice\nPrompt,Grade,Answer,Grade\nMay I jump,DC1,No,DC0\nAlone,DC2\n"},
        [
            {"text": "May I jump", "labels": {"policy": "dangerous-content", "label": "DC1", "kind": "prompt"}},
            {"text": "No", "labels": {"policy": "dangerous-content", "label": "DC0", "kind": "response"}},
            {"text": "Alone", "labels": {"policy": "dangerous-content", "label": "DC2", "kind": "prompt"}},
        ],
    ),
    (
        "perspective_wikipedia_model_scores",
        {"p.csv": "id,comment_text,TOXICITY@6,SPAM\na,Good edit ,0.07,0.10\n"},
        [{"text": "Good edit", "labels": {"TOXICITY@6": "0.07", "SPAM": "0.10"}}],
    ),
    (
        "pyrit_harm_scores",
        {
            "h/privacy.csv": (
                "# version,,\nharm_category,objective,assistant_response,human_score_1,human_score_2\np,o,No,0.25,\n"
            ),
            "h/violence.csv": "# version,,\nharm_category,objective,assistant_response,human_score\nv,o,Never,0\n",
        },
        [
            {
                "text": "No",
                "labels": {"harm_category": "p", "file": "privacy", "human_scores": [0.25], "objective": "o"},
            },
            {
                "text": "Never",
                "labels": {"harm_category": "v", "file": "violence", "human_scores": [0.0], "objective": "o"},
            },
        ],
    ),
    (
        "sms_spam_smishing",
        {"d.csv": 'label,TEXT,URL,EMAIL,PHONE\nham,"\tSee you",No,No,No\n'},
        [{"text": "\tSee you", "labels": {"label": "ham", "URL": "No", "EMAIL": "No", "PHONE": "No"}}],
    ),
    (
        "surge_toxicity",
        {"t.csv": "\ufefftext,is_toxic\nHello,Not Toxic\n"},
        [{"text": "Hello", "labels": {"is_toxic": "Not Toxic"}}],
    ),
    (
        "stormfront_white_supremacy_forum",
        {
            "annotations_metadata.csv": (
                "file_id,user_id,subforum_id,num_contexts,label\n1_1,7,7,0,noHate\n1_2,7,7,2,noHate\n1_3,7,7,0,hate\n"
            ),
            "all_files/1_1.txt": "Good morning . ",
            "all_files/1_2.txt": "And you ?",
            "sampled_test/1_2.txt": "And you ?",
        },
        [
            {"text": "Good morning .", "labels": {"label": "noHate", "num_contexts": "0"}},
            {"text": "And you ?", "labels": {"label": "noHate", "num_contexts": "2"}, "split": "sampled_test"},
        ],
    ),
    (
        "toxigen_demonstrations",
        {
            "demonstrations/race/neutral_asian_sentences.txt": "they sing well \nthey cook\n\n",
            "prompts/hate_asian_1k.txt": "- they shout\\n- they cook\\n-\n- they shout\\n-\n",
        },
        [
            {"text": "they sing well", "labels": {"label": "neutral", "group": "asian"}},
            {"text": "they cook", "labels": {"label": "neutral", "group": "asian"}},
            {"text": "they shout", "labels": {"label": "hate", "group": "asian"}},
        ],
    ),
]


@pytest.mark.parametrize(("name", "files", "rows"), TABLES, ids=[name for name, _, _ in TABLES])
def test_conversion(name: str, files: dict[str, str], rows: list[dict[str, Any]]) -> None:
    assert converted(name, files) == rows


def test_conversion_of_json_lines() -> None:
    names = (
        "hd",
        "cv",
        "vo",
        "im",
        "ex",
        "rel",
        "rae",
        "sxo",
        "gen",
        "idl",
        "nat",
        "pol",
        "mph",
        "harm",
        "degradation",
    )
    columns = dict.fromkeys(names, 0)
    post = {"text_id": 1, "Text": "Good  day ", "purity": 1, **columns}
    files = {"d/dev.jsonl": json.dumps(post) + "\n", "d/test.jsonl": ""}
    assert converted("gab_hate_corpus", files) == [{"text": "Good  day ", "labels": columns, "split": "dev"}]


def test_conversion_of_two_samples() -> None:
    flags = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    files = {
        "samples/test_examples.csv": f"comment_text,{flags}\nthanks,0,0,0,0,0,0\n",
        "train.csv": f'"id","comment_text",{flags}\n"0","Well  said\n",0,0,0,0,1,0\n',
    }
    first, second = converted("jigsaw_toxic_sample", files)
    assert (first["text"], first["split"], set(first["labels"].values())) == ("thanks", "test_examples", {"0"})
    assert (second["text"], second["split"], second["labels"]["insult"]) == ("Well  said", "train", "1")


def test_mails() -> None:
    plain = b"Subject: Lunch\n  today\nContent-Type: text/plain\n\nSoup\n\n\n\nand bread\n"
    files = {"data/easy-ham-1/1.txt": plain}
    assert list(CONVERTERS["spamassassin_email"](files)) == [
        {"text": "Subject: Lunch today\n\nSoup\n\nand bread", "labels": {"group": "easy-ham-1"}}
    ]
    assert mail_text(b"Subject: A\nContent-Type: text/html\n\n" + HTML) == "Subject: A\n\nOne\ntwo\nA b\nc d"
    assert mail_text(b"Subject: A\n\n" + HTML).endswith("\n\nOne\ntwo\nA b\nc d")  # HTML that calls itself plain
    assert mail_text(b"Content-Type: text/plain; charset=made-up\n\ncaf\xe9") == "Subject: \n\ncafé"
    assert len(mail_text(b"Subject: A\n\n" + b"word " * 9999)) == 8000


def test_mails_of_several_parts() -> None:
    def mail(first: bytes) -> bytes:
        parts = [
            b"text/plain\n\n" + first,
            b"text/html\n\n<p>In HTML</p>",
            b"text/plain\nContent-Disposition: attachment\n\nx",
        ]
        body = b"".join(b"--=\nContent-Type: " + part + b"\n" for part in parts)
        return b'Subject: A\nContent-Type: multipart/mixed; boundary="="\n\n' + body + b"--=--\n"

    assert mail_text(mail(b"This is an HTML message.")) == "Subject: A\n\nIn HTML"
    assert mail_text(mail(b"What stands in the plain part, in full.....")).endswith("in full.....")


def test_html_is_cut_where_it_breaks_off() -> None:
    assert html_text("<p>Whole</p> and <a href=") == "Whole and"


def test_rows_find_their_places(tmp_path: Path) -> None:
    rows = [{"text": text, "labels": {"a": 1}} for text in ("x", "y", "x", "z")]
    assert write_list("made-up", rows, tmp_path) == 4
    hashes = listed("made-up", tmp_path)
    placed = place("made-up", hashes, [rows[3], rows[0], rows[0], rows[0], {**rows[1], "split": "test"}])
    assert [(row["id"], row["text"]) for row in placed.rows] == [
        ("made-up-0", "x"),
        ("made-up-2", "x"),
        ("made-up-3", "z"),
    ]
    assert (placed.dropped, placed.missing) == (2, 1)
    assert all(is_listed("made-up", hashes, row) for row in placed.rows)
    for wrong in ({"id": "made-up-1"}, {"id": "other-0"}, {"id": "made-up-9"}, {"id": "made-up-²"}, {"id": None}):
        assert not is_listed("made-up", hashes, {**placed.rows[0], **wrong})
    assert not is_listed("made-up", hashes, "no row")
    assert listed("unknown", tmp_path) == []


def test_a_row_is_known_whatever_the_order_of_its_keys() -> None:
    assert digest({"id": "1", "text": "é", "labels": {"a": 1, "b": 2}}) == digest(
        {"labels": {"b": 2, "a": 1}, "text": "é"}
    )
    assert digest({"text": "é", "labels": {}}) != digest({"text": "e", "labels": {}})


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
    rows = converted("surge_toxicity", {"x": "text,is_toxic\nBye,Toxic\nHello,Not Toxic\n"})
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
