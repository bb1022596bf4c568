"""From a text model and head weights to a whole bundle: calibration, metadata, evaluation, card and files."""

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from models import bundle as bundles
from models.bundle import Bundle, Golden, Threshold
from models.calibration import Band, Platt
from models.heldout import FILE as HELDOUT
from models.loading import load_bundle
from models.report import Content, Report
from models.runtime import Encoder, Heads, NgramModel, TextModel, read_text
from models.scorer import Scorer
from models.taxonomy import Taxonomy
from training import plots
from training.calibrate import calibrate, distance_limit, fit_band, fit_platt, probabilities
from training.card import write_card
from training.corpus import AUXILIARY, OURS, Corpus, outputs_of, two_sided
from training.evaluate import evaluate
from training.heads import HeadWeights, Whitening, write_heads
from training.heldout import default_threshold, default_thresholds, held_out
from training.metadata_model import CAP, fit_metadata

Floats = npt.NDArray[np.float32]
PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "skl2onnx", "tokenizers", "torch", "transformers")
REFERENCE = 500  # embeddings kept for drift
WHITENING = 6000  # training texts that the distance is fitted on
GOLDEN_TOLERANCE = 0.03  # int8 kernels differ between processors
GOLDEN = (
    "Thank you for the recipe, the bread came out lovely!",
    "I know which bus you take. Tomorrow you will regret what you said.",
    "Your parcel is held at the depot, pay the small fee at the link within 24 hours or it goes back.",
    "Nobody here can stand you, delete your account and stay away.",
    "The match was a massacre, they killed us in the second half.",
    "Does anyone know a good plumber near the station?",
    "Replica watches, real box and papers, nobody will notice. Message me.",
    "I said goodbye to everyone today. I will not be here next week.",
)


@dataclass(frozen=True)
class Text:
    """A text model in a folder: its kind as the manifest names it, and its files."""

    kind: str
    folder: Path

    @property
    def files(self) -> dict[str, Path]:
        """Bundle file names and where they lie now."""
        return {name: self.folder / name for name in bundles.TEXT_PARTS[self.kind]}

    def open(self) -> TextModel:
        """Open it for scoring."""
        if self.kind == "encoder":
            return Encoder(self.folder / "encoder.onnx", self.folder / "tokenizer.json")
        return NgramModel(self.folder / "ngrams.onnx")


def embed_all(model: TextModel, texts: Sequence[str], what: str) -> list[Floats]:
    """Embeddings [windows, dimensions] of each prepared text, on two threads, with progress."""
    with ThreadPoolExecutor(2) as pool:
        return [found for found, _ in track(pool.map(model.embed, texts), what, total=len(texts))]


def signals(model: TextModel, heads: Heads, texts: Sequence[str], what: str) -> tuple[Floats, Floats, Floats]:
    """Raw outputs [n, outputs], embeddings [n, dimensions] and distances [n] of prepared texts."""
    with ThreadPoolExecutor(2) as pool:
        found = list(track(pool.map(lambda text: read_text(model, heads, text), texts), what, total=len(texts)))
    return (
        np.array([s.logits for s in found]),
        np.array([s.embedding for s in found]),
        np.array([s.distance for s in found], dtype=np.float32),
    )


@dataclass(frozen=True)
class Recipe:
    """What a bundle is made of besides its weights."""

    name: str
    taxonomy: Taxonomy
    taxonomy_file: Path
    corpus: Corpus
    training_data: list[dict[str, Any]]
    seed: int
    # Calibration texts that one public source gives at most. Six of them answer violation both ways: at most 240 rows
    # beside about 1,200 of our own, which were asked about every category and look like reports.
    per_source: int = 40
    resamples: int = 200  # of the bootstrap behind every interval


def fit_bundle(
    recipe: Recipe, text: Text, weights: HeadWeights, work: Path, target: Path, whitening: Whitening | None = None
) -> Bundle:
    """Calibrate, evaluate and write a bundle at `target`; `work` keeps the parts.

    `whitening` of an earlier fit of the same text model; without it, it is fitted on the training texts.
    """
    corpus, rng, learned = recipe.corpus, np.random.default_rng(recipe.seed), recipe.taxonomy.learned
    outputs = [*outputs_of(learned), AUXILIARY][: len(weights.bias)]  # a champion may lack the auxiliary one
    model = text.open()
    write_heads(work / "heads.onnx", weights, whitening or _whitening(corpus, model, rng), len(learned))
    heads = Heads(work / "heads.onnx")
    held = _capped(corpus, corpus.where("calibrate"), recipe.per_source, rng)
    logits, embeddings, distances = signals(model, heads, [corpus.texts[i] for i in held], "calibrating")
    answers = two_sided(corpus.targets[held], corpus.sources[held])
    calibration = calibrate(outputs, logits, answers)
    band = _band(logits, answers, corpus.sources[held], calibration["violation"], recipe.seed)
    asked = np.isfinite(corpus.targets[held, 0])
    fit_metadata(work / "metadata.onnx", logits[asked, 0], corpus, held[asked], recipe.taxonomy, recipe.seed)
    tested = corpus.where("test")
    test_logits, _, _ = signals(model, heads, [corpus.texts[i] for i in tested], "evaluating")
    test = (test_logits, corpus.targets[tested])
    kept = held_out(["violation", *learned], calibration, (logits, answers), test, recipe.seed)
    kept.write(work / HELDOUT)
    thresholds = default_thresholds(kept, learned)
    if AUXILIARY in outputs:
        calibration[AUXILIARY], thresholds[AUXILIARY] = _auxiliary(corpus, model, heads, calibration[AUXILIARY])
    figures = evaluate(corpus, tested, test_logits, calibration, thresholds, recipe.seed, recipe.resamples)
    _write_reference(work, logits, embeddings, calibration, [corpus.texts[i] for i in held], rng)
    fitted = {
        "outputs": outputs,
        "calibration": calibration,
        "band": band,
        "thresholds": thresholds,
        "prevalence": _prevalence(outputs, answers),
        "max_distance": distance_limit(distances),
        "evaluation": figures,
    }
    files = {**text.files, **{name: work / name for name in PARTS}, "taxonomy.yaml": recipe.taxonomy_file}
    return write_with_golden(_fields(recipe, text) | fitted, files, work, target)


def _band(logits: Floats, answers: Floats, sources: npt.NDArray[Any], platt: Platt, seed: int) -> Band | None:
    """The band of P(violation), from the texts of which it is known."""
    known = np.isfinite(answers[:, 0])
    return fit_band(logits[known, 0], answers[known, 0], sources[known], platt, seed)


def _whitening(corpus: Corpus, model: TextModel, rng: np.random.Generator) -> Whitening:
    sample = rng.permutation(corpus.where("train"))[:WHITENING]
    trained = embed_all(model, [corpus.texts[i] for i in sample], "embedding training texts")
    return Whitening.fit(np.concatenate(trained))


def _auxiliary(corpus: Corpus, model: TextModel, heads: Heads, as_is: Platt) -> tuple[Platt, Threshold]:
    """Calibration and threshold of the auxiliary output, on every calibration text that it was asked of.

    No score shows it; `frontline benchmark edos` reads it.
    """
    k = corpus.outputs.index(AUXILIARY)
    rows = corpus.where("calibrate")
    rows = rows[np.isfinite(corpus.targets[rows, k])]
    if len(rows) == 0:
        return as_is, Threshold(value=0.5, intent="0.5: no text was asked about it")
    logits, _, _ = signals(model, heads, [corpus.texts[i] for i in rows], f"calibrating {AUXILIARY}")
    truth = corpus.targets[rows, k]
    platt = fit_platt(logits[:, k], truth)
    return platt, default_threshold(probabilities(platt, logits[:, k]).astype(np.float64), truth == 1)


def _fields(recipe: Recipe, text: Text) -> dict[str, Any]:
    """What the manifest says that was not measured."""
    now = datetime.now(UTC)
    return {
        "name": recipe.name,
        "version": now.strftime("%Y.%m.%d.%H%M%S"),
        "created": now.isoformat(timespec="seconds"),
        "text_model": text.kind,
        "languages": ["en"],
        "metadata_cap": CAP,
        "simulated": ["metadata.onnx"],
        "training_data": recipe.training_data,
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{name: version(name) for name in PACKAGES},
        },
        "golden": [],
        "golden_tolerance": GOLDEN_TOLERANCE,
    }


PARTS = ("heads.onnx", "metadata.onnx", "reference.json", "reference.npy", HELDOUT)


def write_with_golden(fields: dict[str, Any], files: dict[str, Path], work: Path, target: Path) -> Bundle:
    """Write the bundle twice: a draft that answers the golden inputs, then the whole, with answers and card."""
    draft_path = work / "draft"
    shutil.rmtree(draft_path, ignore_errors=True)
    draft = bundles.write(draft_path, fields, files)
    scorer, now = Scorer(draft), datetime.now(UTC)
    golden = []
    for line in GOLDEN:
        score = scorer.score(Report(report_id="golden", content=Content(text=line)), received_at=now)
        severity = score.severity.expected if score.severity else None
        golden.append(Golden(text=line, violation=score.violation.probability, expected_severity=severity))
    write_card(work / "card.md", draft.manifest)
    plots.calibration(draft.manifest.evaluation["authored"], work / "calibration.png")
    told = {name: work / name for name in ("card.md", "calibration.png")}
    bundles.write(target, {**fields, "golden": golden}, {**files, **told})
    return load_bundle(target)


def _prevalence(outputs: Sequence[str], targets: Floats) -> dict[str, float]:
    known = {name: targets[np.isfinite(targets[:, k]), k] for k, name in enumerate(outputs)}
    return {name: round(float(values.mean()), 4) for name, values in known.items() if len(values)}


def _capped(corpus: Corpus, rows: npt.NDArray[np.int64], most: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most `most` texts of each public source; our own, authored and decided, count whole."""
    kept = []
    for source in dict.fromkeys(corpus.sources[rows].tolist()):
        mine = rng.permutation(rows[corpus.sources[rows] == source])
        kept.append(mine if source in OURS else mine[:most])
    return np.sort(np.concatenate(kept))


def _write_reference(
    work: Path,
    logits: Floats,
    embeddings: Floats,
    calibration: Mapping[str, Platt],
    texts: Sequence[str],
    rng: np.random.Generator,
) -> None:
    """What the calibration sample looks like, for drift: histograms and some embeddings, never text."""
    names = list(calibration)
    histograms = {
        name: np.histogram(probabilities(calibration[name], logits[:, k]), bins=20, range=(0, 1))[0].tolist()
        for k, name in enumerate(names)
    }
    lengths = np.histogram([len(text) for text in texts], bins=LENGTHS)[0].tolist()
    reference = {"n": len(texts), "probabilities": histograms, "length_edges": LENGTHS, "lengths": lengths}
    (work / "reference.json").write_text(json.dumps(reference), "utf-8")
    sample = rng.permutation(len(embeddings))[:REFERENCE]
    np.save(work / "reference.npy", embeddings[sample].astype(np.float16), allow_pickle=False)


LENGTHS = [0, 20, 50, 100, 200, 400, 800, 1600, 10**6]  # characters
