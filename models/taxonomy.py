"""The policy taxonomy: which categories exist, what each means, and which reasons and rules name it."""

import re
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from models.errors import InvalidTaxonomy
from models.prepare import prepare
from models.yaml_file import read_yaml


class Severity(IntEnum):
    """Ordinal severity of a case; the contract writes it as number or as lower-case name."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _not_blank(rule: str) -> str:
    # Rules are looked for in prepared text; one of which preparation leaves nothing would be found everywhere.
    if not prepare(rule).text:
        raise ValueError("holds nothing that could be found in a text")
    return rule


_POLICY = {"harm", "service_level_hours", "floor"}  # what older bundles say of a category; it is the policy's now


class Category(_Frozen):
    """One policy category; see `datasets/taxonomy.yaml` for the fields."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    definition: str
    included: list[str] = Field(alias="in")
    excluded: list[str] = Field(alias="out")
    base_severity: Severity
    reasons: list[str]
    rules: list[Annotated[str, AfterValidator(_not_blank)]]
    learned: bool
    hidden: bool = False
    schemes: dict[str, str | None]


class Taxonomy(_Frozen):
    """All categories of one version of the taxonomy."""

    version: str
    categories: list[Category]

    @model_validator(mode="before")
    @classmethod
    def _without_policy(cls, value: Any) -> Any:
        """What is now the operating policy's was said here once, and is in the copies of older bundles."""
        if not (isinstance(value, dict) and "lanes" in value and isinstance(value.get("categories"), list)):
            return value
        categories = [
            {key: part for key, part in category.items() if key not in _POLICY}
            for category in value["categories"]
            if isinstance(category, dict)
        ]
        return {key: part for key, part in value.items() if key != "lanes"} | {"categories": categories}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys = [category.key for category in self.categories]
        reasons = [
            reason for category in self.categories for reason in {_folded(reason) for reason in category.reasons}
        ]
        for what, names in (("category", keys), ("reason", reasons)):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} {', '.join(repeated)} appears more than once")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a taxonomy file. Raises InvalidTaxonomy."""
        return read_yaml(cls, path, InvalidTaxonomy, "taxonomy")

    @property
    def visible(self) -> list[Category]:
        """The categories that people choose from, in file order."""
        return [category for category in self.categories if not category.hidden]

    @property
    def keys(self) -> list[str]:
        """The keys of the visible categories, in file order."""
        return [category.key for category in self.visible]

    @property
    def titles(self) -> dict[str, str]:
        """The title of every category by its key."""
        return {category.key: category.title for category in self.categories}

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


def _folded(reason: str) -> str:
    """A reason as reasons are compared."""
    return re.sub(r"[-_\s]+", "", reason.casefold())
