"""What one run under one policy came to."""

import numpy as np

from models.policy import LANES
from models.taxonomy import Severity
from serving.simulation.cases import Bools
from serving.simulation.curves import Ints
from serving.simulation.engine import Outcome
from serving.simulation.ranking import Scene
from serving.simulation.reports import views_at
from serving.simulation.staffing import Cover, due

STARVING = 3  # service levels after which a waiting case is said to starve
HARM, HOURS, CRITICAL, HIGH = "harm", "hours", "critical in time", "high in time"
WORST, STARVED, EFFORT = "worst wait", "starving", "minutes per violation"
WHOLE = "whole harm"


def measure(scene: Scene, outcome: Outcome, came: Bools, cover: Cover) -> dict[str, float]:
    """The figures of a run over the cases that came [n].

    `harm` is views, and `hours` how long they stood, both in thousands and weighted with severity: what spreads, and
    what is done to whoever it is aimed at. Then shares, hours, minutes; NaN where there is nothing to measure. What
    was not decided is counted up to the end of the run. Truth, not the model, says what is critical and what is high.
    The lane in which our policy first had a case says, under every policy, how long it may wait before it starves; of
    that, only time in which anybody is at work counts.
    """
    cases, policy, hours = scene.cases, scene.policy, scene.world.hours
    weight = np.array(scene.world.severity_weight)[cases.severity]
    created = scene.reports.created
    seen = views_at(cases, created, np.minimum(outcome.decided, hours)) - views_at(cases, created, cases.arrival)
    waited = np.minimum(outcome.begun, hours) - cases.arrival
    # As the policy weighs it by default: standing for `forecast_hours` is as bad as 1,000 views.
    stood = np.minimum(outcome.decided, hours) - cases.arrival
    found = {
        HARM: float((weight * seen)[came].sum() / 1000),
        HOURS: float((weight * stood)[came].sum() / 1000),
    }
    found[WHOLE] = found[HARM] + found[HOURS] * 1000 / policy.exposure.forecast_hours
    for name, severity in ((CRITICAL, Severity.CRITICAL), (HIGH, Severity.HIGH)):
        until = due(policy, policy.lane_of_severity(severity), cases.arrival, hours)
        found[name] = _share((outcome.decided <= until)[came & (cases.severity == severity) & (until < hours)])
    found[WORST] = float(waited[came].max(initial=0))
    lane = _first_lanes(scene)
    patience = STARVING * np.array([level.service_level_hours for level in policy.lanes])[lane]
    before = cover.hours(cases.arrival)
    counted = came & (before + patience < cover.hours(np.array(hours)))
    starved = cover.hours(np.minimum(outcome.begun, hours)) - before > patience
    found[STARVED] = _share(starved[counted])
    for number, name in enumerate(LANES):
        found[f"{STARVED}, {name}"] = _share(starved[counted & (lane == number)])
    done = came & (outcome.begun < hours)
    violations = int(cases.violating[done].sum())
    found[EFFORT] = float(cases.minutes[done].sum() / violations) if violations else float("nan")
    return found


def _first_lanes(scene: Scene) -> Ints:
    """The lane in which our policy first had each case."""
    lane = np.zeros(len(scene.cases), np.int64)
    lane[scene.reports.case[::-1]] = scene.places.lane[::-1]  # of a case's reports the first is written last
    return lane


def _share(holds: Bools) -> float:
    return float(holds.mean()) if len(holds) else float("nan")
