"""`frontline train`: labelled text in, a verified and logged bundle out; resumes after an interruption."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from models.bundle import Bundle, sha256
from models.errors import MissingData
from models.prepare import VERSION
from models.taxonomy import Taxonomy
from training import tracking
from training.batches import Schedule, cap_sources
from training.corpus import (
    AUTHORED,
    AUXILIARY,
    OURS,
    Corpus,
    Example,
    build,
    outputs_of,
    read_authored,
    read_source,
    training_targets,
)
from training.encoder import Trainer, base_folder
from training.fit import Recipe, Text, embed_all, fit_bundle
from training.heads import HeadWeights, fit_heads
from training.sources import read_sources

DATASETS = Path(__file__).parents[1] / "datasets"
FAST_ROWS = 1200  # texts that one source gives to the fast model at most
FAST_RESAMPLES = 40
SETTLED = 250  # texts of each public source that the heads are refitted on
console = Console(stderr=True)


@dataclass(frozen=True)
class Options:
    """What to train. `data` None trains on the authored corpus alone; `base` None takes the packaged encoder."""

    out: Path
    runs: Path
    data: Path | None = None
    fast: bool = False
    seed: int = 7
    without: tuple[str, ...] = ()
    base: str | None = None
    schedule: Schedule = field(default_factory=Schedule)

    def run_folder(self, data_hash: str, outputs: list[str]) -> Path:
        """Where this very run keeps its parts: the same options, data and outputs come back to it."""
        options = [self.fast, self.seed, self.without, self.base, asdict(self.schedule)]
        key = json.dumps([*options, data_hash, outputs, VERSION])
        return self.runs / hashlib.sha256(key.encode()).hexdigest()[:12]


def train(options: Options) -> Bundle:
    """Train, evaluate, log to MLflow and write a bundle at `options.out`.

    Raises MissingData where a source is not in the data folder, FileExistsError where `out` exists.
    """
    if options.out.exists():
        raise FileExistsError(f"{options.out} exists; name another folder with --out, or remove it")
    taxonomy_file = DATASETS / "taxonomy.yaml"
    taxonomy = Taxonomy.read(taxonomy_file)
    examples, listing = read_examples(options)
    data_hash = hashlib.sha256(json.dumps([row["sha256"] for row in listing]).encode()).hexdigest()
    outputs = outputs_of(taxonomy.learned)
    work = options.run_folder(data_hash, outputs)
    work.mkdir(parents=True, exist_ok=True)
    console.print(f"{len(examples)} texts of {len(listing)} sources; parts are kept in {work}")
    corpus = build(examples, [*outputs, AUXILIARY], progress=True)
    for row in listing:
        row["rows"] = int(((corpus.sources == row["name"]) & (corpus.splits == "train")).sum())
    resamples = FAST_RESAMPLES if options.fast else Recipe.resamples
    recipe = Recipe("frontline", taxonomy, taxonomy_file, corpus, listing, options.seed, resamples=resamples)
    parameters = asdict(options.schedule) | {"seed": options.seed, "fast": options.fast, "data": data_hash[:12]}
    with tracking.run("train", parameters) as logged:
        text, weights = fit_fast(corpus, options, work) if options.fast else fit_encoder(corpus, options, work)
        bundle = fit_bundle(recipe, text, weights, work, options.out)
        logged.bundle(bundle, alias=tracking.CHALLENGER)
    shutil.rmtree(work, ignore_errors=True)
    return bundle


def read_examples(options: Options) -> tuple[list[Example], list[dict[str, Any]]]:
    """All examples, and a listing of where they come from."""
    authored = DATASETS / "authored" / "corpus.jsonl"
    examples = read_authored(authored)
    listing = [{"name": AUTHORED, "title": "Frontline's own corpus", "licence": "CC0-1.0", "sha256": sha256(authored)}]
    if options.data is None:
        return examples, listing
    sources = {source.name: source for source in read_sources(DATASETS / "sources.toml") if source.use == "train"}
    if unknown := set(options.without) - set(sources):
        raise MissingData(f"--without {', '.join(sorted(unknown))}: sources.toml lists no such training source")
    for name, source in sources.items():
        if name in options.without:
            continue
        found = read_source(source, options.data)
        if options.fast:
            rng = np.random.default_rng(options.seed)
            found = [found[i] for i in sorted(rng.permutation(len(found))[:FAST_ROWS].tolist())]
        examples += found
        fields = {"title": source.title, "licence": source.licence, "address": source.address}
        # The file's own, which tells a fetched file that lacks rows from the listed one.
        listing.append({"name": name, **fields, "sha256": sha256(source.file(options.data))})
    return examples, listing


def fit_fast(corpus: Corpus, options: Options, work: Path) -> tuple[Text, HeadWeights]:
    """The hashed n-gram model, with heads fitted on its frozen embeddings."""
    from training.ngram_model import fit_ngrams

    rows = corpus.where("train")
    texts = [corpus.texts[i] for i in rows]
    fit_ngrams(work / "ngrams.onnx", texts, options.seed)
    text = Text("hashed-ngrams.v1", work)
    embeddings = np.concatenate(embed_all(text.open(), texts, "embedding"))
    return text, fit_heads(embeddings, training_targets(corpus)[rows])


def fit_encoder(corpus: Corpus, options: Options, work: Path, weights: Path | None = None) -> tuple[Text, HeadWeights]:
    """The fine-tuned transformer, exported to int8; `weights` (safetensors of an earlier run) to start from."""
    from training.export import export_encoder

    base = base_folder(options.base)
    encoder = Trainer(corpus, base, options.schedule, options.seed, work, weights).run()
    checked = [corpus.texts[i] for i in np.random.default_rng(options.seed).permutation(corpus.where("test"))[:50]]
    cosine = export_encoder(encoder, work, base, checked)
    console.print(f"exported to int8; cosine to the original, 5 % quantile of {len(checked)} texts: {cosine:.4f}")
    tracking.save_weights(encoder)
    text = Text("encoder", work)
    return text, settle_heads(corpus, text, encoder.head_weights(), options.seed)


def settle_heads(corpus: Corpus, text: Text, heads: HeadWeights, seed: int) -> HeadWeights:
    """Refit the fine-tuned heads a little on the embeddings as served (int8): our own texts, a few of each source.

    On held-out calibration texts of our own corpus this raised the categories' mean average precision, and the public
    texts keep the heads from forgetting them.
    """
    rng = np.random.default_rng(seed)
    rows = cap_sources(corpus, corpus.where("train"), SETTLED, rng)
    rows = np.union1d(rows, np.intersect1d(corpus.where("train"), np.flatnonzero(np.isin(corpus.sources, OURS))))
    found = embed_all(text.open(), [corpus.texts[i] for i in rows], "settling the heads")
    embeddings = np.array([windows.mean(axis=0) for windows in found])
    return fit_heads(embeddings, training_targets(corpus)[rows], heads, strength=0.01)
