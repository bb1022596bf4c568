"""The suites: which columns their published files have, and what each row asks."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from training.benchmarks.files import NO_YES, File

Floats = npt.NDArray[np.float32]
NAN = float("nan")


class Suite(StrEnum):
    """The suites by the names that the command takes."""

    OPENAI_MODERATION = "openai-moderation"
    HATECHECK = "hatecheck"
    XSTEST = "xstest"
    TOXICCHAT = "toxicchat"
    EDOS = "edos"
    SMS_SPAM = "sms-spam"
    HATEMOJI = "hatemoji"
    JIGSAW = "jigsaw"
    CSV = "csv"


@dataclass(frozen=True)
class Rows:
    """Texts with their answer (1 or 0); some suites have further answers (NaN: not asked) and groups ("": none)."""

    texts: list[str]
    truth: Floats
    answers: Mapping[str, Floats] = field(default_factory=dict)
    groups: Mapping[str, list[str]] = field(default_factory=dict)

    def take(self, chosen: Sequence[int]) -> "Rows":
        """These rows alone."""
        return Rows(
            [self.texts[i] for i in chosen],
            self.truth[list(chosen)],
            {name: values[list(chosen)] for name, values in self.answers.items()},
            {name: [values[i] for i in chosen] for name, values in self.groups.items()},
        )


@dataclass(frozen=True)
class Columns:
    """Of any CSV: its text and label columns, the category that is asked about, and those that may be named."""

    text: str
    label: str
    category: str | None = None
    keys: Collection[str] = ()


def read(suite: Suite, file: File, columns: Columns | None = None) -> Rows:
    """Read a suite's file; `columns` for `csv`. Raises MissingData where it is not as published."""
    rows = _csv(file, columns) if columns else READERS[suite](file)
    if not rows.texts:
        part = ' with split "test"' if suite in (Suite.EDOS, Suite.HATEMOJI) else ""
        raise file.wrong(2, f"at least one row{part}")
    return rows


OPENAI = ("S", "H", "V", "HR", "SH", "S3", "H2", "V2")


def _openai(file: File) -> Rows:
    texts, answers = [], []
    for line, row in file.objects():
        if not isinstance(row.get("prompt"), str):
            raise file.wrong(line, "a text under prompt")
        texts.append(row["prompt"])
        answers.append([_label(file, line, key, row) for key in OPENAI])
    table = np.array(answers, np.float32).reshape(-1, len(OPENAI))
    any_label = (np.nan_to_num(table) == 1).any(axis=1).astype(np.float32)
    return Rows(texts, any_label, {key: table[:, k] for k, key in enumerate(OPENAI)})


def _label(file: File, line: int, key: str, row: Mapping[str, Any]) -> float:
    value = row.get(key)
    if value is None:
        return NAN
    if value not in (0, 1):
        raise file.wrong(line, f"{key} to be 0, 1 or absent")
    return float(value)


def _hatecheck(file: File) -> Rows:
    answers = {"non-hateful": 0.0, "hateful": 1.0}
    texts, truth = [], []
    groups: dict[str, list[str]] = {"functionality": [], "target_ident": []}
    for line, row in file.table("functionality", "test_case", "label_gold", "target_ident"):
        texts.append(row["test_case"])
        truth.append(file.one_of(line, "label_gold", row["label_gold"], answers))
        for column, names in groups.items():
            names.append(file.name_of(line, column, row[column]))
    return Rows(texts, np.array(truth, np.float32), groups=groups)


def _xstest(file: File) -> Rows:
    texts, truth, types = [], [], []
    for line, row in file.table("prompt", "type"):
        kind = file.name_of(line, "type", row["type"])
        # Older files have no label: the contrasts of the safe prompts are the unsafe ones.
        label = row.get("label", "unsafe" if kind.startswith("contrast_") else "safe")
        texts.append(row["prompt"])
        truth.append(file.one_of(line, "label", label, {"safe": 0.0, "unsafe": 1.0}))
        types.append(kind)
    return Rows(texts, np.array(truth, np.float32), groups={"type": types})


def _labelled(text: str, label: str, answers: Mapping[str, float], *required: str) -> Callable[[File], Rows]:
    """A reader of a text and a label column; where there is a split, of the test part alone."""

    def reader(file: File) -> Rows:
        texts, truth = [], []
        for line, row in file.table(text, label, *required):
            if row.get("split", "test").strip().lower() == "test":
                texts.append(row[text])
                truth.append(file.one_of(line, label, row[label], answers))
        return Rows(texts, np.array(truth, np.float32))

    return reader


SMS = {"ham": 0.0, "spam": 1.0, "smishing": 1.0}


def _sms(file: File) -> Rows:
    """The file of the UCI repository has a tab and no header; its later relatives are CSV."""
    first = next(file.lines(), (1, ""))[1]
    if "\t" not in first:
        return _labelled("text", "label", SMS)(file)
    texts, truth = [], []
    for line, row in file.lines():
        label, tab, text = row.partition("\t")
        if not tab:
            raise file.wrong(line, "a label, a tab and a text")
        truth.append(file.one_of(line, "the label", label, SMS))
        texts.append(text)
    return Rows(texts, np.array(truth, np.float32))


JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


def _jigsaw(file: File) -> Rows:
    texts, answers = [], []
    for line, row in file.table("comment_text", *JIGSAW):
        found = [file.one_of(line, name, row[name], {**NO_YES, "-1": -1.0}) for name in JIGSAW]
        if -1 not in found:  # the competition did not score these
            texts.append(row["comment_text"])
            answers.append(found)
    table = np.array(answers, np.float32).reshape(-1, len(JIGSAW))
    return Rows(texts, table.max(axis=1, initial=0), {name: table[:, k] for k, name in enumerate(JIGSAW)})


WORDS = {**NO_YES, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}


def _csv(file: File, columns: Columns) -> Rows:
    """Labels are yes or no, or lists of category keys: the first that is not empty says which."""
    text, label = columns.text.lower(), columns.label.lower()
    found = [(line, row[text], row[label].strip().lower()) for line, row in file.table(columns.text, columns.label)]
    yes_no = next((cell in WORDS for _, _, cell in found if cell), True)
    truth = []
    for line, _, cell in found:
        if yes_no:
            truth.append(file.one_of(line, columns.label, cell, WORDS))
            continue
        keys = {key.strip() for key in re.split("[;|,]", cell)} - {""}
        if not keys <= set(columns.keys):
            raise file.wrong(line, f"{columns.label} to be 0/1, true/false, yes/no in all rows, or category keys")
        truth.append(float(columns.category in keys if columns.category else bool(keys)))
    return Rows([text for _, text, _ in found], np.array(truth, np.float32))


READERS: dict[Suite, Callable[[File], Rows]] = {
    Suite.OPENAI_MODERATION: _openai,
    Suite.HATECHECK: _hatecheck,
    Suite.XSTEST: _xstest,
    Suite.TOXICCHAT: _labelled("user_input", "toxicity", NO_YES),
    Suite.EDOS: _labelled("text", "label_sexist", {"not sexist": 0.0, "sexist": 1.0}, "split"),
    Suite.SMS_SPAM: _sms,
    Suite.HATEMOJI: _labelled("text", "label_gold", {**NO_YES, "non-hateful": 0.0, "hateful": 1.0}),
    Suite.JIGSAW: _jigsaw,
}
