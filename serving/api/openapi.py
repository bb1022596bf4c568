"""`make openapi`: the OpenAPI document of the service as a file, so that clients can be made without one running."""

import json
import sys
from pathlib import Path
from typing import Any

from serving.api.application import create_app
from serving.runtime import Runtime
from serving.settings import Settings


def document() -> dict[str, Any]:
    """What a service answers at /openapi.json; it depends on the code alone."""
    return create_app(Runtime(Settings())).openapi()


def write(path: Path) -> None:
    """Write the document, one line for each of its parts, so that a change shows what changed."""
    path.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
