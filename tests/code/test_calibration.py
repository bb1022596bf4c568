"""Calibration: the arithmetic at scoring time, and fitting it on held-out texts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from models.calibration import LIMIT, Platt, logit, sigmoid
from training.calibrate import _fit, calibrate, choose_threshold, distance_limit, fit_platt, probabilities

FINITE = st.floats(-1e6, 1e6)


@given(FINITE, FINITE)
def test_sigmoid_is_a_growing_probability(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= sigmoid(low) <= sigmoid(high) <= 1


@given(st.floats(-LIMIT, LIMIT))
def test_logit_undoes_sigmoid(x: float) -> None:
    assert logit(sigmoid(x)) == pytest.approx(x, abs=1e-6)


def test_logit_is_bounded() -> None:
    assert logit(0.0) == pytest.approx(-LIMIT)
    assert logit(1.0) == pytest.approx(LIMIT)


@given(FINITE, FINITE)
def test_log_odds_grow_with_the_raw_output_within_limits(a: float, b: float) -> None:
    platt = Platt(slope=0.7, intercept=-1, covariance=(0, 0, 0.1))
    low, high = sorted((a, b))
    assert -LIMIT <= platt.log_odds(low) <= platt.log_odds(high) <= LIMIT


def test_half_width_by_hand() -> None:
    platt = Platt(slope=1, intercept=0, covariance=(0.04, 0.01, 0.09))
    assert platt.half_width(0) == pytest.approx(1.959964 * 0.3)
    assert platt.half_width(2) == pytest.approx(1.959964 * math.sqrt(0.16 + 0.04 + 0.09))
    assert Platt(slope=1, intercept=0, covariance=(0, -5, 0)).half_width(2) == 0


def test_a_slope_that_turns_the_order_round_is_refused() -> None:
    with pytest.raises(ValidationError):
        Platt(slope=-1, intercept=0, covariance=(0, 0, 0))


def test_the_fit_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(1, 3, 400).astype(np.float32)
    truth = (rng.random(400) < 1 / (1 + np.exp(-(0.8 * raw - 1)))).astype(np.float32)
    expected = LogisticRegression(C=100.0, tol=1e-10, max_iter=1000).fit(raw[:, None].astype(float), truth)
    assert _fit(raw, truth) == pytest.approx((expected.coef_[0, 0], expected.intercept_[0]), abs=2e-3)


@pytest.mark.parametrize(
    ("raw", "truth"),
    [
        ([-1, 1], [0, 1]),  # separated
        ([-100, -99, 99, 100], [0, 0, 1, 1]),
        ([5, 5, 5], [0, 1, 1]),  # says nothing
        ([-1, 1, -1, 1], [1, 0, 1, 0]),  # the wrong way round
    ],
)
def test_hard_samples_stay_finite_and_in_order(raw: list[float], truth: list[float]) -> None:
    slope, intercept = _fit(np.array(raw, np.float32), np.array(truth, np.float32))
    assert slope >= 0.05
    assert math.isfinite(slope) and math.isfinite(intercept)


def test_one_class_alone_calibrates_nothing() -> None:
    assert _fit(np.array([1, 2], np.float32), np.array([1, 1], np.float32)) == (1.0, 0.0)


def _sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 2, n).astype(np.float32)
    return raw, (rng.random(n) < 1 / (1 + np.exp(-(raw - 1)))).astype(np.float32)


def test_calibrated_means_what_it_says() -> None:
    raw, truth = _sample(4000, 1)
    platt = fit_platt(raw * 3 + 2, truth, np.array(["a", "b"] * 2000), seed=0)
    found = probabilities(platt, raw * 3 + 2)
    assert found.mean() == pytest.approx(truth.mean(), abs=0.005)
    high = found > 0.7
    assert truth[high].mean() == pytest.approx(found[high].mean(), abs=0.05)


def test_sources_that_disagree_widen_the_interval() -> None:
    raw, truth = _sample(600, 2)
    alike = fit_platt(raw, truth, np.array(["a", "b", "c"] * 200), seed=0)
    shifted = raw + np.repeat([-3, 0, 3], 200).astype(np.float32)
    apart = fit_platt(shifted, truth, np.repeat(["a", "b", "c"], 200), seed=0)
    assert apart.half_width(1.0) > 2 * alike.half_width(1.0)


def test_the_same_seed_gives_the_same_fit() -> None:
    raw, truth = _sample(200, 3)
    groups = np.array(["a", "b"] * 100)
    assert fit_platt(raw, truth, groups, 5) == fit_platt(raw, truth, groups, 5)
    assert fit_platt(raw, truth, groups, 5) != fit_platt(raw, truth, groups, 6)


def test_unknown_targets_are_left_out() -> None:
    raw, truth = _sample(300, 4)
    logits = np.column_stack([raw, raw])
    masked = truth.copy()
    masked[200:] = np.nan
    targets = np.column_stack([masked, np.full(300, np.nan)]).astype(np.float32)
    found = calibrate(["violation", "spam"], logits, targets, np.array(["a"] * 300), seed=0)
    alone = calibrate(["violation"], logits[:200, :1], targets[:200, :1], np.array(["a"] * 200), seed=0)
    assert found["violation"] == alone["violation"]
    assert found["spam"] == Platt(slope=1, intercept=0, covariance=(0, 0, 1))


def test_the_threshold_of_highest_f1() -> None:
    probability = np.linspace(0, 0.99, 100).astype(np.float32)
    found = choose_threshold(probability, (probability >= 0.6).astype(np.float32))
    assert found.value == pytest.approx(0.6, abs=0.011)
    assert found.intent == "maximum f1"


def test_too_few_positives_choose_no_threshold() -> None:
    truth = np.zeros(100, np.float32)
    truth[:9] = 1
    found = choose_threshold(np.linspace(1, 0, 100).astype(np.float32), truth)
    assert found.value == 0.5
    assert "9 positives are too few" in found.intent


def test_the_distance_limit_lets_all_but_one_in_a_hundred_pass() -> None:
    distances = np.arange(1000, dtype=np.float32)
    assert (distances > distance_limit(distances)).mean() == pytest.approx(0.01)
