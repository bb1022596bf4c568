"""`frontline retrain`: learn from decisions, compare with the champion on texts neither was trained on, register."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.errors import MissingData
from serving.store import Store
from training import tracking
from training.comparison import HELD_OUT, Comparison, compare, conclusion
from training.corpus import AUXILIARY, DECISIONS, OURS, Corpus, Example, build, outputs_of, training_targets
from training.decisions import Decided, read_decisions
from training.fit import Recipe, Text, embed_all, fit_bundle
from training.heads import HeadWeights, Whitening, fit_heads, read_heads
from training.suggestions import SUGGESTED, read_suggestions
from training.train import Options, fit_encoder, read_examples

MIN_DECISIONS = 20
CALIBRATED = 0.2  # share of the decided clusters before the held-out ones: later in time than what is trained on


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
    suggested = read_suggestions(store, learned)
    corpus, used = _corpus(options, decided, suggested, champion, frozen=weights is None)
    listing = _listing(champion.manifest.training_data, used, corpus)
    work = options.runs / f"retrain-{champion.digest[-12:]}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    recipe = Recipe(champion.name, champion.taxonomy, champion.path / "taxonomy.yaml", corpus, listing, options.seed)
    parameters = {"champion": champion.digest, "decisions": len(decided), "full": weights is not None}
    with tracking.run("retrain", parameters) as logged:
        if weights is None:
            text, heads, whitening = _refit(champion, corpus)
            challenger = fit_bundle(recipe, text, heads, work, options.out, whitening)
        else:
            text, heads = fit_encoder(corpus, options, work, weights)
            challenger = fit_bundle(recipe, text, heads, work, options.out)
        found = compare(champion, challenger, corpus, options.seed)
        logged.comparison(found, conclusion(found))
        logged.bundle(challenger, alias=tracking.CHALLENGER)
    shutil.rmtree(work, ignore_errors=True)
    return challenger, found


def _corpus(
    options: Options, decided: list[Decided], suggested: list[Example], champion: Bundle, *, frozen: bool
) -> tuple[Corpus, list[dict[str, Any]]]:
    """Authored rows, the public sources where at hand, and the decisions, split by time; and a listing of them.

    A text that was decided often counts once, as it was decided last. None that the champion may have learnt from is
    held out.
    """
    examples, listing = read_examples(options)
    examples += [found.example for found in decided]
    examples += suggested
    corpus = build(examples, [*outputs_of(champion.taxonomy.learned), AUXILIARY], progress=True)
    splits, sources = corpus.splits.copy(), corpus.sources
    if frozen:  # the champion's embeddings have seen the public training texts: they would teach its heads nothing new
        splits[(splits == "train") & ~np.isin(sources, (*OURS, SUGGESTED))] = "dropped"
    splits[(splits != "train") & (sources == SUGGESTED)] = "dropped"  # they may teach, but nothing is judged by them
    mine = np.flatnonzero(sources == DECISIONS)
    newest = {int(cluster): i for i, cluster in enumerate(corpus.clusters[mine])}  # last decision of each cluster
    order = sorted(newest, key=lambda cluster: newest[cluster])
    first_test = int(len(order) * (1 - HELD_OUT))
    first_held = int(len(order) * (1 - HELD_OUT - CALIBRATED))
    part = {c: "train" if i < first_held else "calibrate" if i < first_test else "test" for i, c in enumerate(order)}
    if DECISIONS in {row["name"] for row in champion.manifest.training_data}:
        made = datetime.fromisoformat(champion.manifest.created)
        learnt = {int(c) for c, one in zip(corpus.clusters[mine], decided, strict=True) if one.at <= made}
        part |= dict.fromkeys((c for c in learnt if part[c] == "test"), "train")
    splits[mine] = "dropped"
    last = mine[list(newest.values())]
    splits[last] = [part[int(corpus.clusters[i])] if corpus.texts[i] else "dropped" for i in last]
    if suggested:
        listing.append({"name": SUGGESTED, "title": "Suggested scores", "licence": "the operator's own", "sha256": ""})
    # A decided text that stands on another side elsewhere would leak: the decision's side wins.
    shared = np.isin(corpus.clusters, list(part)) & (sources != DECISIONS)
    splits[shared] = "dropped"
    listing.append({"name": DECISIONS, "title": "Reviewers' decisions", "licence": "the operator's own", "sha256": ""})
    return replace(corpus, splits=splits), listing


def _listing(before: list[dict[str, Any]], used: list[dict[str, Any]], corpus: Corpus) -> list[dict[str, Any]]:
    """What the champion learnt from, and its challenger through it, with what the challenger itself learns from now."""
    trained = corpus.sources[corpus.where("train")]
    rows = {row["name"]: row for row in before}
    for row in used:
        if count := int((trained == row["name"]).sum()):
            rows[row["name"]] = row | {"rows": count}
    return list(rows.values())


def _refit(champion: Bundle, corpus: Corpus) -> tuple[Text, HeadWeights, Whitening]:
    text = Text(champion.manifest.text_model, champion.path)
    rows = corpus.where("train")
    found = embed_all(text.open(), [corpus.texts[i] for i in rows], "embedding")
    embeddings = np.array([windows.mean(axis=0) for windows in found])
    start, whitening = read_heads(champion.path / "heads.onnx")
    targets = training_targets(corpus)[rows][:, : len(start.bias)]
    # A strong pull towards the champion: a few hundred decisions must not overturn what it learnt from many more texts.
    return text, fit_heads(embeddings, targets, start, strength=0.001), whitening
