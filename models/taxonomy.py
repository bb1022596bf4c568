"""The policy taxonomy: which categories exist, how much harm each does, and how soon a case of it is due."""

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from models.errors import InvalidTaxonomy
from models.prepare import prepare

Lane = Literal["specialist", "critical", "high", "standard", "low"]


class Severity(IntEnum):
    """Ordinal severity of a case; the contract writes it as number or as lower-case name."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Harm(_Frozen):
    """Harm of one clear case, in units of one clear case of harassment."""

    target: float = Field(ge=0)  # to the person aimed at, whatever the audience
    spread: float = Field(ge=0)  # by reaching its audience, scaled by forecast exposure


def _not_blank(rule: str) -> str:
    # Rules are looked for in prepared text; one of which preparation leaves nothing would be found everywhere.
    if not prepare(rule).text:
        raise ValueError("holds nothing that could be found in a text")
    return rule


class Category(_Frozen):
    """One policy category; see `datasets/taxonomy.yaml` for the fields."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    definition: str
    included: list[str] = Field(alias="in")
    excluded: list[str] = Field(alias="out")
    base_severity: Severity
    harm: Harm
    service_level_hours: float = Field(gt=0)
    reasons: list[str]
    rules: list[Annotated[str, AfterValidator(_not_blank)]]
    learned: bool
    floor: Lane | None = None
    hidden: bool = False
    schemes: dict[str, str | None]


class LaneLevel(_Frozen):
    """One lane's service level and the severity from which a case belongs in it (none: by floor alone)."""

    lane: Lane
    service_level_hours: float = Field(gt=0)
    min_severity: Severity | None


class Taxonomy(_Frozen):
    """All categories and lanes of one version of the policy."""

    version: str
    lanes: list[LaneLevel]
    categories: list[Category]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys = [category.key for category in self.categories]
        reasons = [
            reason for category in self.categories for reason in {_folded(reason) for reason in category.reasons}
        ]
        for what, names in (("category", keys), ("reason", reasons), ("lane", [str(lane.lane) for lane in self.lanes])):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} {', '.join(repeated)} appears more than once")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a taxonomy file. Raises InvalidTaxonomy."""
        try:
            return cls.model_validate(yaml.safe_load(path.read_text("utf-8")))
        except (OSError, yaml.YAMLError, ValueError) as error:
            raise InvalidTaxonomy(f"{path.name} is not a usable taxonomy: {error}") from error

    @property
    def keys(self) -> list[str]:
        """The keys of the visible categories, in file order."""
        return [category.key for category in self.categories if not category.hidden]

    @property
    def learned(self) -> list[str]:
        """The keys that a model is trained for, in file order."""
        return [category.key for category in self.categories if category.learned]

    def __getitem__(self, key: str) -> Category:
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> dict[str, Category]:
        return {category.key: category for category in self.categories}

    def of_reason(self, reason: str | None) -> Category | None:
        """The category that a reporter's reason maps to, if any, whatever its case, hyphens, underscores and spaces."""
        return None if reason is None else self._by_reason.get(_folded(reason))

    @cached_property
    def _by_reason(self) -> dict[str, Category]:
        return {_folded(reason): category for category in self.categories for reason in category.reasons}

    def lane(self, name: str) -> LaneLevel:
        """The service level of a lane."""
        return self.lanes[self._rank[name]]

    def most_urgent(self, lanes: Iterable[LaneLevel]) -> LaneLevel:
        """Of some lanes the one that comes first."""
        return min(lanes, key=lambda level: self._rank[level.lane])

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {level.lane: rank for rank, level in enumerate(self.lanes)}


def _folded(reason: str) -> str:
    """A reason as reasons are compared."""
    return re.sub(r"[-_\s]+", "", reason.casefold())
