"""The documents say what is true: links lead somewhere, commands and settings exist."""

import re
from pathlib import Path

import pytest

from serving.cli import app
from serving.settings import Settings

ROOT = Path(__file__).parents[2]
# Hidden folders hold environments, stores and caches.
PAGES = [p for p in ROOT.rglob("*.md") if not any(part.startswith(".") for part in p.relative_to(ROOT).parts)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_commands_in_the_readme_exist() -> None:
    called = {each.name or each.callback.__name__ for each in app.registered_commands if each.callback}
    known = {name.replace("_", "-") for name in called}
    known |= {group.name for group in app.registered_groups}
    named = set(re.findall(r"`?frontline ([a-z][a-z-]*)", (ROOT / "README.md").read_text("utf-8")))
    assert named - {"bento"} <= known


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text("utf-8"), re.M)) <= targets


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
