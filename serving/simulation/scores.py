"""What the model says in one run: a bundle's real held-out answers for texts of the same truth, and the priorities
that follow from them by the very code that serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from models.bundle import Bundle
from models.calibration import logit
from models.heldout import PARTS, STEPS
from models.policy import LANES, Policy
from models.priority import of_case, prioritise
from models.report import Content, Exposure, Report, Reporter
from models.score import CategoryScore, Priority, SeverityScore
from models.severity import SEVERITIES, from_exceedance
from serving.queue.brigades import is_burst, is_unproven
from serving.simulation.cases import Cases
from serving.simulation.curves import Floats, Ints
from serving.simulation.reports import UNKNOWN, Reports
from serving.simulation.staffing import START
from serving.simulation.world import World


@dataclass(frozen=True)
class Answers:
    """The held-out test answers of a bundle: `probability` [rows, outputs], and the rows of each truth."""

    bundle: Bundle
    outputs: tuple[str, ...]
    probability: Floats
    clean: Ints
    violating: dict[str, Ints]
    steps: Floats
    _seen: dict[int, list[CategoryScore]] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, categories: Sequence[str]) -> "Answers":
        """The answers for texts without violation and for each category's. Raises MissingData or BundleRefused."""
        heldout = bundle.heldout()
        rows = heldout.rows[heldout.rows["part"] == PARTS.index("test")]
        truth = dict(zip(heldout.outputs, rows["truth"].T, strict=True))
        return cls(
            bundle,
            heldout.outputs,
            rows["probability"] / STEPS,
            np.flatnonzero(truth["violation"] == 0),
            {key: np.flatnonzero((truth["violation"] == 1) & (truth[key] == 1)) for key in categories},
            np.array([logit(bundle.manifest.prevalence[name]) for name in SEVERITIES]),
        )

    def categories(self, row: int) -> list[CategoryScore]:
        """The categories' scores of one row, as the scorer gives them."""
        if row not in self._seen:
            found = dict(zip(self.outputs, self.probability[row].tolist(), strict=True))
            self._seen[row] = [self._category(key, found.get(key)) for key in self.bundle.taxonomy.keys]
        return self._seen[row]

    def _category(self, key: str, probability: float | None) -> CategoryScore:
        if probability is None:
            return CategoryScore(category=key, probability=None, threshold=None, flagged=False, source="none")
        threshold = self.bundle.manifest.thresholds[key].value
        flagged = probability >= threshold
        return CategoryScore(
            category=key, probability=probability, threshold=threshold, flagged=flagged, source="model"
        )


@dataclass(frozen=True)
class Scores:
    """What the model says of each case: its row of held-out answers, P(violation) [n], and its severity."""

    row: Ints
    violation: Floats
    severity: list[SeverityScore]


def draw_scores(world: World, cases: Cases, answers: Answers, seed: int) -> Scores:
    """Score each case as a held-out text of the same truth was scored, with severities as wrong as measured."""
    rng = np.random.default_rng([seed, 20])
    lot = rng.random(len(cases))
    row = np.empty(len(cases), np.int64)
    for number, key in enumerate(["", *world.categories]):
        rows = answers.violating[key] if key else answers.clean
        chosen = cases.category == number - 1
        row[chosen] = rows[(lot[chosen] * len(rows)).astype(np.int64)]
    violation = answers.probability[row, answers.outputs.index("violation")]
    apart = np.array(world.severity_separation)
    side = np.where(cases.severity[:, None] >= np.arange(2, 5), 1, -1)
    log_odds = answers.steps + side * apart**2 / 2 + apart * rng.standard_normal((len(cases), 3))
    exceed = 1 / (1 + np.exp(-log_odds))
    severity = [from_exceedance(*pair) for pair in zip(violation.tolist(), exceed.tolist(), strict=True)]
    return Scores(row, violation, severity)


@dataclass(frozen=True)
class Places:
    """Where our policy has each case after each of the m reports: `lane` (of LANES), `value`, and `rank` inside it."""

    lane: Ints
    value: Floats
    rank: Floats


def places(world: World, cases: Cases, reports: Reports, scores: Scores, answers: Answers, policy: Policy) -> Places:
    """Prioritise each report and join it to its case, as intake does, brigades included."""
    maker = _Maker(world, cases, reports, answers)
    standing: dict[int, Priority] = {}
    earlier: dict[int, list[Report]] = {}
    found: list[tuple[int, float, float]] = []
    for number, (case, hours) in enumerate(zip(reports.case.tolist(), reports.time.tolist(), strict=True)):
        report, at = maker.report(number), START + timedelta(hours=hours)
        burst = earlier.setdefault(case, [])
        burst.append(report)
        marked = len(burst) >= policy.brigades.reports and _is_brigade(policy, burst, report)
        if not marked:
            categories, severity = answers.categories(int(scores.row[case])), scores.severity[case]
            chance = float(scores.violation[case])
            new = prioritise(report, answers.bundle.taxonomy, policy, categories, severity, chance, at)
            standing[case] = of_case([standing[case], new]) if case in standing else new
        place = standing[case]
        since = START + timedelta(hours=float(cases.arrival[case]))
        found.append((LANES.index(place.lane), place.value, policy.rank(place.lane, place.value, since)))
    lane, value, rank = (np.array(column) for column in zip(*found, strict=True))
    return Places(lane, value, rank)


def _is_brigade(policy: Policy, burst: Sequence[Report], report: Report) -> bool:
    since = report.received_at - timedelta(hours=policy.brigades.window_hours)  # type: ignore[operator]
    recent = [each for each in burst if each.received_at > since]  # type: ignore[operator]
    return is_unproven(policy, report) and is_burst(policy, recent)


class _Maker:
    """Makes the reports of a run as the contract has them; their parts are known to be right and not checked again."""

    def __init__(self, world: World, cases: Cases, reports: Reports, answers: Answers) -> None:
        self._cases, self._reports = cases, reports
        self._kinds = list(world.kinds)
        self._reasons = [answers.bundle.taxonomy[key].reasons[0] for key in world.categories]

    def report(self, number: int) -> Report:
        case, people = int(self._reports.case[number]), self._reports.reporters
        who, stated = int(self._reports.reporter[number]), bool(self._cases.stated[case])
        known = people.filed[who] != UNKNOWN
        return Report(
            report_id="simulated",
            received_at=START + timedelta(hours=float(self._reports.time[number])),
            reason=self._reasons[int(self._reports.reason[number])],
            content=Content(
                kind=self._kinds[int(self._cases.kind[case])],
                created_at=START + timedelta(hours=float(self._reports.created[case])),
            ),
            reporter=Reporter(
                account_age_days=float(people.account_days[who]),
                reports_filed=int(people.filed[who]) if known else None,
                reports_upheld=int(people.upheld[who]) if known else None,
            ),
            exposure=Exposure(
                views=int(self._reports.views[number]) if stated else None,
                views_per_hour=float(self._reports.per_hour[number]) if stated else None,
            ),
        )
