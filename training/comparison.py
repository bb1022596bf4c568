"""Champion against challenger, on texts that neither was trained on: the figures, the verdict, the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.table import Table

from models.bundle import Bundle
from training.calibrate import probabilities
from training.corpus import AUTHORED, DECISIONS, OURS, Corpus
from training.evaluate import MIN_CLAIM, REAL, binary
from training.fit import Recipe, signals

Floats = npt.NDArray[np.float32]
MARGIN = 0.02  # how much average precision or Brier score a challenger may lose on any part and still pass
HELD_OUT = 0.2  # newest share of the decided texts, which the challenger never learns from
PASSED: Literal["passed"] = "passed"
NEWEST = "newest decisions"


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on one held-out part: figures of P(violation)."""

    part: str
    champion: Mapping[str, Any]
    challenger: Mapping[str, Any]

    @property
    def verdict(self) -> Literal["passed", "failed", "too few"]:
        """Whether the challenger is no worse than the champion, within the margin, where texts are enough to say."""
        if not MIN_CLAIM <= self.champion["positives"] < self.champion["n"]:
            return "too few"
        no_worse = self._gain("average_precision") >= -MARGIN and -self._gain("brier") >= -MARGIN
        return PASSED if no_worse else "failed"

    @property
    def shortage(self) -> str:
        """What a part with too few texts holds, and what more it takes."""
        n, positives = self.champion["n"], self.champion["positives"]
        if positives >= MIN_CLAIM:
            return f"all {n} texts of {self.part} are violations, and it takes some that are none"
        said = f"{positives} of the {n} texts of {self.part} are violations, and it takes {MIN_CLAIM}"
        if self.part != NEWEST:
            return said
        more = round((MIN_CLAIM - positives) / HELD_OUT)
        return f"{said}: at most {more} more decided violations, as one decided text in {1 / HELD_OUT:.0f} is held out"

    def _gain(self, metric: str) -> float:
        return float(self.challenger[metric]["value"] - self.champion[metric]["value"])


def compare(champion: Bundle, challenger: Bundle, corpus: Corpus, seed: int) -> list[Comparison]:
    """Both bundles on the authored test part, the newest decisions, and the public test parts at hand."""
    rows = corpus.where("test")
    rows = rows[np.isfinite(corpus.targets[rows, 0])]
    values = [_violation(bundle, [corpus.texts[i] for i in rows]) for bundle in (champion, challenger)]
    truth, sources = corpus.targets[rows, 0], corpus.sources[rows]
    parts = {
        "authored": sources == AUTHORED,
        NEWEST: sources == DECISIONS,
        "public tests": ~np.isin(sources, OURS),
    }
    found = []
    for name, mask in parts.items():
        if mask.any():
            texts = [(truth[mask], value[mask]) for value in values]
            both = [binary(*text, 0.5, seed, Recipe.resamples, REAL["violation"]) for text in texts]
            found.append(Comparison(name, *both))
    return found


def conclusion(comparisons: Sequence[Comparison]) -> str:
    """The verdict on all parts together, with the reason where the challenger did not pass."""
    if failed := [found.part for found in comparisons if found.verdict == "failed"]:
        return f"failed: worse than the champion on {' and '.join(failed)}"
    few = [found.shortage for found in comparisons if found.verdict == "too few"]
    if NEWEST not in {found.part for found in comparisons}:
        few.append("nothing was decided since the champion learnt from decisions")
    if few:
        return f"too few texts to say: {'; '.join(few)}"
    return PASSED


def _violation(bundle: Bundle, texts: list[str]) -> Floats:
    logits, _, _ = signals(bundle.text_model, bundle.heads, texts, f"comparing {bundle.digest[7:15]}")
    return probabilities(bundle.manifest.calibration["violation"], logits[:, 0])


def show(comparisons: list[Comparison]) -> Table:
    """The comparison as a table."""
    table = Table("part", "n", "positives", "metric", "champion", "challenger", "verdict", title="P(violation)")
    for found in comparisons:
        for metric in ("average_precision", "brier"):
            cells = [str(found.champion["n"]), str(found.champion["positives"]), metric.replace("_", " ")]
            cells += [_cell(side[metric]) for side in (found.champion, found.challenger)]
            table.add_row(found.part, *cells, found.verdict)
    return table


def _cell(figure: Mapping[str, Any]) -> str:
    return "–" if figure["value"] is None else f"{figure['value']:.3f} {figure['interval']}"
