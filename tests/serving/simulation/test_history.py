"""Replaying a history: at the moments of its decisions, and what cannot be replayed."""

from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from models.policy import Policy
from serving.settings import SHIPPED_BUNDLE
from serving.simulation import history
from serving.simulation.measure import HARM, WORST
from serving.simulation.ranking import OURS
from tests.serving.simulation.histories import row, written


def test_a_history_is_replayed_at_the_moments_of_its_decisions(past: Path, policy: Policy) -> None:
    taxonomy = Bundle.read(SHIPPED_BUNDLE).taxonomy
    found = history.replay(history.read(past), policy, taxonomy)
    was, ours = found[history.AS_IT_WAS].figures, found[OURS].figures
    assert [was[what] for what in (HARM, WORST)] == [found["first come"].figures[what] for what in (HARM, WORST)]
    # From 09:02 to 12:00 instead of to 10:00, at 6,000 views an hour.
    assert was[HARM] == pytest.approx(27 * 6 * 178 / 60)
    assert ours[HARM] == pytest.approx(27 * 6 * 58 / 60)


def test_cells_that_are_empty_say_nothing(tmp_path: Path) -> None:
    cells = row(0, 60, 0, 0.5, kind="", expected_severity="", views_per_hour="", category="", created_at="")
    (tmp_path / "h.csv").write_text(f"{','.join(cells)}\n{','.join(map(str, cells.values()))}\n", "utf-8")
    (case,) = history.read(tmp_path / "h.csv")
    assert (case.kind, case.expected_severity, case.views_per_hour, case.created_at) == (None, None, None, None)


def test_a_history_without_views_has_those_of_the_policy(tmp_path: Path, policy: Policy) -> None:
    rows = [row(minute, 60 + minute, 0, 0.5, kind=kind) for minute, kind in enumerate(("message", "post"))]
    taxonomy = Bundle.read(SHIPPED_BUNDLE).taxonomy
    found = history.replay(history.read(written(tmp_path / "h.jsonl", rows)), policy, taxonomy)
    assert found["severity"].figures[WORST] == 1
    assert found["severity × views"].figures[WORST] == pytest.approx(61 / 60)  # the message waits for the post


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (row(5, 1, 0, 0.1), "row 1 .*before received_at"),
        (row(0, 1, 9, 0.1), "row 1 .*severity"),
        (row(0, 1, 1, 0.1, created_at="1985-01-01T00:00:00Z"), "row 1 .*created_at"),
        (row(0, 1, 1, 0.1, views_per_hour=1e15), "row 1 .*views_per_hour"),
        (row(0, 1, 0, 0.1, views=[["2026-03-02T09:00:00Z", 5], ["2026-03-02T10:00:00Z", 4]]), "never become fewer"),
    ],
)
def test_histories_that_are_refused(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(history.InvalidHistory, match=said):
        history.read(written(tmp_path / "h.jsonl", [row]))
