"""Loading a bundle for use: read it, check its hashes, and have it reproduce its golden outputs."""

from datetime import datetime
from pathlib import Path

from models.bundle import Bundle
from models.errors import BundleRefused, FrontlineError
from models.report import Content, Report
from models.scorer import Scorer


def load_bundle(path: Path) -> Bundle:
    """Read a bundle and verify its schema, its hashes and its golden outputs. Raises BundleRefused."""
    bundle = Bundle.read(path)
    try:
        check_golden(bundle)
    except FrontlineError:
        raise
    except Exception as error:  # whatever a part holds; the messages of libraries may quote texts
        raise BundleRefused(f"{path}: its graphs cannot be used ({type(error).__qualname__})") from error
    return bundle


def check_golden(bundle: Bundle) -> None:
    """Score the golden inputs and compare. Raises BundleRefused, which says how far off the worst one is."""
    scorer = Scorer(bundle)
    now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    worst = 0.0
    for i, golden in enumerate(bundle.manifest.golden):
        score = scorer.score(Report(report_id=f"golden-{i}", content=Content(text=golden.text)), received_at=now)
        expected = (golden.violation, golden.expected_severity)
        found = (score.violation.probability, score.severity.expected if score.severity else None)
        if [v is None for v in expected] != [v is None for v in found]:
            raise BundleRefused(f"{bundle.path}: golden input {i} abstains where it should not, or the reverse")
        worst = max(
            [worst, *(abs(a - b) for a, b in zip(expected, found, strict=True) if a is not None and b is not None)]
        )
    if worst > (limit := bundle.manifest.golden_tolerance):
        raise BundleRefused(f"{bundle.path}: golden outputs differ by {worst:.4f}, more than {limit:g}")
