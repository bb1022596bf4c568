"""Measuring a bundle again: with its own preparation, and saying where data or figures differ from its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.bundle import Bundle
from models.prepare import VERSION, prepare
from training import reproduce
from training.corpus import AUTHORED, Corpus, Example
from training.labels import Labels
from training.reproduce import difference, measure, other_data

SPACED = "you are an i d i o t"


def changed(bundle: Bundle, **fields: Any) -> Bundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update=fields))


@pytest.mark.parametrize("version", ["prepare.v1", VERSION])
def test_texts_are_prepared_as_the_bundle_has_it(loaded: Bundle, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, sent = loaded.manifest.outputs, [SPACED, "a walk by the sea"]
    corpus = Corpus(
        [Example(AUTHORED, str(i), text, Labels(severity=0)) for i, text in enumerate(sent)],
        [prepare(text).text for text in sent],
        outputs,
        np.full((2, len(outputs)), np.nan, np.float32),
        np.arange(2),
        np.array(["test"] * 2),
    )
    read: list[str] = []

    def seen(model: object, heads: object, texts: list[str], what: str) -> tuple[np.ndarray, None, None]:
        read.extend(texts)
        return np.zeros((len(texts), len(outputs)), np.float32), None, None

    monkeypatch.setattr(reproduce, "signals", seen)
    found = measure(changed(loaded, prepare=version), corpus, 7, 5)
    assert found["violation"]["n"] == 0
    assert read == [prepare(text, version).text for text in sent]
    assert (read[0] == SPACED) == (version == "prepare.v1")


def test_figures_are_compared_and_counts_are_not() -> None:
    then = {
        "violation": {
            "n": 100,
            "positives": 40,
            "prevalence": 0.03,
            "roc_auc": {"value": 0.9, "interval": [0.8, 0.95]},
            "brier": {"value": None, "interval": None},
        },
        "macro": 0.5,
        "identities": {"old": {"n": 50, "positives": 20, "bpsn_auc": 0.7}},
        "severity": {"n": 9, "critical": 3, "exact": {"value": 0.4, "interval": [0.1, 0.6]}},
    }
    now = {
        "violation": {"n": 112, "positives": 52, "prevalence": 0.5, "roc_auc": {"value": 0.91, "interval": [0.1, 1.0]}},
        "macro": 0.48,
        "identities": {"old": {"n": 20, "positives": 8, "bpsn_auc": 0.73}, "men": {"bpsn_auc": 0.1}},
        "severity": {"n": 7, "critical": 1, "exact": {"value": 0.4, "interval": [0.0, 0.9]}},
    }
    gap, names = difference(then, now)
    assert gap == pytest.approx(0.03)
    assert names == 4  # ROC AUC, macro, BPSN AUC and exact: what both have
    assert difference(then, then) == (0, 4)


def test_a_real_evaluation_is_as_far_as_it_gets_from_itself(loaded: Bundle) -> None:
    gap, names = difference(loaded.manifest.evaluation, loaded.manifest.evaluation)
    assert gap == 0
    assert names > 50


def test_other_data_are_named(loaded: Bundle) -> None:
    rows = [{"name": name, "sha256": f"{name} then"} for name in ("authored", "a", "b", "c")]
    bundle = changed(loaded, training_data=rows)
    assert other_data(bundle, rows) == ""
    now = [
        {"name": "a", "sha256": "a now"},
        {"name": "b", "sha256": "b then"},
        {"name": "authored", "sha256": "authored now"},
        {"name": "d", "sha256": "d now"},
    ]
    assert other_data(bundle, now) == "other content: authored, a; missing: c; added: d"
    assert other_data(changed(bundle, prepare="prepare.v1"), rows) == "other preparation: prepare.v1"
