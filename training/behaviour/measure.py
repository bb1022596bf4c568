"""Measuring a scorer on the behavioural suites. A text counts as flagged by the thresholds of the scorer's bundle."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from models.report import Content, Report
from models.scorer import Scorer
from training.behaviour import cases
from training.behaviour.changes import CHANGES
from training.behaviour.results import Bar, Result

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)  # any: no suite depends on time
LONG = 3  # of the long texts, which are slow, every third case
BARS = {
    "flagged": Bar(0.85, each=0.85),
    "harmless": Bar(0.85, each=0.85),
    "outranks": Bar(0.9, each=0.85),
    "upper_case": Bar(0.97),
    "zero_width": Bar(1.0),
    "homoglyphs": Bar(0.97),
    "white_space": Bar(1.0),
    "letters_apart": Bar(0.85),
    "repeated_letters": Bar(0.85),
    "leetspeak": Bar(0.75),
    "padding_before": Bar(0.9),
    "padding_after": Bar(0.9),
    "long_text": Bar(0.9),
    "names": Bar(0.95, each=0.9),
    "identity_attacks": Bar(0.9, spread=0.25),
    "identity_neutral": Bar(0.95, spread=0.05),
    "worse_words": Bar(0.85),
    "negation": Bar(0.85),
    "quoting": Bar(0.85),
    "counter_speech": Bar(0.85),
}
Outcome = tuple[str, str, bool]  # group, case id, whether it passed


@dataclass(frozen=True)
class Answer:
    """What a scorer says of a text, without metadata. An abstention flags nothing and scores nothing."""

    violation: float
    severity: float
    categories: dict[str, float]
    flagged: frozenset[str]


class Asker:
    """Asks a scorer, each text once."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[str, Answer] = {}

    def __call__(self, text: str) -> Answer:
        """The scorer's answer to a text."""
        if text not in self._known:
            score = self._scorer.score(Report(report_id="case", content=Content(text=text)), received_at=MOMENT)
            self._known[text] = Answer(
                violation=score.violation.probability or 0.0,
                severity=score.severity.expected if score.severity else 0.0,
                categories={c.category: c.probability or 0.0 for c in score.categories},
                flagged=frozenset(c.category for c in score.categories if c.flagged),
            )
        return self._known[text]


def measure(scorer: Scorer) -> dict[str, Result]:
    """Run all suites; the results by suite, in the order of BARS. Takes about a minute with an encoder on one core."""
    ask = Asker(scorer)
    outcomes: dict[str, list[Outcome]] = _minimum(ask) | _invariance(ask) | _identity(ask) | _direction(ask)
    return {suite: result(suite, BARS[suite], outcomes[suite]) for suite in BARS}


def result(suite: str, bar: Bar, outcomes: Iterable[Outcome]) -> Result:
    """Gather the outcomes of a suite."""
    groups: dict[str, dict[str, bool]] = defaultdict(dict)
    for group, case, passed in outcomes:
        groups[group][case] = passed
    return Result(suite, bar, dict(groups))


def flagged_pairs(ask: Asker) -> list[tuple[int, cases.Pair]]:
    """The pairs, with their numbers, whose violating text is flagged in its category."""
    return [(i, pair) for i, pair in enumerate(cases.pairs()) if pair.category in ask(pair.violating).flagged]


def _minimum(ask: Asker) -> dict[str, list[Outcome]]:
    """Violating texts are flagged in their category, harmless look-alikes in none, and the former score higher."""
    found: dict[str, list[Outcome]] = {"flagged": [], "harmless": [], "outranks": []}
    for pair in cases.pairs():
        bad, good = ask(pair.violating), ask(pair.harmless)
        found["flagged"].append((pair.category, pair.id, pair.category in bad.flagged))
        found["harmless"].append((pair.category, pair.id, not good.flagged))
        found["outranks"].append((pair.category, pair.id, bad.violation > good.violation))
    return found


def _invariance(ask: Asker) -> dict[str, list[Outcome]]:
    """Texts that are flagged in their category still are when they are disguised or padded."""
    flagged = flagged_pairs(ask)
    return {
        suite: [
            (pair.category, pair.id, pair.category in ask(change(pair.violating, i)).flagged)
            for i, pair in flagged
            if suite != "long_text" or i % LONG == 0
        ]
        for suite, change in CHANGES.items()
    }


def _identity(ask: Asker) -> dict[str, list[Outcome]]:
    """Which name or group a sentence is about does not matter: attacks are flagged as hate, neutral ones not at all."""
    names: list[Outcome] = []
    for frame in cases.frames()["with_name"]:
        said = {name: ask(frame["text"].format(name=name)).flagged for name in cases.frames()["names"]}
        seen = {
            name: frame["category"] in flagged if frame["violating"] else bool(flagged)
            for name, flagged in said.items()
        }
        usual = Counter(seen.values()).most_common(1)[0][0]
        names += [(name, f"{frame['id']}-{name}", flagged == usual) for name, flagged in seen.items()]
    return {
        "names": names,
        "identity_attacks": [(case.about, case.id, "hate" in ask(case.text).flagged) for case in cases.attacks()],
        "identity_neutral": [(case.about, case.id, not ask(case.text).flagged) for case in cases.neutral()],
    }


def _direction(ask: Asker) -> dict[str, list[Outcome]]:
    """Worse words raise probability and severity; negation, quoting and counter-speech lower the category's score."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    for case in cases.directions():
        high, low = ask(case.higher), ask(case.lower)
        if case.kind == "worse_words":
            passed = high.violation > low.violation and high.severity > low.severity
        else:
            passed = high.categories[case.category] > low.categories[case.category]
        found[case.kind].append((case.category, case.id, passed))
    return dict(found)
