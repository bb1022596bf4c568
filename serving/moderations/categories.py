"""Which of OpenAI's moderation categories says what: our categories by the taxonomy's `schemes.openai`, and a few that
follow from two of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from models.score import CategoryScore
from models.taxonomy import Taxonomy

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
# Those that hold only where each of these does, unless the taxonomy names a category of its own for them. Their score
# is the least of these: no probability of all at once is higher. `self-harm/instructions` is not among them, as to say
# it of everything on self-harm would have people in need treated as those who endanger others.
JOINT = {
    "harassment/threatening": ("harassment", "violence"),
    "hate/threatening": ("hate", "violence"),
    "self-harm/intent": ("self-harm",),
}


class Verdict(NamedTuple):
    """What is said of one of their categories; `score` is from 0 to 1."""

    flagged: bool
    score: float


def verdicts(
    scores: Sequence[CategoryScore], taxonomy: Taxonomy
) -> tuple[dict[str, Verdict | None], list[CategoryScore]]:
    """A verdict on each of CATEGORIES, None where nothing speaks of it; and our categories that none stands for.

    Where several of ours map to one of theirs, the highest score counts, and it is flagged if any is.
    """
    said: dict[str, Verdict | None] = dict.fromkeys(CATEGORIES)
    mapped, rest = set(), []
    for score in scores:
        theirs = taxonomy[score.category].schemes.get("openai")
        if theirs not in said:
            rest.append(score)
            continue
        mapped.add(theirs)
        if (verdict := _verdict(score)) is not None:
            other = said[theirs] or verdict
            said[theirs] = Verdict(verdict.flagged or other.flagged, max(verdict.score, other.score))
    for theirs, parts in JOINT.items():
        if theirs not in mapped:
            said[theirs] = _joint([said[part] for part in parts])
    return said, rest


def _verdict(score: CategoryScore) -> Verdict | None:
    """What we say of a category; a rule word is certain, as clients may look at the score alone."""
    if score.source == "rule":
        return Verdict(flagged=True, score=1.0)
    return None if score.probability is None else Verdict(score.flagged, score.probability)


def _joint(parts: Sequence[Verdict | None]) -> Verdict | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Verdict(all(part.flagged for part in known), min(part.score for part in known))
