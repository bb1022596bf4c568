"""The heads: scikit-learn's answer without a start, a pull towards it with one, and the same numbers in ONNX."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from models.runtime import Heads
from training.heads import HeadWeights, Whitening, fit_heads, read_heads, write_heads

rng = np.random.default_rng(0)
EMBEDDINGS = rng.normal(size=(400, 5)).astype(np.float32) * np.array([1, 2, 0.5, 1, 3], np.float32)
TARGETS = np.column_stack([EMBEDDINGS[:, 0] + rng.normal(size=400) > 0, EMBEDDINGS[:, 1] > 1]).astype(np.float32)


def test_the_fit_is_a_logistic_regression() -> None:
    found = fit_heads(EMBEDDINGS, TARGETS)
    scale = EMBEDDINGS.std(axis=0) + 1e-6
    for k in range(2):
        expected = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(EMBEDDINGS / scale, TARGETS[:, k])
        np.testing.assert_allclose(found.weights[:, k] * scale, expected.coef_[0], atol=2e-3)
        assert found.bias[k] == pytest.approx(expected.intercept_[0], abs=2e-3)


def test_unknown_targets_teach_nothing() -> None:
    half = TARGETS.copy()
    half[200:] = np.nan
    half[:, 1] = np.nan
    start = HeadWeights(np.ones((5, 2), np.float32), np.array([0.5, -0.5], np.float32))
    found = fit_heads(EMBEDDINGS, half, start)
    np.testing.assert_allclose(found.weights[:, 1], 1, rtol=1e-6)
    assert found.bias[1] == pytest.approx(-0.5)
    flipped = half.copy()
    flipped[:200, 0] = 1 - flipped[:200, 0]
    assert not np.allclose(fit_heads(EMBEDDINGS, flipped, start).weights[:, 0], found.weights[:, 0], atol=0.1)


def test_little_evidence_stays_near_the_start() -> None:
    start = HeadWeights(np.full((5, 1), 0.7, np.float32), np.zeros(1, np.float32))

    def moved(rows: int, strength: float) -> float:
        found = fit_heads(EMBEDDINGS[:rows], TARGETS[:rows, 1:], start, strength)
        return float(np.abs((found.weights - start.weights) * EMBEDDINGS[:rows].std(axis=0)[:, None]).max())

    assert moved(10, 0.01) < 0.1 < moved(400, 0.01)
    assert moved(400, 0.001) < moved(400, 0.1) < moved(400, 10)


def test_onnx_equals_numpy(tmp_path: Path) -> None:
    heads, whitening = fit_heads(EMBEDDINGS, TARGETS), Whitening.fit(EMBEDDINGS)
    write_heads(tmp_path / "heads.onnx", heads, whitening, 1)
    logits, distance = Heads(tmp_path / "heads.onnx").run(EMBEDDINGS)
    layer = EMBEDDINGS @ heads.weights + heads.bias
    np.testing.assert_allclose(logits[:, 1], layer[:, 1], atol=1e-5)
    np.testing.assert_allclose(logits[:, 0], layer.sum(axis=1), atol=1e-5)  # of one category the sum is itself
    white = (EMBEDDINGS - whitening.mean) @ whitening.root
    np.testing.assert_allclose(distance, (white**2).sum(axis=1), rtol=1e-4)
    one, alone = Heads(tmp_path / "heads.onnx").run(EMBEDDINGS[:1])
    np.testing.assert_allclose(one[0], logits[0], atol=1e-6)
    np.testing.assert_allclose(alone[0], distance[0], rtol=1e-5)


def test_a_violation_gathers_the_categories(tmp_path: Path) -> None:
    heads = HeadWeights(rng.normal(size=(5, 6)).astype(np.float32) * 20, rng.normal(size=6).astype(np.float32))
    write_heads(tmp_path / "heads.onnx", heads, Whitening.fit(EMBEDDINGS), 3)
    found = Heads(tmp_path / "heads.onnx").run(EMBEDDINGS)[0]
    layer = EMBEDDINGS @ heads.weights + heads.bias
    np.testing.assert_allclose(found[:, 0], layer[:, 0] + logsumexp(layer[:, 1:4], axis=1), rtol=1e-4)
    np.testing.assert_allclose(found[:, 1:], layer[:, 1:], rtol=1e-4)


def test_weights_are_read_back(tmp_path: Path) -> None:
    heads, whitening = fit_heads(EMBEDDINGS, TARGETS), Whitening.fit(EMBEDDINGS)
    write_heads(tmp_path / "heads.onnx", heads, whitening, 1)
    again, same = read_heads(tmp_path / "heads.onnx")
    np.testing.assert_array_equal(again.weights, heads.weights)
    np.testing.assert_array_equal(again.bias, heads.bias)
    np.testing.assert_array_equal(same.root, whitening.root)


def test_distance_is_mahalanobis() -> None:
    whitening = Whitening.fit(EMBEDDINGS)
    white = (EMBEDDINGS - whitening.mean) @ whitening.root
    assert (white**2).sum(axis=1).mean() == pytest.approx(5, rel=0.1)  # as many as there are dimensions
    far = (10 * EMBEDDINGS.std(axis=0) - whitening.mean) @ whitening.root
    assert (far**2).sum() > 100


def test_the_same_input_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_heads(tmp_path / name / "heads.onnx", fit_heads(EMBEDDINGS, TARGETS), Whitening.fit(EMBEDDINGS), 1)
    assert (tmp_path / "a" / "heads.onnx").read_bytes() == (tmp_path / "b" / "heads.onnx").read_bytes()
