"""The metadata model learns the directions that the simulation documents, and no more than its cap."""

from collections.abc import Callable

import numpy as np
import pytest

from models.metadata import MetadataModel, featurise
from models.report import Report
from models.taxonomy import Taxonomy
from training.corpus import Corpus, Example
from training.labels import CLEAN, yes
from training.metadata_model import CAP, fit_metadata, out_of_fold


@pytest.fixture(scope="module")
def model(taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> MetadataModel:
    """A metadata model fitted on made-up texts."""
    rng = np.random.default_rng(1)
    truth = rng.random(600) < 0.5
    examples = [Example("one", str(i), "a text", yes(2, "spam") if t else CLEAN) for i, t in enumerate(truth)]
    corpus = Corpus(
        examples,
        ["a text"] * 600,
        ["violation"],
        truth.astype(np.float32)[:, None],
        np.arange(600),
        np.array(["calibrate"] * 600),
    )
    path = tmp_path_factory.mktemp("metadata") / "metadata.onnx"
    raw = (rng.normal(0, 1, 600) + 2 * truth - 1).astype(np.float32)
    fit_metadata(path, raw, corpus, np.arange(600), taxonomy, seed=0)
    return MetadataModel(path, CAP)


def test_directions(model: MetadataModel, taxonomy: Taxonomy, make_report: Callable[..., Report]) -> None:
    def shift(**fields: object) -> float:
        return model.shift(0.0, featurise(make_report(None, **fields), taxonomy))

    none, one, many = (shift(subject={"prior_violations": n}) for n in (0, 1, 9))
    assert none < one < many <= CAP
    assert none < 0 < many
    assert shift(subject={"account_age_days": 2}) > shift(subject={"account_age_days": 2000})
    assert shift(reporter={"reports_filed": 40, "reports_upheld": 38}) > 0
    assert shift(reporter={"reports_filed": 40, "reports_upheld": 3}) < 0
    assert shift(exposure={"distinct_reporters": 20}) > shift(exposure={"distinct_reporters": 1})
    assert shift() == 0


def test_reasons_say_which_way(model: MetadataModel, taxonomy: Taxonomy, make_report: Callable[..., Report]) -> None:
    report = make_report(None, subject={"prior_violations": 9, "account_age_days": 4000})
    found = model.reasons(report, 0.0, featurise(report, taxonomy))
    assert {(reason.code, reason.direction) for reason in found} == {
        ("prior_violations", "raises"),
        ("subject_account_age", "lowers"),
    }
    assert "9 earlier violations" in {reason.text for reason in found}


def test_out_of_fold_has_not_seen_the_text_itself() -> None:
    rng = np.random.default_rng(2)
    raw, truth = rng.normal(size=200).astype(np.float32), (rng.random(200) < 0.5).astype(np.float32)
    found = out_of_fold(raw, truth, 0)
    assert len(np.unique(np.round(np.gradient(found[np.argsort(raw)], np.sort(raw)), 4))) > 2  # several calibrators
    assert np.isfinite(found).all()
