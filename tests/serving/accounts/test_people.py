"""People: names that are one whatever their spelling, passwords that stay secret, and profiles."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from typer.testing import CliRunner

from serving.accounts import people, sessions
from serving.accounts.auth import Identity
from serving.accounts.people import MACHINE, Profile
from serving.cli import app
from serving.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from serving.runtime import Runtime
from serving.settings import Settings
from serving.store import Store, tables

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "a sentence will do"
OTHER = "another sentence will do"


@pytest.fixture
def store(runtime: Runtime) -> Store:
    return runtime.store


def test_a_name_is_one_whatever_its_spelling(store: Store) -> None:
    ada = people.create(store, " Ada  Löv ", "reviewer", PASSWORD, NOW)
    assert ada.name == "ada löv"
    for name in ("ada löv", "ADA LÖV", "ada lo\u0308v", "\uff41da löv"):
        found = people.verify(store, name, PASSWORD)
        assert found is not None
        assert found.person_id == ada.id
        with pytest.raises(InvalidRequest, match="this name already"):
            people.create(store, name, "reviewer", PASSWORD, NOW)


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "ada\u202e", "ada\0", "\ud800", "a\nb\u200b"])
def test_names_that_cannot_be_one(store: Store, name: str) -> None:
    with pytest.raises(InvalidRequest, match="characters that can be seen"):
        people.create(store, name, "reviewer", PASSWORD, NOW)
    assert people.verify(store, name, PASSWORD) is None
    with pytest.raises(NotFound):
        people.disable(store, name, NOW)


@pytest.mark.parametrize("password", ["", "too short", "x" * 257, "abababababab", "Ada.Lovelace.1815"])
def test_passwords_that_will_not_do(store: Store, password: str) -> None:
    with pytest.raises(InvalidRequest, match="password"):
        people.create(store, "ada.lovelace.1815", "reviewer", password, NOW)
    assert people.list_people(store) == []


def test_passwords(store: Store) -> None:
    people.create(store, "ada", "reviewer", "Zürich is a town\0\ud800", NOW)
    assert people.verify(store, "ada", "Zu\u0308rich is a town\0\ud800") is not None
    for wrong in ("", PASSWORD, "x" * 100_000, "\ud800"):
        assert people.verify(store, "ada", wrong) is None
    with store.read() as connection:
        (kept,) = connection.execute(select(tables.people.c.password_hash)).scalars()
    assert kept.startswith("$argon2id$")


def test_the_librarys_parameters_are_ours() -> None:
    people_hasher = PasswordHasher()
    assert (people_hasher.memory_cost, people_hasher.time_cost) >= (65536, 3)


def test_a_hash_is_renewed_when_parameters_change(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    people.create(store, "ada", "reviewer", PASSWORD, NOW)
    monkeypatch.setattr(people, "_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert people.verify(store, "ada", OTHER) is None
    found = people.verify(store, "ada", PASSWORD)
    assert found is not None
    with store.read() as connection:
        kept = connection.execute(select(tables.people.c.password_hash)).scalar_one()
    assert "m=16,t=2" in kept == found.password_hash
    assert people.verify(store, "ada", PASSWORD) == found


def test_unknown_names_take_the_same_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    people.create(store, "ada", "reviewer", PASSWORD, NOW)
    people.create(store, "bob", "reviewer", PASSWORD, NOW)
    people.disable(store, "bob", NOW)
    people.sign_on(store, "https://idp eve", "eve", "reviewer", NOW)
    people.verify(store, "ada", "x")  # from here on the decoy is there

    class Counting:
        def __init__(self, hasher: PasswordHasher) -> None:
            self.hasher, self.verified = hasher, 0

        def verify(self, hashed: str, password: str) -> bool:
            self.verified += 1
            return self.hasher.verify(hashed, password)

    counting = Counting(people._hasher)
    monkeypatch.setattr(people, "_hasher", counting)
    for number, name in enumerate(("ada", "bob", "eve", "nobody", "\0"), start=1):
        assert people.verify(store, name, "wrong all the same") is None
        assert counting.verified == number
    assert people.verify(store, "bob", PASSWORD) is None


def test_roles_and_passwords_change(store: Store) -> None:
    people.create(store, "ada", "reviewer", PASSWORD, NOW)
    people.set_role(store, "ADA", "specialist")
    (row,) = people.list_people(store)
    assert row.role == "specialist"
    people.set_password(store, "ada", OTHER)
    assert people.verify(store, "ada", PASSWORD) is None
    assert people.verify(store, "ada", OTHER) is not None
    with pytest.raises(InvalidRequest, match="the roles are"):
        people.set_role(store, "ada", "root")
    with pytest.raises(NotFound):
        people.set_role(store, "bob", "reviewer")
    people.disable(store, "ada", NOW)
    assert people.verify(store, "ada", OTHER) is None
    people.enable(store, "ada")
    assert people.verify(store, "ada", OTHER) is not None


def test_profiles(store: Store, staff: SimpleNamespace, tokens: SimpleNamespace) -> None:
    machine = Identity("0" * 32, "intake", "reviewer")
    wanted = Profile(languages=["de"], categories=["hate"], critical=True, greyscale=True, daily_severe=3)
    people.save_profile(store, staff.reviewer, wanted)
    with store.read() as connection:
        assert people.profile_of(connection, staff.reviewer) == wanted
        assert people.profile_of(connection, staff.qa) == Profile()
        assert people.profile_of(connection, machine) == MACHINE
    assert Profile(critical=True) == MACHINE
    with pytest.raises(NotFound):
        people.save_profile(store, machine, wanted)
    with pytest.raises(ValueError, match="daily_severe"):
        Profile(daily_severe=-1)


def test_people_from_a_provider(store: Store) -> None:
    people.create(store, "ada", "admin", PASSWORD, NOW)
    ada = people.sign_on(store, "https://idp 1", "Ada", "reviewer", NOW)
    assert ada.name.startswith("ada ")  # the name is taken, and stays someone else's
    assert people.sign_on(store, "https://idp 1", "Eve", "qa", NOW) == Identity(ada.id, ada.name, "qa")
    assert people.sign_on(store, "https://idp 2", "\u202e\0", "qa", NOW).name == "someone"
    assert people.sign_on(store, "https://idp 3", "x" * 400, "qa", NOW).name == "x" * 119
    for change in (
        lambda: people.set_role(store, ada.name, "admin"),
        lambda: people.set_password(store, "x" * 119, OTHER),
    ):
        with pytest.raises(InvalidRequest, match="provider decides"):
            change()
    people.disable(store, ada.name, NOW)
    with pytest.raises(Forbidden, match="disabled"):
        people.sign_on(store, "https://idp 1", "Ada", "reviewer", NOW)


@pytest.fixture
def user(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`frontline user`, with what is typed."""
    monkeypatch.setenv("FRONTLINE_HOME", str(settings.home))
    monkeypatch.setenv("FRONTLINE_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words, typed="": CliRunner().invoke(app, ["user", *words], input=typed)


def test_the_command_line(user: Callable[..., Any], store: Store, settings: Settings) -> None:
    made = user("create", "[Ada]", "reviewer", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert "[ada] can sign in as reviewer" in made.output
    assert PASSWORD not in made.output
    limits = sessions.Limits.of(settings)
    token = sessions.sign_in(store, limits, "[ada]", PASSWORD, "", NOW)
    assert user("role", "[ada]", "qa").exit_code == 0
    assert sessions.find(store, token, limits, NOW).role == "qa"
    people.sign_on(store, "https://idp 1", "Bob", "reviewer", NOW)
    listed = user("list").output
    assert all(word in listed for word in ("[ada]", "qa", "single sign-on"))
    assert user("password", "[ada]", typed=f"{OTHER}\n{OTHER}\n").exit_code == 0
    with pytest.raises(Unauthenticated):
        sessions.find(store, token, limits, NOW)
    assert user("disable", "[ada]").exit_code == 0
    assert people.verify(store, "[ada]", OTHER) is None
    assert user("enable", "[ada]").exit_code == 0
    assert people.verify(store, "[ada]", OTHER) is not None


def test_the_command_line_refuses(user: Callable[..., Any]) -> None:
    for words, typed, said in (
        (("create", "ada", "root"), "", "the roles are"),
        (("create", "\u202e", "qa"), "", "can be seen"),
        (("create", "ada", "qa"), "short\nshort\n", "12 to 256"),
        (("disable", "nobody"), "", "nobody has this name"),
    ):
        result = user(*words, typed=typed)
        assert result.exit_code == 1
        assert said in result.output
