"""Simulated report metadata: no public labelled data has any. Every assumption about it stands in this module.

Given whether a text truly violates, fields are drawn independently of each other:

- subjects who violate have younger accounts (log-normal medians 120 against 500 days) and more earlier violations
  (Poisson means 0.9 against 0.25); followers do not depend on it (median 150).
- reporters have a latent accuracy: Beta(8, 2.5) behind reports of violations, Beta(5, 3.5) behind the others. They
  filed a geometric number of reports (mean 12), upheld with that accuracy. Account age is unrelated.
- the reporter is the target in 35 % of the reports of violations and 20 % of the others.
- violations gather more reporters (geometric means 2.5 against 1.5).
- the reason is the true category in 70 % of violations; else, and for all other reports, any reason at random.
- each field is absent in 30 % of the reports, and one report in four has no metadata at all.

What is learnt from this is marked simulated in the bundle, its effect is capped, and quality figures leave it out.
"""

from typing import Any

import numpy as np

from models.report import Content, Exposure, Report, Reporter, Subject
from models.taxonomy import Taxonomy

ABSENT_FIELD = 0.3
ABSENT_ALL = 0.25


def simulate_report(violation: bool, categories: list[str], taxonomy: Taxonomy, rng: np.random.Generator) -> Report:
    """Draw the metadata of one report, given its true label; the text is left out."""
    if rng.random() < ABSENT_ALL:
        return Report(report_id="simulated", content=Content())
    accuracy = rng.beta(8, 2.5) if violation else rng.beta(5, 3.5)
    filed = int(rng.geometric(1 / 12))
    subject = {
        "account_age_days": float(rng.lognormal(np.log(120 if violation else 500), 1.3)),
        "prior_violations": int(rng.poisson(0.9 if violation else 0.25)),
        "followers": int(rng.lognormal(np.log(150), 2)),
    }
    reporter = {
        "account_age_days": float(rng.lognormal(np.log(400), 1.3)),
        "reports_filed": filed,
        "reports_upheld": int(rng.binomial(filed, accuracy)),
        "is_target": bool(rng.random() < (0.35 if violation else 0.2)),
    }
    exposure = {"distinct_reporters": int(rng.geometric(1 / (2.5 if violation else 1.5)))}
    return Report(
        report_id="simulated",
        content=Content(),
        subject=Subject(**_keep(subject, rng)),
        reporter=Reporter(**_keep(reporter, rng)),
        exposure=Exposure(**_keep(exposure, rng)),
        reason=None if rng.random() < ABSENT_FIELD else _reason(categories, taxonomy, rng),
    )


def _keep(fields: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if rng.random() >= ABSENT_FIELD}


def _reason(categories: list[str], taxonomy: Taxonomy, rng: np.random.Generator) -> str:
    if categories and rng.random() < 0.7:
        return str(rng.choice(taxonomy[str(rng.choice(categories))].reasons))
    return str(rng.choice([reason for c in taxonomy.categories if c.learned for reason in c.reasons]))
