"""Whatever JSON somebody sends as a report, the answer is a score or a deliberate error, and it is JSON."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Score, Scorer, load_bundle
from serving.queue.intake import Scored, score

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.sampled_from(
        ["spam", "csam", "suicide", "court", "2026-11-22T09:00:00Z", "0001-01-01T00:00:00Z", "en", "ambush"]
    )
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def part(*names: str) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, SCALARS | JSON)) | JSON


REPORTS = st.fixed_dictionaries(
    {"report_id": st.just("r") | JSON, "content": part("id", "text", "kind", "language", "created_at", "context")},
    optional={
        "subject": part("id", "account_age_days", "prior_violations", "followers"),
        "reporter": part("account_age_days", "reports_filed", "reports_upheld", "trusted_flagger", "is_target"),
        "exposure": part("views", "views_per_hour", "distinct_reporters"),
        **dict.fromkeys(("reason", "note", "received_at", "due_by", "source", "region", "extra"), JSON),
    },
)


@pytest.fixture(scope="module")
def scorer(keyword_bundle: Path) -> Scorer:
    """A scorer of the keyword bundle."""
    return Scorer(load_bundle(keyword_bundle))


@settings(deadline=None, max_examples=150)
@given(body=REPORTS | JSON)
def test_any_json_is_scored_or_refused(scorer: Scorer, body: Any) -> None:
    result = score(scorer, body, NOW, explain=True)
    if isinstance(result, Scored):
        assert Score.model_validate_json(result.score.model_dump_json()) == result.score
    else:
        assert result.error.code == "invalid_report"
