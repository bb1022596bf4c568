"""The contract of a report: what is wrong is named, and never quoted."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import InvalidReport
from models.report import MAX_TEXT, Report, parse_report

SECRET = "zorbleflax"
DESIGN = """
{"report_id": "r-123", "received_at": "2026-11-22T09:00:00Z", "reason": "harassment", "note": "they keep doing this",
 "content": {"id": "c-9", "text": "…", "kind": "comment", "language": null, "created_at": "2026-11-22T08:00:00Z",
             "context": [{"role": "parent", "text": "…"}]},
 "subject": {"id": "u-1", "account_age_days": 12, "prior_violations": 3, "followers": 40},
 "reporter": {"id": "u-2", "account_age_days": 900, "reports_filed": 31, "reports_upheld": 22,
              "trusted_flagger": false, "is_target": true},
 "exposure": {"views": 5400, "views_per_hour": 310, "distinct_reporters": 4}, "region": "US",
 "source": "user", "due_by": null}
"""


def report(**fields: Any) -> dict[str, Any]:
    return {"report_id": "r-1", "content": {}, **fields}


def test_the_example_of_the_design() -> None:
    parsed, warnings = parse_report(json.loads(DESIGN))
    assert warnings == []
    assert parsed.reporter.reports_upheld == 22
    assert parsed.received_at is not None and parsed.received_at.isoformat() == "2026-11-22T09:00:00+00:00"
    assert parsed.content.context[0].role == "parent"


def test_the_smallest_report() -> None:
    parsed, warnings = parse_report({"report_id": "r-1", "content": {}})
    assert (parsed.content.text, parsed.source, warnings) == (None, "user", [])


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({"content": {}}, "report_id", "report_id is missing"),
        ({"report_id": "r-1"}, "content", "content is missing"),
        (report(content={"text": 5}), "content.text", "content.text is a number, expected a string or null"),
        (report(content={"text": [SECRET]}), "content.text", "content.text is a list, expected a string or null"),
        (report(content={"text": {SECRET: 1}}), "content.text", "content.text is an object, expected a string or null"),
        (report(content=SECRET), "content", "content is a string, expected an object"),
        (report(content=None), "content", "content is null, expected an object"),
        (report(content={"context": SECRET}), "content.context", "content.context is a string, expected a list"),
        (report(content={"context": [{"role": "parent"}]}), "content.context.0.text", "is missing"),
        (report(report_id=5), "report_id", "report_id is a number, expected a string"),
        (report(report_id="a\nb"), "report_id", "pattern"),
        (report(report_id=""), "report_id", "at least 1 character"),
        (report(reporter={"is_target": SECRET}), "reporter.is_target", "is a string, expected true or false"),
        (report(subject={"prior_violations": True}), "subject.prior_violations", "is a boolean, expected an integer"),
        (report(subject={"prior_violations": "3"}), "subject.prior_violations", "is a string, expected an integer"),
        (report(subject={"prior_violations": -1}), "subject.prior_violations", "greater than or equal to 0"),
        (report(exposure={"views_per_hour": SECRET}), "exposure.views_per_hour", "is a string, expected a number"),
        (report(source=SECRET), "source", "must be one of 'user'"),
        (report(due_by="2026-11-22T09:00:00"), "due_by", "is not a time with a zone"),
        (report(due_by=SECRET), "due_by", "is not a time with a zone"),
        (report(due_by=[SECRET]), "due_by", "is a list, expected a time"),
        (report(due_by="1066-10-14T09:00:00Z"), "due_by", "outside the years 1990 to 2200"),
        (report(content={"language": SECRET}), "content.language", "pattern"),
        (report(content={"text": SECRET * MAX_TEXT}), "content.text", f"longer than {MAX_TEXT} characters"),
        (report(content={"text": SECRET + "\ud800"}), "content.text", "unicode"),
        ([SECRET], None, "the report is a list, expected an object"),
        (None, None, "the report is null, expected an object"),
        (SECRET, None, "the report is a string, expected an object"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(value: object, field: str | None, message: str) -> None:
    with pytest.raises(InvalidReport, match=re.escape(message)) as caught:
        parse_report(value)
    assert caught.value.field == field
    assert SECRET not in caught.value.message
    assert caught.value.as_dict("q")["code"] == "invalid_report"
    assert caught.value.status == 422


def test_unknown_fields_are_listed_and_left_out() -> None:
    value = report(colour="red", subject={"shoe_size": 43}, exposure={"views": 1}, content={"té\nxt": "a"})
    parsed, warnings = parse_report(value)
    assert warnings == [
        "unknown_field:colour",
        "unknown_field:subject.shoe_size",
        "unknown_field:content.té?xt",
    ] or set(warnings) == {"unknown_field:colour", "unknown_field:subject.shoe_size", "unknown_field:content.té?xt"}
    assert "colour" not in parsed.model_dump()


def test_unknown_fields_of_neighbouring_texts_and_files_are_listed_too() -> None:
    turns = [{"role": "parent", "text": "a"}, {"role": "reply", "text": "b", "mood": "calm"}]
    value = report(content={"context": turns, "attachments": [{"url": "https://example.org", "size": 3}]})
    _, warnings = parse_report(value)
    assert warnings == ["unknown_field:content.context.1.mood", "unknown_field:content.attachments.0.size"]


def test_not_more_than_twenty_unknown_fields_are_listed() -> None:
    _, warnings = parse_report(report(**{f"field{i}": i for i in range(50)}))
    assert len(warnings) == 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _part(model: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the right names and anything in them."""
    return st.dictionaries(st.sampled_from(list(model.model_fields)) | st.text(max_size=3), JSON, max_size=5)


PARTS = {name: field.annotation for name, field in Report.model_fields.items() if name in ("content", "subject")}
NEARLY = st.fixed_dictionaries(
    {"report_id": st.just("r-1") | JSON, "content": _part(PARTS["content"]) | JSON},
    optional={
        "subject": _part(PARTS["subject"]) | JSON,
        "received_at": JSON | st.integers() | st.floats(),
        "due_by": JSON | st.text("0123456789-:TZ+. "),
        "source": JSON,
        "note": JSON,
    },
)


@given(JSON | NEARLY)
@example(report(exposure={"views_per_hour": 10**400}))
@example(report(due_by=10**400))
@example(report(due_by=-(10**17)))
@example(report(due_by=1e300))
@example(report(subject={"followers": 10**400}))
@example({"\ud800": 1, "report_id": "r-1", "content": {"\udfff": 2}})
def test_any_json_is_a_report_or_an_invalid_report(value: object) -> None:
    try:
        parsed, warnings = parse_report(value)
    except InvalidReport as error:
        error.message.encode()
        assert error.message
    else:
        assert isinstance(parsed, Report)
        for warning in warnings:
            warning.encode()


def test_the_error_names_no_value(tmp_path: Path) -> None:
    with pytest.raises(InvalidReport) as caught:
        parse_report(report(content={"text": SECRET, "id": SECRET * 100}))
    assert SECRET not in repr(caught.value) and caught.value.__cause__ is None
