"""One benchmark from file to figures: read, score or refit, measure, log to MLflow, show."""

import json
import re
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle
from models.errors import MissingData
from models.prepare import VERSION, prepare
from training import tracking
from training.benchmarks.files import File
from training.benchmarks.measures import Figure, measure
from training.benchmarks.scores import score
from training.benchmarks.suites import Columns, Rows, Suite, read

NOTES = {
    Suite.OPENAI_MODERATION: (
        "S3 counts in any label, but has no counterpart in the taxonomy. Published AUPRC of any label: "
        "OpenAI API 0.856, Llama Guard 0.847, Perspective API 0.787 (Inan et al. 2023, Llama Guard)."
    ),
    Suite.HATECHECK: "Prediction: category hate at the bundle's threshold (Röttger et al. 2021).",
    Suite.XSTEST: (
        "Flagged: any category at its threshold. Röttger et al. 2024 report refusals of language models, "
        "so that their figures and these are not the same quantity."
    ),
    Suite.TOXICCHAT: (
        "Flagged: any category at its threshold. Published on toxicchat0124 (precision / recall / F1 / AUPRC): "
        "ToxicChat-T5-large 0.798 / 0.848 / 0.822 / 0.885, trained on its training part; OpenAI moderation "
        "0.548 / 0.699 / 0.614 / 0.631 (model card of lmsys/toxicchat-t5-large-v1.0)."
    ),
    Suite.EDOS: "Published macro-F1 of SemEval-2023 Task 10 A: best of 84 teams 0.8746, 13th 0.859.",
    Suite.SMS_SPAM: "Near duplicates count once. Published figures on these files mostly keep them, which flatters.",
    Suite.HATEMOJI: "Prediction: category hate at the bundle's threshold (Kirk et al. 2022).",
    Suite.JIGSAW: (
        "severe_toxic and obscene have no counterpart here: this mean of four columns is not the six-column mean "
        "of the competition."
    ),
    Suite.CSV: "Decisions on P(violation): any category at its threshold.",
}
SEEN = (
    "WARNING: the shipped bundle was trained on these very messages, so that these figures flatter it; "
    "--refit measures the recipe on messages that it has not seen."
)
REFITTED = "The recipe fine-tuned on four fifths of these messages, in turn; no bundle is measured."


@dataclass(frozen=True)
class Ask:
    """What to measure: a suite's file, with a bundle, or without one the recipe (`epochs` of fine-tuning)."""

    suite: Suite
    path: Path
    bundle: Bundle | None
    seed: int = 7
    epochs: int = 3
    columns: Columns | None = None


@dataclass(frozen=True)
class Result:
    """What came of it. `abstained` is the share of texts on which the service would abstain."""

    suite: str
    sha256: str
    bundle: str | None
    n: int
    positives: int
    abstained: float | None
    figures: list[Figure]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """As JSON: figures and names, never text."""
        return asdict(self)

    def metrics(self) -> dict[str, Any]:
        """The figures by their names, as MLflow takes them."""
        found: dict[str, Any] = {"n": self.n, "positives": self.positives, "abstained": self.abstained}
        for figure in self.figures:
            fields = {"n": figure.n, "positives": figure.positives, "interval": figure.interval}
            found[re.sub(r"[^\w.-]+", "_", figure.name).strip("_")] = {"value": figure.value, **fields}
        return found


def run(ask: Ask) -> Result:
    """Measure and log. Raises MissingData where the file is not as published."""
    file = File(ask.path)
    rows = read(ask.suite, file, ask.columns)
    parameters: dict[str, Any] = {"suite": ask.suite.value, "file": file.sha256, "seed": ask.seed}
    parameters["bundle"] = ask.bundle.digest if ask.bundle else f"refit, {ask.epochs} epochs"
    if ask.columns:
        parameters["category"] = ask.columns.category or "violation"
    # Progress belongs on stderr: stdout is for the table.
    with redirect_stdout(sys.stderr), tracking.run(f"benchmark {ask.suite}", parameters):
        result = _measured(ask, file, rows)
        _log(result)
    return result


def _measured(ask: Ask, file: File, rows: Rows) -> Result:
    notes = [NOTES[ask.suite]]
    if ask.suite is Suite.SMS_SPAM:
        before = len(rows.texts)
        rows = _distinct(rows, ask.bundle.manifest.prepare if ask.bundle else VERSION)
        notes.append(f"{before} messages, {len(rows.texts)} after near duplicates were dropped.")
        notes.insert(0, SEEN if ask.bundle else REFITTED)
    abstained = None
    if ask.bundle is None:
        from training.benchmarks.refit import refit

        figures = refit(rows.texts, rows.truth, ask.seed, ask.epochs)
    else:
        scores = score(ask.bundle, rows.texts)
        figures = measure(ask.suite, rows, scores, ask.seed, ask.columns.category if ask.columns else None)
        abstained = round(float(scores.abstained.mean()), 4)
    digest = ask.bundle.digest if ask.bundle else None
    positives = int(rows.truth.sum())
    return Result(ask.suite.value, file.sha256, digest, len(rows.texts), positives, abstained, figures, notes)


def _distinct(rows: Rows, version: Any) -> Rows:
    """Prepared rows, the first of each cluster of near duplicates; empty ones say nothing and go."""
    from training.clusters import near_duplicates

    texts = [prepare(text, version).text for text in rows.texts]
    kept = [i for i, first in enumerate(near_duplicates(texts, progress=True)) if first == i and texts[i]]
    if not kept:
        raise MissingData("nothing is left of these messages once they are prepared")
    return Rows(texts, rows.truth).take(kept)


def _log(result: Result) -> None:
    import mlflow  # after tracking, which keeps it from phoning home

    mlflow.log_metrics(tracking.flatten(result.metrics()))
    mlflow.log_dict(result.as_dict(), "benchmark.json")


def write(result: Result, path: Path) -> None:
    """Write the figures as JSON."""
    path.write_text(json.dumps(result.as_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def show(result: Result) -> Table:
    """The figures as a table that a log can hold."""
    model = result.bundle[7:19] if result.bundle else "refitted"
    title = f"{result.suite}: {result.n} texts, {result.positives} positive, {model}"
    table = Table(title=title, box=box.ASCII2, title_justify="left")
    table.add_column("figure", overflow="fold")
    for name in ("n", "positives", "value", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("remark", no_wrap=True)
    for figure in result.figures:
        value = "-" if figure.value is None else f"{figure.value:.3f}"
        interval = "-" if figure.interval is None else f"{figure.interval[0]:.3f} to {figure.interval[1]:.3f}"
        table.add_row(escape(figure.name), str(figure.n), str(figure.positives), value, interval, figure.remark)
    return table
