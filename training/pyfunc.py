"""The MLflow model around a bundle: a frame with a `text` column in, the same scorer's answers out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from models.loading import load_bundle
from models.report import MAX_TEXT, Content, Report
from models.scorer import Scorer


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Scores texts with a logged bundle."""

    def load_context(self, context: Any) -> None:
        """Load and verify the bundle."""
        self.scorer = Scorer(load_bundle(Path(context.artifacts["bundle"])))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Texts [n] → violation probability, expected severity, abstained, and a probability a category."""
        del context, params
        rows = []
        for i, text in enumerate(model_input["text"]):
            known = text[:MAX_TEXT] if isinstance(text, str) else None  # pandas writes NaN for what is missing
            report = Report(report_id=str(i), content=Content(text=known))
            score = self.scorer.score(report, received_at=datetime.now(UTC))
            rows.append(
                {
                    "violation": score.violation.probability,
                    "severity": score.severity.expected if score.severity else None,
                    "abstained": score.abstained,
                    **{c.category: c.probability for c in score.categories},
                }
            )
        return pd.DataFrame(rows)


mlflow.models.set_model(BundleModel())
