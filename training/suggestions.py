"""Labels from suggested scores, of tokens that an operator trusts: what callers of the Perspective protocol said."""

from serving.perspective.suggestions import Suggestion, trusted
from serving.store import Store
from training.corpus import Example
from training.labels import UNKNOWN, Labels

SUGGESTED = "suggestions"
YES = 0.5  # at and above which a suggested score says yes
CATEGORIES = {
    "IDENTITY_ATTACK": "hate",
    "INSULT": "harassment",
    "THREAT": "violence_threat",
    "SEXUALLY_EXPLICIT": "sexual_adult",
    "SPAM": "spam",
}


def read_suggestions(store: Store, learned: list[str]) -> list[Example]:
    """Trusted suggestions as labelled texts, oldest first, of the categories that are `learned`."""
    examples = [
        Example(SUGGESTED, suggestion.id, suggestion.text, labels_of(suggestion, learned))
        for suggestion in trusted(store)
    ]
    return [example for example in examples if example.labels != UNKNOWN]


def labels_of(suggestion: Suggestion, learned: list[str]) -> Labels:
    """What a suggestion says in our terms, the rest unknown: toxic or profane alone is no category of ours."""
    known = {
        category: suggestion.scores[attribute] >= YES
        for attribute, category in CATEGORIES.items()
        if attribute in suggestion.scores and category in learned
    }
    return Labels(known, True if any(known.values()) else None)
