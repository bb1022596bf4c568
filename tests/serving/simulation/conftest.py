"""A small world, its plan, and a history of three cases."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from models.bundle import Bundle
from models.policy import Policy
from serving.settings import SHIPPED_BUNDLE
from serving.simulation.run import Plan
from serving.simulation.world import SHIPPED, World
from tests.serving.simulation.histories import row, written

SMALL: dict[str, Any] = {
    "weeks": 1,
    "teams": [
        {"reviewers": 1, "shift": {"zone": "UTC", "days": ["mon", "tue"], "opens": "08:00", "closes": "14:00"}},
    ],
    "scenarios": {"linked": {"link": 0.2, "stated": True}, "silent": {"link": 0, "stated": False}},
    "utilisations": [0.8, 1.1],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped world with one reviewer for a week."""
    path = tmp_path_factory.mktemp("world") / "small.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text("utf-8")) | SMALL), "utf-8")
    return path


@pytest.fixture(scope="module")
def plan(small: Path) -> Plan:
    return Plan(World.read(small), Bundle.read(SHIPPED_BUNDLE), Policy.read())


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Three cases, decided in the order in which they came, the last of which spreads and is severe."""
    views = [["2026-03-02T09:00:00Z", 0], ["2026-03-02T13:00:00Z", 24_000]]
    rows = [
        row(0, 60, 0, 0.1),
        row(1, 120, 1, 0.3, category="spam"),
        row(2, 180, 4, 0.9, category="violence_threat", expected_severity=3.2, views_per_hour=6000, views=views),
    ]
    return written(tmp_path / "history.jsonl", rows)
