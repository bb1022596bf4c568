"""People of the queue, and what they are given."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from serving.accounts import people
from serving.accounts.auth import Identity
from serving.accounts.people import Profile
from serving.queue import claims
from serving.runtime import Runtime
from tests.serving.queue.steps import LEASE, NOW, name_of


@pytest.fixture
def person(runtime: Runtime) -> Callable[..., Identity]:
    """Somebody of a role who signs in, with wishes of their own."""

    def make(role: str = "reviewer", **wishes: Any) -> Identity:
        with runtime.store.read() as connection:
            number = len(connection.execute(select(people.people.c.id)).all())
        who = people.create(runtime.store, f"person {number}", role, "a made-up password", NOW)
        people.save_profile(runtime.store, who, Profile(**wishes))
        return who

    return make


@pytest.fixture
def next_of(runtime: Runtime) -> Callable[..., str | None]:
    """The name of the report of the case that somebody is given next, which they go on to hold."""

    def take(who: Identity, now: datetime = NOW, **wanted: Any) -> str | None:
        held = claims.claim(runtime.store, runtime.scorer.policy, who, lease=LEASE, now=now, **wanted)
        return name_of(runtime, held) if held else None

    return take
