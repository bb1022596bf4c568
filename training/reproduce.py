"""`frontline evaluate`: measure a bundle again on the held-out texts, and say how far that is from what it claims."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from models.bundle import Bundle
from training import plots
from training.card import figure
from training.corpus import Corpus, build
from training.encoder import base_folder
from training.evaluate import evaluate
from training.fit import Recipe, signals
from training.leave_out import LeftOut, fine_tune_without, leave_one_source_out
from training.tracking import flatten
from training.train import Options, read_examples


def corpus_of(bundle: Bundle, data: Path) -> Corpus:
    """The corpus, with the splits that the bundle was made with if data and code are the same."""
    examples, _ = read_examples(Options(out=Path(), runs=Path(), data=data))
    return build(examples, bundle.manifest.outputs, progress=True)


def measure(bundle: Bundle, corpus: Corpus, seed: int, resamples: int = Recipe.resamples) -> dict[str, Any]:
    """Evaluate the bundle on the corpus's test part, text alone."""
    tested = corpus.where("test")
    texts = [corpus.texts[row] for row in tested]
    logits, _, _ = signals(bundle.text_model(), bundle.heads(), texts, "evaluating")
    manifest = bundle.manifest
    thresholds = {name: manifest.thresholds[name] for name in bundle.taxonomy.learned}
    return evaluate(corpus, tested, logits, manifest.calibration, thresholds, seed, resamples)


def difference(claimed: dict[str, Any], found: dict[str, Any]) -> tuple[float, int]:
    """The largest absolute difference between figures of the same name, and how many names both have."""
    old, new = flatten(claimed), flatten(found)
    gaps = [abs(old[name] - new[name]) for name in old.keys() & new.keys()]
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
