"""Evaluation: figures on cases worked out by hand, and intervals that hold their value."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import Platt
from training.corpus import AUTHORED, Corpus, Example
from training.evaluate import at_prevalence, binary, calibration_error, evaluate, question, reliability
from training.intervals import with_interval
from training.labels import CLEAN, Labels, yes
from training.slices import identity_slices

TRUTH = np.array([1, 1, 0, 1, 0, 0], np.float32)
PROBABILITY = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], np.float32)


def test_by_hand() -> None:
    found = binary(TRUTH, PROBABILITY, 0.5, seed=0, resamples=50)
    assert (found["n"], found["positives"]) == (6, 3)
    assert found["average_precision"]["value"] == pytest.approx((1 + 1 + 3 / 4) / 3, abs=1e-4)
    assert found["roc_auc"]["value"] == pytest.approx(8 / 9, abs=1e-4)
    assert found["precision"]["value"] == pytest.approx(3 / 4)
    assert found["recall"]["value"] == pytest.approx(1.0)
    assert found["f1"]["value"] == pytest.approx(6 / 7, abs=1e-4)
    assert found["brier"]["value"] == pytest.approx((0.01 + 0.04 + 0.49 + 0.16 + 0.04 + 0.01) / 6, abs=1e-4)


def test_nothing_flagged_is_precision_zero() -> None:
    found = binary(TRUTH, PROBABILITY, 0.95, seed=0, resamples=50)
    assert found["precision"]["value"] == found["recall"]["value"] == found["f1"]["value"] == 0


def test_calibration_error_by_hand() -> None:
    sure = np.full(150, 0.75, np.float32)
    truth = np.array([1, 1, 1, 0] * 37 + [1, 1], np.float32)
    assert calibration_error(truth, sure) == pytest.approx(np.mean([abs(b.mean() - 0.75) for b in np.split(truth, 15)]))
    assert calibration_error(np.ones(30, np.float32), np.full(30, 0.4, np.float32)) == pytest.approx(0.6)
    assert calibration_error(np.ones(30, np.float32), np.ones(30, np.float32)) == 0


def test_average_precision_at_another_prevalence_by_hand() -> None:
    # At its own prevalence nothing changes; where positives are a ninth as common each negative weighs nine times.
    assert at_prevalence(TRUTH, PROBABILITY, 0.5) == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert at_prevalence(TRUTH, PROBABILITY, 0.1) == pytest.approx((1 + 1 + 3 / (3 + 9)) / 3)


def test_reliability_adds_up_to_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(300).astype(np.float32)
    truth = (rng.random(300) < probability**2).astype(np.float32)
    bins = reliability(truth, probability)
    assert sum(b["n"] for b in bins) == 300
    gaps = sum(b["n"] * abs(b["share"] - b["probability"]) for b in bins) / 300
    assert gaps == pytest.approx(calibration_error(truth, probability), abs=1e-3)


@given(st.integers(0, 10**6), st.integers(20, 200))
def test_intervals_hold_their_value(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.4).astype(np.float32)
    truth[:2] = 0, 1
    found = with_interval(lambda t, p: float((t == (p > 0.5)).mean()), truth, rng.random(n).astype(np.float32), 0, 60)
    low, high = found["interval"]
    assert low - 0.02 <= found["value"] <= high + 0.02
    assert high - low < 6 * sqrt(0.25 / n) + 0.01


def test_more_texts_narrow_the_interval() -> None:
    def width(times: int) -> float:
        found = binary(np.tile(TRUTH, times), np.tile(PROBABILITY, times), 0.5, seed=0, resamples=100)
        low, high = found["roc_auc"]["interval"]
        return float(high - low)

    assert width(100) < width(10) / 2


@pytest.mark.parametrize("truth", [[], [0, 0, 0], [1, 1]])
def test_one_class_alone_has_no_figure(truth: list[float]) -> None:
    found = binary(np.array(truth, np.float32), np.full(len(truth), 0.5, np.float32), 0.5, 0, 20)
    assert found["roc_auc"] == {"value": None, "interval": None}
    assert found["claim"] is False


@pytest.mark.parametrize(("positives", "claim"), [(49, False), (50, True)])
def test_few_positives_make_no_claim(positives: int, claim: bool) -> None:
    truth = np.repeat([1, 0], [positives, 60]).astype(np.float32)
    assert binary(truth, truth, 0.5, 0, 5)["claim"] is claim


def test_the_same_seed_gives_the_same_interval() -> None:
    assert binary(TRUTH, PROBABILITY, 0.5, 1, 30) == binary(TRUTH, PROBABILITY, 0.5, 1, 30)
    assert binary(TRUTH, PROBABILITY, 0.5, 1, 30) != binary(TRUTH, PROBABILITY, 0.5, 2, 30)


def test_the_question_of_a_source() -> None:
    names = ["violation", "spam", "severity_2"]
    nan = np.nan
    assert question(np.array([[nan, 1, 1], [nan, 0, 0]]), names) == "spam"
    assert question(np.array([[1, nan, 1], [0, nan, 0]]), names) == "violation"
    assert question(np.array([[1, 1, 1], [1, 1, 0]]), names) is None
    assert question(np.full((2, 3), nan), names) is None


def test_a_whole_evaluation() -> None:
    outputs = ["violation", "spam", "severity_2", "severity_3", "severity_4"]
    labels = [yes(2, "spam"), CLEAN] * 20
    sources = [AUTHORED] * 20 + ["other"] * 20
    examples = [
        Example(source, str(i), "a text", Labels({}, label.violation, label.severity))
        for i, (source, label) in enumerate(zip(sources, labels, strict=True))
    ]
    truth = np.array([[1, 1, 1, 0, np.nan], [0, 0, np.nan, np.nan, np.nan]] * 20, np.float32)
    truth[20:, 1] = np.nan
    corpus = Corpus(examples, ["a text"] * 40, outputs, truth, np.arange(40), np.array(["test"] * 40))
    calibration = {name: Platt(slope=1, intercept=0) for name in outputs}
    logits = np.where(np.isfinite(truth), 16 * np.nan_to_num(truth) - 8, -8).astype(np.float32)
    found = evaluate(corpus, np.arange(40), logits, calibration, {}, seed=0, resamples=20)
    assert (found["violation"]["n"], found["authored"]["violation"]["n"]) == (40, 20)
    assert found["violation"]["roc_auc"]["value"] == 1
    assert found["violation"]["claim"] is False
    assert found["sources"]["other"]["output"] == "violation"
    assert found["severity"]["n"] == 20
    assert found["severity"]["within_one"]["value"] == 1
    assert found["severity"]["quadratic_kappa"]["value"] == 1
    assert found["severity"]["off_by_one"]["value"] == 0
    assert found["macro"] is None


def test_a_group_whose_mere_name_raises_the_score_shows() -> None:
    named = ["my muslim neighbour"] * 40 + ["the weather"] * 40
    truth = np.array(([1] * 20 + [0] * 20) * 2, np.float32)
    fair = truth * 0.8 + 0.1
    biased = np.where(np.arange(80) < 40, 0.95, fair).astype(np.float32)
    assert identity_slices(named, truth, fair)["muslim"] == {
        "n": 40, "positives": 20, "subgroup_auc": 1.0, "bpsn_auc": 1.0, "bnsp_auc": 1.0,
    }  # fmt: skip
    found = identity_slices(named, truth, biased)["muslim"]
    assert found["bpsn_auc"] == 0.0
    assert found["bnsp_auc"] == 1.0
    assert identity_slices(named[20:], truth[20:], fair[20:]) == {}  # too few positives to say
