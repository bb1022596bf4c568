"""What a bundle says of a suite's texts: calibrated probabilities of the text alone, one for every text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.errors import MissingData
from models.prepare import prepare
from models.scorer import Scorer
from training.calibrate import probabilities
from training.fit import signals

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """Probabilities of each output; `categories` are those that flag a case, `abstained` where the service would."""

    values: Mapping[str, Floats]
    thresholds: Mapping[str, float]
    categories: Sequence[str]
    abstained: npt.NDArray[np.bool_]

    def probability(self, output: str) -> Floats:
        """Probabilities of one output. Raises MissingData where the bundle has no such output."""
        if output not in self.values:
            raise MissingData(f"the bundle has no output {output}, which this suite needs")
        return self.values[output]

    def flagged(self, *outputs: str) -> Floats:
        """1 where any of these outputs, by default any category, reaches its threshold, else 0."""
        above = [self.probability(name) >= self.thresholds[name] for name in outputs or self.categories]
        found: Floats = np.any(above, axis=0).astype(np.float32)
        return found


def score(bundle: Bundle, texts: Sequence[str]) -> Scores:
    """Score texts as they were published. A text that the service would abstain on has its numbers all the same."""
    manifest, scorer = bundle.manifest, Scorer(bundle)
    prepared = [prepare(text, manifest.prepare).text for text in texts]
    logits, _, distances = signals(bundle.text_model, bundle.heads, prepared, "scoring")
    values = {name: probabilities(manifest.calibration[name], logits[:, k]) for k, name in enumerate(manifest.outputs)}
    return Scores(
        values,
        {name: threshold.value for name, threshold in manifest.thresholds.items()},
        [key for key in bundle.taxonomy.keys if key in manifest.thresholds],
        np.array([scorer.abstains(text, distance) for text, distance in zip(texts, distances.tolist(), strict=True)]),
    )
