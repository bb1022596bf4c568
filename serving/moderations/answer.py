"""A score as OpenAI's moderations protocol has it, with what it has no words for in a field that its clients ignore."""

from typing import Any

from models import Score
from models.taxonomy import Taxonomy
from serving.moderations.categories import verdicts

IMAGE_NOT_READ = "image_not_read"


def result(score: Score, taxonomy: Taxonomy, *, image: bool) -> dict[str, Any]:
    """One of the protocol's results, for pydantic to write as JSON.

    A category that nothing speaks of has no applied input type, and the score 0, as the protocol knows no null; so have
    all of them where the model abstains. `flagged` is whether any of the protocol's categories is.
    """
    said, rest = verdicts(score.categories, taxonomy)
    warnings = [*score.warnings, *([IMAGE_NOT_READ] if image else [])]
    return {
        "flagged": any(verdict.flagged for verdict in said.values() if verdict),
        "categories": {name: verdict is not None and verdict.flagged for name, verdict in said.items()},
        "category_scores": {name: verdict.score if verdict else 0.0 for name, verdict in said.items()},
        "category_applied_input_types": {name: ["text"] if verdict else [] for name, verdict in said.items()},
        "frontline": {
            "violation": score.violation,
            "categories": rest,
            "warnings": warnings,
            "abstained": score.abstained,
        },
    }
