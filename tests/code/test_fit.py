"""What a bundle is made of besides its weights."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.calibration import Platt
from training.corpus import AUTHORED, AUXILIARY, Corpus, Example, outputs_of, targets
from training.fit import Recipe, Text, _auxiliary, fit_bundle
from training.heads import HeadWeights, read_heads
from training.labels import Labels, complete_labels

AS_IS = Platt(slope=1, intercept=0)


@pytest.mark.parametrize(("asked", "chosen"), [(60, "maximum expected f1"), (8, "0.5: "), (0, "0.5: ")])
def test_the_auxiliary_output_has_a_threshold(loaded: Bundle, asked: int, chosen: str) -> None:
    texts = [f"women are {'useless' if i % 2 else 'here'}, said number {i}" for i in range(60)]
    outputs = [*loaded.manifest.outputs[: loaded.manifest.outputs.index("severity_4") + 1], AUXILIARY]
    targets = np.full((60, len(outputs)), np.nan, np.float32)
    targets[:asked, -1] = [i % 2 for i in range(asked)]
    corpus = Corpus(
        [Example("asked", str(i), text, Labels()) for i, text in enumerate(texts)],
        texts,
        outputs,
        targets,
        np.arange(60),
        np.array(["calibrate"] * 60),
    )
    platt, threshold = _auxiliary(corpus, loaded.text_model, loaded.heads, AS_IS)
    assert threshold.intent.startswith(chosen)
    assert 0 <= threshold.value <= 1
    assert (platt == AS_IS) == (asked == 0)


def test_heads_without_the_auxiliary_output_make_a_bundle_without_it(loaded: Bundle, tmp_path: Path) -> None:
    learned = loaded.taxonomy.learned
    outputs = [*outputs_of(learned), AUXILIARY]
    labels = [complete_labels([learned[i // 2 % len(learned)]] if i % 2 else [], 2 * (i % 2)) for i in range(120)]
    texts = [
        f"{'Replica watches' if i % 2 else 'A cup of tea'} with the words {i} and {i * 7 % 120}" for i in range(120)
    ]
    corpus = Corpus(
        [Example(AUTHORED, str(i), text, label) for i, (text, label) in enumerate(zip(texts, labels, strict=True))],
        texts,
        outputs,
        np.array([targets(label, outputs) for label in labels], np.float32),
        np.arange(120),
        np.array(["calibrate"] * 80 + ["test"] * 40),
    )
    weights, whitening = read_heads(loaded.path / "heads.onnx")
    older = HeadWeights(weights.weights[:, :-1], weights.bias[:-1])
    recipe = Recipe(loaded.name, loaded.taxonomy, loaded.path / "taxonomy.yaml", corpus, [], 7, resamples=5)
    (tmp_path / "work").mkdir()
    text = Text(loaded.manifest.text_model, loaded.path)
    found = fit_bundle(recipe, text, older, tmp_path / "work", tmp_path / "out", whitening).manifest
    assert found.outputs == list(found.calibration) == outputs[:-1]
    assert AUXILIARY not in found.thresholds
