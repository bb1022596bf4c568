"""What another bundle or policy changes for whoever decides by it, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from models import Bundle
from models.policy import Policy
from models.taxonomy import Category

NOTABLE = 0.05  # by which a threshold must move; every training moves it a little


@dataclass(frozen=True)
class Change:
    """What changed of one category, or of what holds for all (None)."""

    category: str | None
    title: str
    lines: list[str]


def of_bundles(old: Bundle, new: Bundle) -> list[Change]:
    """What changed from bundle to bundle: definitions, and thresholds by NOTABLE or in their intent, by category."""
    before = {category.key: category for category in old.taxonomy.categories if not category.hidden}
    found = []
    for category in new.taxonomy.categories:
        was = before.pop(category.key, None)
        if category.hidden:
            found += [_gone(was)] if was else []
        elif was is None:
            lines = [category.definition, *_listed("In", category.included), *_listed("Out", category.excluded)]
            found.append(Change(category.key, f"New category: {category.title}", lines))
        elif lines := [*_definition(was, category), *_threshold(old, new, category.key)]:
            found.append(Change(category.key, f"{category.title} has changed", lines))
    return found + [_gone(category) for category in before.values()]


def of_policies(old: Policy, new: Policy) -> list[Change]:
    """What changed from policy to policy, if it says that it is another version or changes what reviewers go by."""
    lines = [*_lanes(old, new), *_levels(old, new)]
    if not lines and old.version == new.version:
        return []
    said = lines or ["What is urgent is weighed anew. What counts as a violation has not changed."]
    return [Change(None, f"Policy {new.version} is in force", said)]


def _gone(category: Category) -> Change:
    return Change(category.key, f"{category.title} is no longer used", ["Please choose another category."])


def _definition(was: Category, now: Category) -> Iterator[str]:
    if was.title != now.title:
        yield f"It was called {was.title}."
    if was.definition != now.definition:
        yield f"Before: {was.definition}"
        yield f"Now: {now.definition}"
    for place, old, new in (("In", was.included, now.included), ("Out", was.excluded, now.excluded)):
        yield from _listed(f"{place}, new", [example for example in new if example not in old])
        yield from _listed(f"{place}, no more", [example for example in old if example not in new])
    if was.base_severity != now.base_severity:
        yield f"A clear case has severity {now.base_severity} (before: {was.base_severity})."


def _listed(label: str, examples: list[str]) -> list[str]:
    return [f"{label}: {'; '.join(examples)}."] if examples else []


def _threshold(old: Bundle, new: Bundle, key: str) -> Iterator[str]:
    was, now = old.manifest.thresholds.get(key), new.manifest.thresholds.get(key)
    if was is None or now is None or (abs(was.value - now.value) < NOTABLE and was.intent == now.intent):
        return
    yield f"The model flags it from {now.value:.0%} on (before: {was.value:.0%}). Chosen for: {now.intent}."


def _lanes(old: Policy, new: Policy) -> Iterator[str]:
    for was, now in zip(old.lanes, new.lanes, strict=True):
        if was.service_level_hours != now.service_level_hours:
            yield f"Lane {now.lane}: due in {now.service_level_hours:g} h (before: {was.service_level_hours:g} h)."
        if was.min_severity != now.min_severity:
            yield f"Lane {now.lane}: {_from(now.min_severity)} (before: {_from(was.min_severity)})."


def _from(severity: float | None) -> str:
    return "by a floor alone" if severity is None else f"from severity {severity:g} on"


def _levels(old: Policy, new: Policy) -> Iterator[str]:
    for key in dict.fromkeys([*new.categories, *old.categories]):
        was, now, name = old.of(key), new.of(key), key.replace("_", " ")
        if was.service_level_hours != now.service_level_hours:
            yield f"{name}: due in {now.service_level_hours:g} h (before: {was.service_level_hours:g} h)."
        if was.floor != now.floor:
            lanes = now.floor or "as scored", was.floor or "as scored"
            yield f"{name}: the lane of reports that name it is {lanes[0]} (before: {lanes[1]})."
