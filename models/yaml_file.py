"""Files that operators edit: YAML read into a checked model, or refused in one sentence."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel

from models.errors import FrontlineError

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(model: type[Model], path: Path, refusal: type[FrontlineError], what: str) -> Model:
    """Read a file of UTF-8 as the model. Raises the refusal where it is not a usable one of what it should be."""
    try:
        return model.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise refusal(f"{path.name} is not a usable {what}: {error}") from error
