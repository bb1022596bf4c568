"""What several tests of the code share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.benchmarks.files import File


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., File]:
    """A file of these lines."""

    def make(*lines: str, name: str = "suite.csv") -> File:
        (tmp_path / name).write_text("\n".join(lines) + "\n", "utf-8")
        return File(tmp_path / name)

    return make
