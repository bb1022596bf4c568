"""What callers send: the fields of the original's messages, checked in its order and refused in its words."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from serving.perspective.attributes import known_as
from serving.perspective.errors import bad_field, harmless, refused

MAX_COMMENT = 20 * 1024  # bytes of UTF-8
MAX_CONTEXT = 2**20  # bytes of one entry
MOST_VALUES = 10_000  # of one message
PROBABILITY = "PROBABILITY"
_UNSPECIFIED = "SCORE_TYPE_UNSPECIFIED"


class _Message(BaseModel):
    """As with all messages of that house, null is the same as absent, and snake_case is understood too."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class TextEntry(_Message):
    """A text and its type."""

    text: str | None = None
    type: str | None = None


class ArticleAndParentComment(_Message):
    """What a comment answers."""

    article: TextEntry | None = None
    parent_comment: TextEntry | None = None


class Context(_Message):
    """What surrounds a comment; taken and, as by the original, not read."""

    entries: list[TextEntry] | None = None
    article_and_parent_comment: ArticleAndParentComment | None = None


class AttributeParameters(_Message):
    """How one attribute is wanted."""

    score_type: str | None = None
    score_threshold: float | None = None


class ScoreValue(_Message):
    """One score."""

    value: float | None = None
    type: str | None = None


class SpanScore(_Message):
    """The score of UTF-16 code units [begin, end) of a comment."""

    begin: int | None = None
    end: int | None = None
    score: ScoreValue | None = None


class AttributeScores(_Message):
    """All scores of one attribute."""

    summary_score: ScoreValue | None = None
    span_scores: list[SpanScore] | None = None


class _Request(_Message):
    comment: TextEntry | None = None
    context: Context | None = None
    languages: Annotated[list[str], Field(max_length=100)] | None = None
    client_token: str | None = None
    session_id: str | None = None
    community_id: str | None = None

    @property
    def text(self) -> str:
        """The comment's text."""
        return (self.comment and self.comment.text) or ""


class AnalyzeRequest(_Request):
    """A comment to be scored."""

    requested_attributes: dict[str, AttributeParameters | None] | None = None
    span_annotations: bool | None = None
    do_not_store: bool | None = None
    drop_unsupported_attributes: bool | None = None


class SuggestRequest(_Request):
    """The scores that somebody thinks a comment should have."""

    attribute_scores: dict[str, AttributeScores | None] | None = None


R = TypeVar("R", bound=_Request)


def analyze_request(body: bytes) -> AnalyzeRequest:
    """A checked request for scores. Raises Refused, which never quotes the comment."""
    request = _parsed(AnalyzeRequest, body)
    _check_comment(request)
    if not request.requested_attributes:
        raise refused("Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES")
    for name, wanted in request.requested_attributes.items():
        _check_attribute(name, wanted.score_type if wanted else None)
    _check_context(request.context)
    return request


def suggest_request(body: bytes) -> SuggestRequest:
    """A checked suggestion. Raises Refused, which never quotes the comment."""
    request = _parsed(SuggestRequest, body)
    _check_comment(request)
    if not request.attribute_scores:
        raise refused("Missing attribute_scores")
    for name, scores in request.attribute_scores.items():
        given = [scores.summary_score, *(span.score for span in scores.span_scores or ())] if scores else []
        for score in given:
            _check_attribute(name, score.type if score else None)
        if known_as(name) is None or not any(given):
            _check_attribute(name, None)
            raise refused(f"attribute_scores of {harmless(name)} must not be empty")
        if any(score is not None and not 0 <= (score.value or 0) <= 1 for score in given):
            raise refused(f"The scores of {harmless(name)} must lie between 0 and 1")
        for span in scores.span_scores or () if scores else ():
            if span.begin is None or span.end is None or not 0 <= span.begin < span.end <= 2 * MAX_COMMENT:
                raise refused(f"The span scores of {harmless(name)} must have a begin before their end")
    _check_context(request.context)
    return request


def _parsed(model: type[R], body: bytes) -> R:
    try:
        value = from_json(body, allow_inf_nan=False) if body else {}
    except ValueError:
        raise bad_field("", "The body is not valid JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise bad_field("", "Root element must be a message.")
    if not _is_small(value):
        raise bad_field("", f"The message holds more than {MOST_VALUES} values.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise _misfit(first["type"], first["loc"]) from None


def _is_small(value: object) -> bool:
    """Whether a JSON value holds few enough values to be checked one by one."""
    left, count = [value], 0
    while left:
        each = left.pop()
        if isinstance(each, dict | list):
            count += len(each)
            if count > MOST_VALUES:
                return False
            left.extend(each.values() if isinstance(each, dict) else each)
    return True


def _misfit(kind: str, place: tuple[Any, ...]) -> Exception:
    """What does not fit and where, without what it is."""
    *parents, last = [str(part) if isinstance(part, int) else harmless(part) for part in place if part != "[key]"]
    where = ".".join([*parents, last])
    if kind == "extra_forbidden":
        return bad_field(".".join(parents), f'Unknown name "{last}": Cannot find field.')
    return bad_field(where, f"Invalid value at '{where}'.")


def _check_comment(request: _Request) -> None:
    if not request.text.strip():
        raise empty()
    _check_type(request.comment)
    if (size := len(request.text.encode("utf-8", "surrogatepass"))) > MAX_COMMENT:
        message = f"Comment text was too many bytes. Value ({size}) exceeded limit ({MAX_COMMENT})."
        raise refused(message, "COMMENT_TOO_LONG")


def empty() -> Exception:
    """The refusal of a comment without text."""
    return refused("Comment must be non-empty.", "COMMENT_EMPTY")


def _check_type(entry: TextEntry | None) -> None:
    kind = (entry and entry.type) or "PLAIN_TEXT"
    if kind == "HTML":
        raise refused("Currently, only 'PLAIN_TEXT' comments are supported")
    if kind not in ("PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"):
        raise refused("Unknown text type")


def _check_attribute(name: str, score_type: str | None) -> None:
    if known_as(name) is None:
        raise refused(f"Unknown requested attribute: {harmless(name)}")
    if score_type not in (None, PROBABILITY, _UNSPECIFIED):
        raise refused(f"Requested score type {harmless(score_type)} is not supported by attribute {name}")


def _check_context(context: Context | None) -> None:
    if context is None:
        return
    both = context.article_and_parent_comment
    if context.entries and both:
        raise refused("Context can have either entries or article_and_parent_comment, but both fields were populated.")
    for entry in [*(context.entries or ()), *((both.article, both.parent_comment) if both else ())]:
        _check_type(entry)
        if entry and len((entry.text or "").encode("utf-8", "surrogatepass")) > MAX_CONTEXT:
            raise refused(f"A context entry exceeded limit ({MAX_CONTEXT}).")
