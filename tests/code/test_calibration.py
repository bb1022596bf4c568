"""Calibration: the arithmetic at scoring time, and fitting it on held-out texts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from models.calibration import LIMIT, Band, Platt, logit, sigmoid
from training.calibrate import calibrate, distance_limit, fit_band, fit_platt, probabilities

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
    platt = Platt(slope=0.7, intercept=-1)
    low, high = sorted((a, b))
    assert -LIMIT <= platt.log_odds(low) <= platt.log_odds(high) <= LIMIT


def test_the_band_is_straight_between_its_points_and_level_beyond() -> None:
    band = Band(raw=[-1, 0, 2], low=[-3, -1, 1], high=[-1, 1, 4])
    assert band.at(-9) == (-3, -1)
    assert band.at(-0.5) == (-2, 0)
    assert band.at(1) == (0, 2.5)
    assert band.at(9) == (1, 4)


def test_a_slope_that_turns_the_order_round_is_refused() -> None:
    with pytest.raises(ValidationError):
        Platt(slope=-1, intercept=0)


def test_the_fit_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(1, 3, 400).astype(np.float32)
    truth = (rng.random(400) < 1 / (1 + np.exp(-(0.8 * raw - 1)))).astype(np.float32)
    expected = LogisticRegression(C=100.0, tol=1e-10, max_iter=1000).fit(raw[:, None].astype(float), truth)
    found = fit_platt(raw, truth)
    assert (found.slope, found.intercept) == pytest.approx((expected.coef_[0, 0], expected.intercept_[0]), abs=2e-3)


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
    found = fit_platt(np.array(raw, np.float32), np.array(truth, np.float32))
    assert found.slope >= 0.05
    assert math.isfinite(found.slope) and math.isfinite(found.intercept)


def test_one_class_alone_calibrates_nothing() -> None:
    assert fit_platt(np.array([1, 2], np.float32), np.array([1, 1], np.float32)) == Platt(slope=1, intercept=0)


def _sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 2, n).astype(np.float32)
    return raw, (rng.random(n) < 1 / (1 + np.exp(-(raw - 1)))).astype(np.float32)


def test_calibrated_means_what_it_says() -> None:
    raw, truth = _sample(4000, 1)
    platt = fit_platt(raw * 3 + 2, truth)
    found = probabilities(platt, raw * 3 + 2)
    assert found.mean() == pytest.approx(truth.mean(), abs=0.005)
    high = found > 0.7
    assert truth[high].mean() == pytest.approx(found[high].mean(), abs=0.05)


ABC = np.array(["a", "b", "c"])


def _band(raw: np.ndarray, truth: np.ndarray, groups: np.ndarray, seed: int = 0) -> Band:
    band = fit_band(raw, truth, groups, fit_platt(raw, truth), seed)
    assert band is not None
    return band


def test_sources_that_disagree_widen_the_interval() -> None:
    raw, truth = _sample(600, 2)
    alike = _band(raw, truth, np.tile(ABC, 200)).at(1.0)
    apart = _band(raw + np.repeat([-3, 0, 3], 200).astype(np.float32), truth, np.repeat(ABC, 200)).at(1.0)
    assert apart[1] - apart[0] > 1.5 * (alike[1] - alike[0])


def test_the_interval_holds_the_point_and_the_truth() -> None:
    raw, truth = _sample(600, 5)
    platt, band = fit_platt(raw, truth), _band(raw, truth, np.tile(ABC, 200))
    unseen, answers = _sample(4000, 6)
    for low, high in ((-2, -1), (-1, 0), (0, 1), (1, 2)):
        inside = (unseen >= low) & (unseen < high)
        ends = band.at(float(unseen[inside].mean()))
        assert ends[0] <= platt.log_odds(float(unseen[inside].mean())) <= ends[1]
        assert sigmoid(ends[0]) - 0.05 <= answers[inside].mean() <= sigmoid(ends[1]) + 0.05


def test_the_same_seed_gives_the_same_interval() -> None:
    raw, truth = _sample(200, 3)
    groups = np.array(["a", "b"] * 100)
    assert _band(raw, truth, groups, 5) == _band(raw, truth, groups, 5)
    assert _band(raw, truth, groups, 5) != _band(raw, truth, groups, 6)


def test_one_class_alone_knows_nothing() -> None:
    raw = np.array([1, 2], np.float32)
    assert fit_band(raw, np.ones(2, np.float32), np.array(["a", "a"]), Platt(slope=1, intercept=0), 0) is None


def test_unknown_targets_are_left_out() -> None:
    raw, truth = _sample(300, 4)
    logits = np.column_stack([raw, raw])
    masked = truth.copy()
    masked[200:] = np.nan
    targets = np.column_stack([masked, np.full(300, np.nan)]).astype(np.float32)
    found = calibrate(["violation", "spam"], logits, targets)
    alone = calibrate(["violation"], logits[:200, :1], targets[:200, :1])
    assert found["violation"] == alone["violation"]
    assert found["spam"] == Platt(slope=1, intercept=0)


def test_the_distance_limit_lets_all_but_one_in_a_hundred_pass() -> None:
    distances = np.arange(1000, dtype=np.float32)
    assert (distances > distance_limit(distances)).mean() == pytest.approx(0.01)
