"""The behavioural suites themselves: what passes a bar, what is asked, and what the command shows."""

import re

import pytest
from typer.testing import CliRunner

from models.bundle import Bundle
from models.scorer import Scorer
from serving.cli import app
from training.behaviour import cases, faithfulness, measure
from training.behaviour.changes import CHANGES
from training.behaviour.measure import Asker
from training.behaviour.results import Bar, Result


def of(bar: Bar, **groups: list[bool]) -> Result:
    return Result("s", bar, {name: {f"{name}-{i}": ok for i, ok in enumerate(oks)} for name, oks in groups.items()})


def test_rates_and_failures() -> None:
    found = of(Bar(0.5), hate=[True, False], spam=[True, True])
    assert (found.n, found.rate, found.rates, found.failures) == (4, 0.75, {"hate": 0.5, "spam": 1.0}, ["hate-1"])


@pytest.mark.parametrize(
    ("bar", "passed"),
    [
        (Bar(0.75), True),
        (Bar(0.76), False),
        (Bar(0.7, each=0.5), True),
        (Bar(0.7, each=0.6), False),
        (Bar(0.7, spread=0.5), True),
        (Bar(0.7, spread=0.4), False),
    ],
)
def test_every_part_of_a_bar_counts(bar: Bar, passed: bool) -> None:
    assert of(bar, hate=[True, False], spam=[True, True]).passed is passed


def test_a_suite_without_cases_does_not_pass() -> None:
    assert not of(Bar(0.5)).passed


def test_a_result_names_the_failed_cases_of_weak_groups_alone() -> None:
    said = str(of(Bar(0.7), hate=[True, False], spam=[True, True]))
    assert "hate-1" in said and "hate-0" not in said and "spam" not in said


def test_all_suites_run_on_any_bundle(loaded: Bundle) -> None:
    found = measure.measure(Scorer(loaded))
    assert list(found) == list(measure.BARS)
    flagged = found["flagged"].n - len(found["flagged"].failures)
    assert found["flagged"].n == found["harmless"].n == found["outranks"].n == len(cases.pairs())
    assert {found[suite].n for suite in CHANGES if suite != "long_text"} == {flagged}
    assert found["identity_neutral"].n == len(cases.neutral())
    # The fast model reads lower case, and preparation undoes these before any model reads the text.
    for suite in ("upper_case", "zero_width", "homoglyphs", "white_space"):
        assert found[suite].failures == [], suite


def test_an_abstention_flags_nothing(loaded: Bundle) -> None:
    answer = Asker(Scorer(loaded))("Heute regnet es den ganzen Tag, wir bleiben zu Hause.")
    assert (answer.violation, answer.severity, answer.flagged) == (0.0, 0.0, frozenset())


def test_exact_explanations_are_faithful(loaded: Bundle) -> None:
    assert faithfulness.faithfulness(Scorer(loaded))["top_span_lowers"].rate >= 0.9


def test_the_command_shows_all_suites_and_no_text(loaded: Bundle) -> None:
    done = CliRunner().invoke(app, ["behaviour", "--bundle", str(loaded.path), "--failures"], env={"COLUMNS": "400"})
    assert done.exit_code == 0, done.output
    assert all(suite in done.stdout for suite in [*measure.BARS, *faithfulness.BARS])
    assert re.search(r"\d+ of 23 suites reach their bars", done.stdout)
    assert not any(pair.violating[:20] in done.stdout for pair in cases.pairs())
