"""What comes in: one person's report of one piece of content, checked field by field."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import InvalidReport

MAX_TEXT = 100_000  # code points; longer texts are refused, not cut
Text = Annotated[str, Field(max_length=MAX_TEXT)]
# No control characters: PostgreSQL refuses U+0000, and the others only ever come from mistakes.
Id = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Count = Annotated[int, Field(ge=0, le=10**15)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")]


def _not_ancient(value: datetime) -> datetime:
    # Outside these years time arithmetic overflows, or a clock is broken.
    if not 1990 <= value.year <= 2200:
        raise ValueError("is outside the years 1990 to 2200")
    return value


Time = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_not_ancient)]


def _or_empty(value: object) -> object:
    return {} if value is None else value


Absent = BeforeValidator(_or_empty)  # null says the same as leaving the whole part out


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Turn(_Part):
    """One neighbouring text (a parent comment, an earlier message), shown to the reviewer and not scored."""

    role: Name
    text: Text


class Attachment(_Part):
    """A file that belongs to the content; kept and shown, not scored."""

    url: Annotated[str, Field(max_length=4096)]
    kind: Name | None = None


class Content(_Part):
    """What is complained about. `text` may be null or blank: a picture, a video, a profile."""

    id: Id | None = None
    text: Text | None = None
    kind: Name | None = None
    language: Language | None = None
    created_at: Time | None = None
    url: Annotated[str, Field(max_length=4096)] | None = None
    context: Annotated[list[Turn], Field(max_length=50)] = []
    attachments: Annotated[list[Attachment], Field(max_length=50)] = []


class Subject(_Part):
    """Whoever made the content."""

    id: Id | None = None
    account_age_days: Annotated[float, Field(ge=0, le=10**6)] | None = None
    prior_violations: Count | None = None
    followers: Count | None = None


class Reporter(_Part):
    """Whoever complains. `is_target`: the content is aimed at this person."""

    id: Id | None = None
    account_age_days: Annotated[float, Field(ge=0, le=10**6)] | None = None
    reports_filed: Count | None = None
    reports_upheld: Count | None = None
    trusted_flagger: bool | None = None
    is_target: bool | None = None


class Exposure(_Part):
    """How far the content has spread."""

    views: Count | None = None
    views_per_hour: Annotated[float, Field(ge=0, le=10**12)] | None = None
    distinct_reporters: Count | None = None


class Report(_Part):
    """One report, as the contract has it; only `report_id` and `content` are required."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "report_id": "r-123",
                    "received_at": "2026-11-22T09:00:00Z",
                    "reason": "harassment",
                    "content": {"id": "c-9", "text": "Nobody likes your cakes, go away.", "kind": "comment"},
                    "subject": {"id": "u-1", "account_age_days": 12, "prior_violations": 3},
                    "reporter": {"id": "u-2", "reports_filed": 31, "reports_upheld": 22},
                    "exposure": {"views": 5400, "views_per_hour": 310},
                }
            ]
        }
    )

    report_id: Id
    content: Content
    received_at: Time | None = None
    reason: Name | None = None
    note: Text | None = None
    subject: Annotated[Subject, Absent] = Subject()
    reporter: Annotated[Reporter, Absent] = Reporter()
    exposure: Annotated[Exposure, Absent] = Exposure()
    region: Name | None = None
    source: Literal["user", "trusted_flagger", "authority", "court", "automated"] = "user"
    due_by: Time | None = None


def parse_report(value: object) -> tuple[Report, list[str]]:
    """Check one decoded JSON value; return the report and a warning for each unknown field, which is left out.

    Raises InvalidReport, which names the first wrong field and never quotes its value.
    """
    if not isinstance(value, Mapping):
        raise InvalidReport(f"the report is {_json_type(value)}, expected an object")
    try:
        report = Report.model_validate(value)
    except ValidationError as error:
        raise first_error(error, Report) from None
    return report, [f"unknown_field:{path}" for path in _unknown(value, report)]


def first_error(error: ValidationError, model: type[BaseModel]) -> InvalidReport:
    """The first thing wrong with a value for `model`, in words that never quote the value."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    kind, context = first["type"], first.get("ctx", {})
    expected = {
        "string_type": "a string",
        "int_type": "an integer",
        "int_from_float": "an integer",
        "float_type": "a number",
        "bool_type": "true or false",
        "list_type": "a list",
        "model_type": "an object",
        "dict_type": "an object",
        "datetime_type": "a time such as 2026-11-22T09:00:00Z",
    }
    if kind == "missing":
        message = f"{field} is missing"
    elif kind in expected:
        message = f"{field} is {_json_type(first['input'])}, expected {expected[kind]}"
        message += " or null" if _nullable(model, first["loc"]) else ""
    elif kind == "string_too_long":
        message = f"{field} is longer than {context['max_length']} characters"
    elif kind == "literal_error":
        message = f"{field} must be one of {context['expected']}"
    elif kind.startswith(("datetime", "timezone")):
        message = f"{field} is not a time with a zone such as 2026-11-22T09:00:00Z"
    else:
        message = f"{field}: {first['msg'].removeprefix('Value error, ')}"
    return InvalidReport(message, field=field)


def _nullable(model: type[BaseModel], path: tuple[int | str, ...]) -> bool:
    """Whether the field at a path may be null: those that may are null by default."""
    *parents, last = [part for part in path if isinstance(part, str)]
    for name in parents:
        annotation: Any = model.model_fields[name].annotation
        model = get_args(annotation)[0] if get_args(annotation) else annotation
    return last in model.model_fields and model.model_fields[last].default is None


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def _unknown(value: object, known: object, prefix: str = "") -> list[str]:
    """Dotted paths of the fields that the contract does not know, at most 20, their names made harmless."""
    found: list[str] = []
    if isinstance(value, list) and isinstance(known, list):
        for i, (inner, part) in enumerate(zip(value, known, strict=True)):
            found += _unknown(inner, part, f"{prefix}{i}.")
    elif isinstance(value, Mapping) and isinstance(known, BaseModel):
        for key, inner in value.items():
            if key in type(known).model_fields:
                found += _unknown(inner, getattr(known, key), f"{prefix}{key}.")
            else:
                found.append(prefix + re.sub(r"[^\w-]", "?", key)[:64])
    return found[:20]
