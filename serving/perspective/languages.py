"""Whether there is anything to read in a comment, and in which language."""

import re
from collections.abc import Sequence

from models import Scorer
from models.language import likeliest, primary_language
from models.prepare import prepare
from serving.perspective.errors import refused
from serving.perspective.protocol import empty

UNKNOWN = "und"
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


def settle(
    scorer: Scorer, text: str, stated: Sequence[str], attribute: str, *, drop: bool = False
) -> tuple[str | None, list[str]]:
    """A comment as prepared, and its detected language.

    Callers who state languages that are read, and no other, are believed. Raises Refused for a comment that says
    nothing, and in the name of `attribute` where no stated language is read, or where others are and the comment is in
    none that is; with `drop` the text is then None instead.
    """
    look, read = scorer.look(text), scorer.bundle.manifest.languages
    if not look.text:
        raise empty()
    detected = [_detected(scorer, text) if look.is_foreign else read[0]]
    named = [tag for tag in stated if primary_language(tag) is not None]
    unread = [tag if _TAG.fullmatch(tag) else UNKNOWN for tag in named if primary_language(tag) not in read]
    if (unread and (look.is_foreign or len(unread) == len(named))) or (look.is_foreign and not named):
        if drop:
            return None, detected
        raise _unsupported(attribute, detected, unread)
    return look.text, detected


def _detected(scorer: Scorer, text: str) -> str:
    return likeliest(text, prepare(text, scorer.bundle.manifest.prepare)) or UNKNOWN


def _unsupported(attribute: str, detected: list[str], requested: list[str]) -> Exception:
    named = {"requestedLanguages": requested} if requested else {"detectedLanguages": detected}
    return refused(
        f"Attribute {attribute} does not support request languages: {', '.join(requested or detected)}",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        languageNotSupportedByAttributeError={**named, "attribute": attribute},
    )
