"""The policies that are compared: each turns what is known of a run into a queue; only the oracle knows the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.policy import Policy
from serving.simulation.cases import Cases
from serving.simulation.curves import Floats, Ints
from serving.simulation.engine import Queue
from serving.simulation.queues import Fixed, Lanes, Live
from serving.simulation.reports import UNKNOWN, Reporters, Reports, views_at
from serving.simulation.scores import Places, Scores
from serving.simulation.world import World

OURS, ORACLE, UNLIMITED = "frontline", "oracle", "unlimited staff"
PER_EARLIER_VIOLATION = 2.0  # reports that one earlier violation of the subject counts as, in the hand-weighted sum
PROVEN = 5  # reports from which Discourse looks at a reporter's accuracy
GOOD = 0.7  # the accuracy that neither raises nor lowers a Discourse score


@dataclass(frozen=True)
class Scene:
    """One run with everything that policies may look at; `places` are Frontline's own."""

    world: World
    cases: Cases
    reports: Reports
    scores: Scores
    places: Places
    policy: Policy


def queue(name: str, scene: Scene) -> Queue:
    """The queue of a policy."""
    if name == OURS:
        return Lanes(scene.policy, scene.reports.case, scene.places)
    if name in LIVE:
        return Live(scene.reports.case, LIVE[name](scene))
    return Fixed(scene.reports.case, FIXED[name](scene))


def first_come(scene: Scene) -> Floats:
    """First come, first served."""
    return np.negative(scene.cases.arrival)[scene.reports.case]


def report_count(scene: Scene) -> Floats:
    """The most reports first."""
    return _so_far(scene.reports.case, np.ones(len(scene.reports.case)))


def reporter_weighted(scene: Scene) -> Floats:
    """The sum of reporters' weights, as Discourse describes: one each, more by trust level and by accuracy.

    The weight of a flag there is 1 + trust level (0 to 4) + a bonus for accuracy, which is 0 up to five flags, then
    grows with the logarithm of their number, positive above an accuracy of 70 % and negative below; never less than 0.
    """
    return _so_far(scene.reports.case, flag_weights(scene.reports.reporters)[scene.reports.reporter])


def flag_weights(people: Reporters) -> Floats:
    """What a flag of each reporter weighs in a Discourse-style score. Trust grows with age and use of the account."""
    known = people.filed != UNKNOWN
    filed = np.where(known, people.filed, 0)
    age = people.account_days
    trust = (age >= 1).astype(float) + (age >= 15) + ((age >= 50) & (filed >= PROVEN)) + ((age >= 365) & (filed >= 20))
    accuracy = np.where(known, people.upheld, 0) / np.maximum(filed, 1)
    off = np.where(accuracy >= GOOD, (accuracy - GOOD) / (1 - GOOD), (accuracy - GOOD) / GOOD)
    bonus = np.where(filed > PROVEN, off * 5 * np.log(np.maximum(filed, 1)) / np.log(4), 0.0)
    return np.asarray(np.maximum(1 + trust + bonus, 0.0))


def hand_weighted(scene: Scene) -> Floats:
    """Reports plus the subject's earlier violations, weighted by hand."""
    return report_count(scene) + PER_EARLIER_VIOLATION * scene.cases.earlier[scene.reports.case]


def probability(scene: Scene) -> Floats:
    """P(violation), the highest first."""
    return scene.scores.violation[scene.reports.case]


def severity(scene: Scene) -> Floats:
    """Severity × probability: the mean of the model's severity, none counting as 0."""
    return _expected(scene)[scene.reports.case]


def severity_views(scene: Scene) -> Callable[[float, Ints], Floats]:
    """Severity × probability × the views that the content has at that very moment, at least one.

    Where they are not stated, what our own policy takes for content of its kind counts here too.
    """
    expected, cases, created = _expected(scene), scene.cases, scene.reports.created
    unstated = np.array([scene.policy.exposure.unknown(kind) for kind in scene.world.kinds])[cases.kind]

    def index(now: float, some: Ints) -> Floats:
        views = cases.views[some] * cases.curves.of(some).share(now - created[some])
        return expected[some] * np.maximum(np.where(cases.stated[some], views, unstated[some]), 1)

    return index


def oracle(scene: Scene) -> Callable[[float, Ints], Floats]:
    """Knows the truth, all views to come, and how long each review takes.

    Severity-weighted views still to come in the run ÷ minutes of review, the greatest first: what is lost if the case
    is never decided, per minute of work.
    """
    cases, created = scene.cases, scene.reports.created
    weight = np.array(scene.world.severity_weight)[cases.severity]
    end = views_at(cases, created, scene.world.hours)

    def index(now: float, some: Ints) -> Floats:
        had = cases.views[some] * cases.curves.of(some).share(now - created[some])
        return weight[some] * (end[some] - had) / cases.minutes[some]

    return index


def _expected(scene: Scene) -> Floats:
    return np.array([severity.expected for severity in scene.scores.severity])


def _so_far(case: Ints, weight: Floats) -> Floats:
    """Of each report the sum of weights of its case up to and with it."""
    order = np.argsort(case, kind="stable")
    total = np.cumsum(weight[order])
    grouped = case[order]
    begins = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    before = np.repeat(total[begins] - weight[order][begins], np.diff(np.r_[begins, len(case)]))
    found = np.empty(len(case))
    found[order] = total - before
    return found


FIXED: dict[str, Callable[[Scene], Floats]] = {
    "first come": first_come,
    "report count": report_count,
    "reporter-weighted": reporter_weighted,
    "hand-weighted": hand_weighted,
    "probability": probability,
    "severity": severity,
}
LIVE: dict[str, Callable[[Scene], Callable[[float, Ints], Floats]]] = {
    "severity × views": severity_views,
    ORACLE: oracle,
}
NAMES = [*FIXED, "severity × views", OURS, ORACLE]
