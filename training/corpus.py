"""The training corpus: labelled texts of all sources and our own, in clusters, each on one side of the splits."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.prepare import prepare
from models.report import MAX_TEXT
from models.severity import SEVERITIES as SEVERITIES
from training.clusters import near_duplicates
from training.labels import GRADED, MAPPINGS, UNKNOWN, Labels, complete_labels
from training.sources import Source

Split = Literal["train", "calibrate", "test", "dropped"]
AUTHORED = "authored"
DECISIONS = "decisions"  # what the operator's reviewers concluded
OURS = (AUTHORED, DECISIONS)  # labelled in our own terms: used whole, where a public source is capped
AUXILIARY = "sexism"


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; `official` is the split of its makers, `near` what a benign text of ours looks like."""

    source: str
    id: str
    text: str
    labels: Labels
    official: str | None = None
    near: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Examples with their prepared texts, targets [n, outputs] (1, 0, NaN for unknown) and splits."""

    examples: list[Example]
    texts: list[str]
    outputs: list[str]
    targets: npt.NDArray[np.float32]
    clusters: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]

    def where(self, split: Split) -> npt.NDArray[np.int64]:
        """Indices of the examples in a split."""
        return np.flatnonzero(self.splits == split)

    @property
    def sources(self) -> npt.NDArray[np.str_]:
        """The source of each example."""
        return np.array([example.source for example in self.examples])


def read_authored(path: Path) -> list[Example]:
    """Read our own corpus; its authors answered for every category, so that nothing in it is unknown."""
    rows: Iterable[dict[str, Any]] = map(json.loads, path.read_text("utf-8").splitlines())
    return [
        Example(
            AUTHORED,
            row["id"],
            row["text"],
            complete_labels(row["categories"], row["severity"]),
            near=tuple(row["near"]),
        )
        for row in rows
    ]


def read_source(source: Source, data: Path) -> list[Example]:
    """Read one public source, leaving out what does not map to the taxonomy."""
    mapping = MAPPINGS[source.name]
    examples = (
        Example(source.name, row["id"], row["text"][:MAX_TEXT], mapping(row["labels"]), row.get("split"))
        for row in source.read(data)
    )
    return [example for example in examples if example.labels != UNKNOWN]


def outputs_of(learned: Sequence[str]) -> list[str]:
    """The outputs that heads have, in order."""
    return ["violation", *learned, *SEVERITIES]


def targets(labels: Labels, outputs: Sequence[str]) -> list[float]:
    """Targets of one text, NaN where unknown. The auxiliary output is unknown unless it was asked for by itself."""
    known = {name: float(value) for name, value in labels.categories.items()}
    if labels.violation is not None:
        known["violation"] = float(labels.violation)
    if labels.sexism is not None:
        known[AUXILIARY] = float(labels.sexism)
    if labels.complete:
        known = {name: 0.0 for name in outputs if name != AUXILIARY and name not in SEVERITIES} | known
    for k, name in zip((2, 3, 4), SEVERITIES, strict=True):
        # The chain is conditional: P(severity ≥ k) among texts that reach k - 1.
        if labels.severity is not None and labels.severity >= k - 1 >= 1:
            known[name] = float(labels.severity >= k)
    return [known.get(name, float("nan")) for name in outputs]


def two_sided(targets: npt.NDArray[np.float32], sources: npt.NDArray[np.str_]) -> npt.NDArray[np.float32]:
    """The targets without those of a source that answers an output with yes alone, or with no alone.

    Such a source would calibrate its own style: where every text is a violation, the style would be the violation.
    """
    kept = targets.copy()
    for source in np.unique(sources):
        rows = sources == source
        answers = targets[rows]
        one_sided = ~((answers == 0).any(axis=0) & (answers == 1).any(axis=0))
        kept[np.ix_(rows, one_sided)] = np.nan
    return kept


def training_targets(corpus: Corpus) -> npt.NDArray[np.float32]:
    """The corpus's targets, but P(violation) learns only from sources that answer it both ways."""
    kept = corpus.targets.copy()
    kept[:, :1] = two_sided(corpus.targets[:, :1], corpus.sources)
    return kept


def build(examples: list[Example], outputs: list[str], *, progress: bool = False) -> Corpus:
    """Prepare, cluster and split."""
    texts = [prepare(example.text).text for example in examples]
    clusters = np.array(near_duplicates(texts, progress=progress), dtype=np.int64)
    rows = np.array([targets(example.labels, outputs) for example in examples], dtype=np.float32)
    # What a mapping says of severity by the type of a label is a guess; severity learns from what people graded.
    guessed = np.array([e.source in MAPPINGS and e.source not in GRADED for e in examples])
    severities = np.array([name in SEVERITIES for name in outputs])
    rows[np.ix_(guessed, severities)] = np.nan
    return Corpus(examples, texts, outputs, rows, clusters, split(examples, texts, clusters))


def split(examples: Sequence[Example], texts: Sequence[str], clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """Assign whole clusters: as the makers did where they have all three parts, else by a hash of the first text.

    The makers' own test parts win: their clusters are test, and near duplicates elsewhere are dropped. Their other
    parts hold for their own rows alone: a copy in another source goes by its hash. Empty texts and repeats inside a
    source's cluster are dropped too, except from a test part of its makers.
    """
    official: dict[str, set[str]] = {}
    for example in examples:
        official.setdefault(example.source, set()).add(_OFFICIAL.get(example.official or "", ""))
    tested = {c for c, example in zip(clusters.tolist(), examples, strict=True) if example.official == "test"}
    seen: set[tuple[int, str]] = set()
    splits: list[str] = []
    for text, cluster, example in zip(texts, clusters.tolist(), examples, strict=True):
        part = _hashed(texts[cluster])
        parts = official[example.source]
        if {"train", "calibrate", "test"} <= parts:
            part = _OFFICIAL.get(example.official or "", part)
        elif "test" in parts and part == "test":
            part = "calibrate"
        if cluster in tested:
            part = "test" if example.official == "test" else "dropped"
        if not text or (example.official != "test" and (cluster, example.source) in seen):
            part = "dropped"
        seen.add((cluster, example.source))
        splits.append(part)
    return np.array(splits)


_OFFICIAL = {"train": "train", "dev": "calibrate", "val": "calibrate", "validation": "calibrate", "test": "test"}


def _hashed(text: str) -> str:
    """80 % train, 10 % calibrate, 10 % test, the same on every machine."""
    share = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") / 2**32
    return "test" if share >= 0.9 else "calibrate" if share >= 0.8 else "train"
