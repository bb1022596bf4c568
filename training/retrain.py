"""`frontline retrain`: learn from decisions, compare with the champion on texts neither was trained on, register."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from models.bundle import Bundle
from models.errors import MissingData
from serving.store import Store
from training import tracking
from training.calibrate import probabilities
from training.corpus import AUTHORED, AUXILIARY, Corpus, build, outputs_of
from training.decisions import DECISIONS, Decided, read_decisions
from training.evaluate import binary
from training.fit import Recipe, Text, embed_all, fit_bundle, signals
from training.heads import HeadWeights, fit_heads, read_heads
from training.train import Options, fit_encoder, read_examples

Floats = npt.NDArray[np.float32]
MIN_DECISIONS = 20
TESTED = 0.2  # newest share of the decided clusters, never trained on
CALIBRATED = 0.2  # share before that, for calibration: later in time than what is trained on
MARGIN = 0.02  # how much average precision or Brier score a challenger may lose on any part and still pass
console = Console(stderr=True)


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on one held-out part: figures of P(violation)."""

    part: str
    champion: Mapping[str, Any]
    challenger: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether the challenger is no worse than the champion, within the margin."""
        precision = _gain(self.champion, self.challenger, "average_precision")
        brier = -_gain(self.champion, self.challenger, "brier")
        return precision >= -MARGIN and brier >= -MARGIN


def retrain(options: Options, store: Store, champion: Bundle, weights: Path | None) -> tuple[Bundle, list[Comparison]]:
    """Fit a challenger, compare it and register it in MLflow; return it and the comparisons.

    Without `weights` the heads are fitted on the champion's frozen embeddings; with the trainable weights of an MLflow
    run, the whole encoder is fine-tuned. Raises MissingData where there are too few decisions, FileExistsError where
    `out` exists.
    """
    if options.out.exists():
        raise FileExistsError(f"{options.out} exists; name another folder with --out, or remove it")
    learned = champion.taxonomy.learned
    decided = read_decisions(store, learned)
    if len(decided) < MIN_DECISIONS:
        raise MissingData(f"{len(decided)} usable decisions in the store; retraining needs at least {MIN_DECISIONS}")
    corpus, listing = _corpus(options, decided, learned)
    work = options.runs / f"retrain-{champion.digest[-12:]}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    recipe = Recipe(champion.name, champion.taxonomy, champion.path / "taxonomy.yaml", corpus, listing, options.seed)
    parameters = {"champion": champion.digest, "decisions": len(decided), "full": weights is not None}
    with tracking.run("retrain", parameters) as logged:
        if weights is None:
            text, heads = _refit(champion, corpus)
        else:
            text, heads = fit_encoder(corpus, options, work, weights)
        challenger = fit_bundle(recipe, text, heads, work, options.out)
        found = compare(champion, challenger, corpus, options.seed)
        logged.comparison(found)
        logged.bundle(challenger, alias=tracking.CHALLENGER)
    shutil.rmtree(work, ignore_errors=True)
    return challenger, found


def _corpus(options: Options, decided: list[Decided], learned: list[str]) -> tuple[Corpus, list[dict[str, Any]]]:
    """Authored rows, the public sources where at hand, and the decisions, split by time."""
    examples, listing = read_examples(options)
    examples += [found.example for found in decided]
    corpus = build(examples, [*outputs_of(learned), AUXILIARY], progress=True)
    splits, sources = corpus.splits.copy(), corpus.sources
    # The champion's embeddings have seen the public training texts: they would teach the heads nothing new.
    splits[(splits == "train") & ~np.isin(sources, [AUTHORED, DECISIONS])] = "dropped"
    mine = np.flatnonzero(sources == DECISIONS)
    newest = {int(cluster): i for i, cluster in enumerate(corpus.clusters[mine])}  # last decision of each cluster
    order = sorted(newest, key=lambda cluster: newest[cluster])
    first_test = int(len(order) * (1 - TESTED))
    first_held = int(len(order) * (1 - TESTED - CALIBRATED))
    part = {c: "train" if i < first_held else "calibrate" if i < first_test else "test" for i, c in enumerate(order)}
    splits[mine] = [part[int(cluster)] for cluster in corpus.clusters[mine]]
    # A decided text that stands on another side elsewhere would leak: the decision's side wins.
    shared = np.isin(corpus.clusters, list(part)) & (sources != DECISIONS)
    splits[shared] = "dropped"
    listing.append({"name": DECISIONS, "title": "Reviewers' decisions", "licence": "the operator's own", "sha256": ""})
    for row in listing:
        row["rows"] = int(((sources == row["name"]) & (splits == "train")).sum())
    return replace(corpus, splits=splits), listing


def _refit(champion: Bundle, corpus: Corpus) -> tuple[Text, HeadWeights]:
    text = Text(champion.manifest.text_model, champion.path)
    rows = corpus.where("train")
    found = embed_all(text.open(), [corpus.texts[i] for i in rows], "embedding")
    embeddings = np.array([windows.mean(axis=0) for windows in found])
    start, _ = read_heads(champion.path / "heads.onnx")
    targets = corpus.targets[rows][:, : len(champion.manifest.outputs)]
    # A strong pull towards the champion: a few hundred decisions must not overturn a hundred thousand labels.
    return text, fit_heads(embeddings, targets, start, strength=0.1)


def compare(champion: Bundle, challenger: Bundle, corpus: Corpus, seed: int) -> list[Comparison]:
    """Both bundles on the authored test part, the newest decisions, and the public test parts at hand."""
    rows = corpus.where("test")
    rows = rows[np.isfinite(corpus.targets[rows, 0])]
    values = [_violation(bundle, [corpus.texts[i] for i in rows]) for bundle in (champion, challenger)]
    truth, sources = corpus.targets[rows, 0], corpus.sources[rows]
    parts = {
        "authored": sources == AUTHORED,
        "newest decisions": sources == DECISIONS,
        "public tests": ~np.isin(sources, [AUTHORED, DECISIONS]),
    }
    found = []
    for name, mask in parts.items():
        if mask.any():
            both = [binary(truth[mask], value[mask], 0.5, seed, Recipe.resamples) for value in values]
            found.append(Comparison(name, *both))
    return found


def _violation(bundle: Bundle, texts: list[str]) -> Floats:
    logits, _, _ = signals(bundle.text_model(), bundle.heads(), texts, f"comparing {bundle.digest[7:15]}")
    return probabilities(bundle.manifest.calibration["violation"], logits[:, 0])


def _gain(champion: Mapping[str, Any], challenger: Mapping[str, Any], metric: str) -> float:
    old, new = champion[metric]["value"], challenger[metric]["value"]
    return 0.0 if old is None or new is None else float(new - old)


def show(comparisons: list[Comparison]) -> None:
    """Print the comparison as a table."""
    table = Table("part", "n", "positives", "metric", "champion", "challenger", "passed", title="P(violation)")
    for found in comparisons:
        for metric in ("average_precision", "brier"):
            cells = [str(found.champion["n"]), str(found.champion["positives"]), metric.replace("_", " ")]
            cells += [_cell(side[metric]) for side in (found.champion, found.challenger)]
            table.add_row(found.part, *cells, "yes" if found.passed else "no")
    console.print(table)


def _cell(figure: Mapping[str, Any]) -> str:
    return "–" if figure["value"] is None else f"{figure['value']:.3f} {figure['interval']}"
