"""Champion against challenger, on texts that neither was trained on: the figures, the verdict, the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from models.bundle import Bundle
from training.calibrate import probabilities
from training.corpus import AUTHORED, Corpus
from training.decisions import DECISIONS
from training.evaluate import binary
from training.fit import Recipe, signals

Floats = npt.NDArray[np.float32]
MARGIN = 0.02  # how much average precision or Brier score a challenger may lose on any part and still pass


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


def show(comparisons: list[Comparison]) -> Table:
    """The comparison as a table."""
    table = Table("part", "n", "positives", "metric", "champion", "challenger", "passed", title="P(violation)")
    for found in comparisons:
        for metric in ("average_precision", "brier"):
            cells = [str(found.champion["n"]), str(found.champion["positives"]), metric.replace("_", " ")]
            cells += [_cell(side[metric]) for side in (found.champion, found.challenger)]
            table.add_row(found.part, *cells, "yes" if found.passed else "no")
    return table


def _cell(figure: Mapping[str, Any]) -> str:
    return "–" if figure["value"] is None else f"{figure['value']:.3f} {figure['interval']}"
