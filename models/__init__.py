"""What a score is: taxonomy, report, score, text preparation, runtime, calibration, priority, bundle and scorer."""

from models.bundle import Bundle
from models.errors import BundleRefused, FrontlineError, InvalidReport, InvalidTaxonomy, MissingData
from models.loading import load_bundle
from models.report import Report, parse_report
from models.score import Score
from models.scorer import Scorer
from models.taxonomy import Severity, Taxonomy

__all__ = [
    "Bundle",
    "BundleRefused",
    "FrontlineError",
    "InvalidReport",
    "InvalidTaxonomy",
    "MissingData",
    "Report",
    "Score",
    "Scorer",
    "Severity",
    "Taxonomy",
    "load_bundle",
    "parse_report",
]
