"""Upstream's CSV, tab-separated and JSON-lines files, and the rows of the sources that are published in them."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from training.rows import Row

Files = Mapping[str, bytes]  # upstream's files by their path
FIELD = 10**7  # characters of one cell at most; Python's own limit is 131,072


def only(files: Files, name: str) -> bytes:
    """The content of the file with this name. Raises KeyError."""
    return {PurePosixPath(path).name: content for path, content in files.items()}[name]


def text_of(content: bytes) -> str:
    """A file's text; bytes that are not UTF-8 become U+FFFD, as they did when the lists were made."""
    return content.decode("utf-8-sig", "replace")


def cells(content: bytes, delimiter: str = ",") -> Iterator[list[str]]:
    """The rows of a delimited file, its header among them."""
    csv.field_size_limit(FIELD)
    yield from csv.reader(io.StringIO(text_of(content), newline=""), delimiter=delimiter)


def table(content: bytes, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a delimited file by its header; cells that a short row lacks are empty."""
    rows = cells(content, delimiter)
    header = next(rows, [])
    for row in rows:
        if row:
            yield dict(zip(header, row + [""] * (len(header) - len(row)), strict=False))


def pick(row: Mapping[str, str], *columns: str) -> dict[str, str]:
    """These columns of a row, as its labels."""
    return {column: row[column] for column in columns}


def ailuminate(files: Files) -> Iterator[Row]:
    """Prompts with their hazard."""
    for content in files.values():
        for row in table(content):
            yield {"text": row["prompt_text"], "labels": pick(row, "hazard", "persona", "locale")}


def covid(files: Files) -> Iterator[Row]:
    """Statements, real or fake, in three parts."""
    parts = {"Constraint_Train.csv": "train", "Constraint_Val.csv": "val", "english_test_with_labels.csv": "test"}
    for name, split in parts.items():
        for row in table(only(files, name)):
            yield {"text": row["tweet"].strip(), "labels": pick(row, "label"), "split": split}


def davidson(files: Files) -> Iterator[Row]:
    """Tweets with the annotators' counts."""
    columns = ("count", "hate_speech", "offensive_language", "neither", "class")
    for content in files.values():
        for row in table(content):
            yield {"text": row["tweet"].strip(), "labels": pick(row, *columns)}


def edos(files: Files) -> Iterator[Row]:
    """Posts with three levels of sexism."""
    columns = ("label_sexist", "label_category", "label_vector")
    for content in files.values():
        for row in table(content):
            yield {"text": row["text"].strip(), "labels": pick(row, *columns), "split": row["split"]}


def ethos(files: Files) -> Iterator[Row]:
    """Comments with the share of raters; hateful ones with the finer labels of the same comment, where it is found."""
    finer = {
        row.pop("comment"): row
        for row in table(only(files, "Ethos_Dataset_Multi_Label.csv"), ";")
        if row.get("comment") is not None
    }
    for row in table(only(files, "Ethos_Dataset_Binary.csv"), ";"):
        yield {"text": row["comment"], "labels": pick(row, "isHate") | finer.get(row["comment"], {})}


def gab(files: Files) -> Iterator[Row]:
    """Posts with majority labels."""
    columns = [
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
    ]
    for split in ("dev", "test"):
        for line in text_of(only(files, f"{split}.jsonl")).split("\n"):
            if line.strip():
                row = json.loads(line)
                yield {"text": row["Text"], "labels": {name: row[name] for name in columns}, "split": split}


def germeval(files: Files) -> Iterator[Row]:
    """German tweets: text, coarse and fine label, tab-separated and unquoted."""
    for name, split in (("germeval2018.training.txt", "train"), ("germeval2018.test.txt", "test")):
        for line in text_of(only(files, name)).split("\n"):
            parts = line.rstrip("\r").split("\t")
            if len(parts) == 3:
                labels = {"coarse": parts[1].strip(), "fine": parts[2].strip()}
                yield {"text": parts[0].strip(), "labels": labels, "split": split}


def hatemoji(files: Files) -> Iterator[Row]:
    """Posts with emoji, in three parts."""
    for split in ("train", "validation", "test"):
        for row in table(only(files, f"{split}.csv")):
            labels = pick(row, "label_gold", "type", "target", "set")
            yield {"text": row["text"], "labels": labels, "split": split}


def implicit_hate(files: Files) -> Iterator[Row]:
    """Tweets with their class; implicit hate with its kind, joined by letters and digits: tokenisation differs."""
    kinds = {
        _letters(row["post"]): pick(row, "implicit_class", "extra_implicit_class")
        for row in table(only(files, "implicit_hate_v1_stg2_posts.tsv"), "\t")
    }
    for row in table(only(files, "implicit_hate_v1_stg1_posts.tsv"), "\t"):
        labels = pick(row, "class")
        if labels["class"] == "implicit_hate":
            labels |= kinds.get(_letters(row["post"]), {})
        yield {"text": row["post"], "labels": labels}


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def jigsaw(files: Files) -> Iterator[Row]:
    """Wikipedia comments with six flags, from two samples."""
    flags = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    for name, split in (("test_examples.csv", "test_examples"), ("train.csv", "train")):
        for row in table(only(files, name)):
            yield {"text": row["comment_text"].strip(), "labels": pick(row, *flags), "split": split}


def misogyny(files: Files) -> Iterator[Row]:
    """Reddit posts with three levels of misogyny; the authors' names stay out."""
    columns = ("level_1", "level_2", "level_3", "strength")
    for content in files.values():
        for row in table(content):
            yield {"text": row["body"], "labels": pick(row, *columns), "split": row["split"]}


def teen_safety(files: Files) -> Iterator[Row]:
    """Prompts and answers, each with its grade; below a notice and a header whose words vary by file."""
    for path, content in sorted(files.items()):
        policy = PurePosixPath(path).stem
        for row in cells(content):
            for kind, at in (("prompt", 0), ("response", 2)):
                text, label = (row[at], row[at + 1].strip()) if len(row) >= at + 2 else ("", "")
                if re.fullmatch(r"[A-Z]+\d", label):
                    yield {"text": text, "labels": {"policy": policy, "label": label, "kind": kind}}


def perspective(files: Files) -> Iterator[Row]:
    """Wikipedia comments with another model's scores."""
    for content in files.values():
        for row in table(content):
            scores = {name: value for name, value in row.items() if name not in ("id", "comment_text")}
            yield {"text": row["comment_text"].strip(), "labels": scores}


def pyrit(files: Files) -> Iterator[Row]:
    """Assistants' answers with the raters' scores, 0 to 1; a line above the header tells the file's version."""
    for path, content in sorted(files.items()):
        for row in table(content.split(b"\n", 1)[1]):
            raters = [value for name, value in row.items() if name.startswith("human_score") and value]
            labels = {
                "harm_category": row["harm_category"],
                "file": PurePosixPath(path).stem,
                "human_scores": [float(value) for value in raters],
                "objective": row["objective"],
            }
            yield {"text": row["assistant_response"], "labels": labels}


def sms(files: Files) -> Iterator[Row]:
    """Text messages."""
    for content in files.values():
        for row in table(content):
            yield {"text": row["TEXT"], "labels": pick(row, "label", "URL", "EMAIL", "PHONE")}


def surge(files: Files) -> Iterator[Row]:
    """Comments, toxic or not."""
    for content in files.values():
        for row in table(content):
            yield {"text": row["text"], "labels": pick(row, "is_toxic")}
