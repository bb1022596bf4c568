"""The attributes that are answered, the names that they go by, and which of our outputs say something of them."""

import re
from dataclasses import dataclass

EXPERIMENTAL = "_EXPERIMENTAL"
_NAME = re.compile(rf"([A-Z_]+?)({EXPERIMENTAL})?(?:@([1-9]\d?))?")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its latest documented version, and whether it has an experimental name as well.

    `outputs` are the bundle's own outputs that come closest to it. The mapping starts from all of them and from the
    embedding; where no mapping was fitted for a bundle, the highest of their calibrated probabilities is the answer.
    """

    version: int
    experimental: bool
    outputs: tuple[str, ...]


ATTRIBUTES: dict[str, Attribute] = {
    "TOXICITY": Attribute(6, True, ("harassment", "hate", "violence_threat", "sexual_adult")),
    "SEVERE_TOXICITY": Attribute(2, True, ("hate", "violence_threat")),
    "IDENTITY_ATTACK": Attribute(2, True, ("hate",)),
    "INSULT": Attribute(2, True, ("harassment",)),
    "PROFANITY": Attribute(2, True, ("harassment", "sexual_adult")),  # nothing of ours means swearing itself
    "THREAT": Attribute(2, True, ("violence_threat",)),
    "SEXUALLY_EXPLICIT": Attribute(2, False, ("sexual_adult",)),
    "SPAM": Attribute(1, False, ("spam", "scam_fraud")),
}


def known_as(name: str) -> str | None:
    """The attribute that a requested name means: itself, `NAME@version` or `NAME_EXPERIMENTAL`; None if unknown.

    All versions have the same score: there is one model, not one of each year.
    """
    match = _NAME.fullmatch(name)
    attribute = ATTRIBUTES.get(match[1]) if match else None
    if match is None or attribute is None:
        return None
    _, experimental, version = match.groups()
    if experimental and (version or not attribute.experimental):
        return None
    return match[1] if int(version or 1) <= attribute.version else None
