"""`frontline evaluate`: measure a bundle again on the held-out texts, and say how far that is from what it claims."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from models.bundle import Bundle
from models.prepare import VERSION, prepare
from training import plots
from training.card import figure
from training.corpus import Corpus, build
from training.encoder import base_folder
from training.evaluate import evaluate
from training.fit import Recipe, signals
from training.learning_curve import SHARES, learning_curve
from training.leave_out import LeftOut, fine_tune_without, leave_one_source_out
from training.tracking import flatten
from training.train import Options, read_examples

BESIDE = {"n", "positives", "critical", "prevalence", "low", "high"}  # what an evaluation says beside its figures


def corpus_of(bundle: Bundle, data: Path) -> tuple[Corpus, str]:
    """The corpus, with the bundle's own splits if data and code are the same, and what of the data is not."""
    examples, listing = read_examples(Options(out=Path(), runs=Path(), data=data))
    return build(examples, bundle.manifest.outputs, progress=True), other_data(bundle, listing)


def other_data(bundle: Bundle, listing: Sequence[Mapping[str, Any]]) -> str:
    """How the listed sources differ from those that the bundle was made with, by their SHA-256; empty if they do not.

    `listing` is that of `read_examples`.
    """
    then, now = ({row["name"]: row["sha256"] for row in rows} for rows in (bundle.manifest.training_data, listing))
    version = bundle.manifest.prepare
    parts = {
        "other content": [name for name in then if name in now and now[name] != then[name]],
        "missing": [name for name in then if name not in now],
        "added": [name for name in now if name not in then],
        "other preparation": [version] if version != VERSION else [],
    }
    return "; ".join(f"{how}: {', '.join(names)}" for how, names in parts.items() if names)


def measure(bundle: Bundle, corpus: Corpus, seed: int, resamples: int = Recipe.resamples) -> dict[str, Any]:
    """Evaluate the bundle on the corpus's test part, text alone, prepared as the bundle has it."""
    tested, manifest = corpus.where("test"), bundle.manifest
    texts = [prepare(corpus.examples[row].text, manifest.prepare).text for row in tested]
    logits, _, _ = signals(bundle.text_model, bundle.heads, texts, "evaluating")
    thresholds = {name: manifest.thresholds[name] for name in bundle.taxonomy.learned}
    return evaluate(corpus, tested, logits, manifest.calibration, thresholds, seed, resamples)


def difference(claimed: dict[str, Any], found: dict[str, Any]) -> tuple[float, int]:
    """The largest absolute difference between figures of the same name, and how many names both have.

    A figure is what was measured: no count, and no end of an interval.
    """
    old, new = flatten(claimed), flatten(found)
    gaps = [abs(old[name] - new[name]) for name in old.keys() & new.keys() if name.rpartition(".")[2] not in BESIDE]
    return max(gaps, default=0.0), len(gaps)


def write(figures: dict[str, Any], left_out: Mapping[str, Sequence[LeftOut]], folder: Path) -> None:
    """Write evaluation.json, the plots, and a JSON file of each non-empty table of left-out sources into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    plots.evaluation(figures, folder)
    for name, rows in left_out.items():
        if rows:
            (folder / f"{name}.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")


def without_each_source(corpus: Corpus, base: str | None, seed: int) -> list[LeftOut]:
    """Leave-one-source-out figures on the frozen base encoder."""
    return leave_one_source_out(corpus, base_folder(base), seed, Recipe.resamples)


def fine_tuned_without(corpus: Corpus, base: str | None, sources: Sequence[str], seed: int) -> list[LeftOut]:
    """The same by fine-tuning, of some sources. Raises MissingData for one that cannot be left out."""
    return fine_tune_without(corpus, base_folder(base), sources, seed, Recipe.resamples)


def write_learning_curve(corpus: Corpus, base: str | None, seed: int, folder: Path) -> None:
    """Write learning_curve.json and its plot into a folder."""
    curve = learning_curve(corpus, base_folder(base), seed)
    told = {"shares": SHARES, "average_precision": curve}
    (folder / "learning_curve.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    plots.learning_curve(SHARES, curve, folder / "learning_curve.png")


def table_of(left_out: Sequence[LeftOut], how: str) -> Table:
    """ROC AUC on each left-out source."""
    table = Table(
        "source",
        "output",
        "n",
        "positives",
        "trained on it too",
        "naive",
        "ours",
        title=f"Leave one source out, {how}: ROC AUC",
    )
    for row in left_out:
        cells = (figure(row.inside), figure(row.naive), figure(row.ours))
        table.add_row(row.source, row.output, str(row.n), str(row.positives), *cells)
    return table
