"""The metadata classifier: a logistic regression on the text's log-odds and (simulated) report metadata."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from skl2onnx import to_onnx
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.metadata import featurise
from models.taxonomy import Taxonomy
from training.calibrate import fit_platt
from training.corpus import Corpus
from training.simulate import simulate_report

Floats = npt.NDArray[np.float32]
CAP = 1.5  # log-odds; what simulated data taught must not outweigh the text
DRAWS = 3  # simulated reports a text
TOLERANCE = 1e-5


def out_of_fold(raw: Floats, truth: Floats, seed: int) -> Floats:
    """Log-odds of each text from a calibrator that has not seen it; the encoder has seen none of them."""
    found = np.empty_like(raw)
    for fit, held in StratifiedKFold(5, shuffle=True, random_state=seed).split(raw[:, None], truth):
        platt = fit_platt(raw[fit], truth[fit])
        found[held] = platt.slope * raw[held] + platt.intercept
    return found


def fit_metadata(
    path: Path, raw: Floats, corpus: Corpus, rows: npt.NDArray[np.int64], taxonomy: Taxonomy, seed: int
) -> None:
    """Fit on calibration texts with a known violation label and write metadata.onnx, checked against scikit-learn.

    `raw` [len(rows)] are the violation head's outputs. Raises RuntimeError where ONNX and scikit-learn differ.
    """
    truth = corpus.targets[rows, corpus.outputs.index("violation")]
    log_odds = out_of_fold(raw, truth, seed)
    rng = np.random.default_rng(seed)
    features, labels = [], []
    for i, row in enumerate(rows.tolist()):
        positive = [category for category, holds in corpus.examples[row].labels.categories.items() if holds]
        for _ in range(DRAWS):
            report = simulate_report(bool(truth[i]), positive, taxonomy, rng)
            features.append(np.concatenate([[log_odds[i]], featurise(report, taxonomy)]))
            labels.append(int(truth[i]))
    inputs = np.array(features, dtype=np.float32)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())
    model.fit(inputs, labels)
    graph = to_onnx(model, inputs[:1], options={"zipmap": False}, target_opset=18, initial_types=None, final_types=None)
    graph.graph.input[0].name, old = "features", graph.graph.input[0].name
    for node in graph.graph.node:
        node.input[:] = ["features" if name == old else name for name in node.input]
    path.write_bytes(graph.SerializeToString(deterministic=True))
    served = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        ["probabilities"], {"features": inputs[:500]}
    )[0]
    worst = float(np.abs(served - model.predict_proba(inputs[:500])).max())
    if worst > TOLERANCE:
        raise RuntimeError(f"metadata.onnx differs from scikit-learn by {worst:.2g}")
