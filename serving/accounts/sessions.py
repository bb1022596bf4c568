"""Sessions of people who signed in: a random token in a cookie, of which only the hash is kept."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, or_, select, update

from serving.accounts import people, tries
from serving.accounts.auth import Identity, hash_of
from serving.errors import Unauthenticated
from serving.settings import Settings
from serving.store import Store
from serving.store.tables import people as people_table
from serving.store.tables import sessions

REFUSED = "this name and password do not belong together, or the account is disabled"
SEEN_SECONDS = 30.0  # how exactly it is known when a session was last used; every page need not write


class Limits(NamedTuple):
    """How long a session lasts: without use, and at most."""

    idle: timedelta
    total: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the settings name."""
        return cls(timedelta(seconds=settings.session_idle_seconds), timedelta(seconds=settings.session_seconds))


def sign_in(
    store: Store, limits: Limits, name: str, password: str, address: str, now: datetime, replaces: str = ""
) -> str:
    """Start a session for whoever has this name and password, and return its token; keep it off the event loop.

    `address` is where they come from, `replaces` the token of a session that ends with this one. Raises
    Unauthenticated, in the same words whatever was wrong, or TooManyTries.
    """
    found = _proven(store, name, password, address, now)
    return begin(store, limits, found.person_id, now, replaces, found.password_hash)


def change_password(
    store: Store, limits: Limits, who: Identity, old: str, new: str, address: str, now: datetime
) -> str:
    """Give someone the password they chose, end all their sessions and start another, whose token is returned.

    Raises Unauthenticated, TooManyTries, or InvalidRequest for a password that will not do.
    """
    _proven(store, who.name, old, address, now)
    changed = people.set_password(store, who.name, new)
    return begin(store, limits, changed.person_id, now, password_hash=changed.password_hash)


def _proven(store: Store, name: str, password: str, address: str, now: datetime) -> people.Verified:
    if len(name) > people.LONGEST_NAME or len(password) > people.LONGEST_PASSWORD:
        raise Unauthenticated(REFUSED)  # before it costs anything, as even finding the one spelling does
    tries.take(store, people.plain(name), address, now)
    found = people.verify(store, name, password)
    if found is None:
        raise Unauthenticated(REFUSED)
    tries.give_back(store, people.plain(name), address)
    return found


def begin(
    store: Store,
    limits: Limits,
    person_id: str,
    now: datetime,
    replaces: str = "",
    password_hash: str | None = None,
) -> str:
    """Start a session and return its token.

    Raises Unauthenticated if the person is disabled, or their password is no longer the one they gave.
    """
    token = secrets.token_urlsafe(32)
    over = (sessions.c.created_at <= now - limits.total, sessions.c.seen_at <= now - limits.idle)

    def work(connection: Connection) -> str:
        connection.execute(delete(sessions).where(or_(sessions.c.sha256 == hash_of(replaces), *over)))
        still = select(people_table.c.id).where(
            people_table.c.id == person_id,
            people_table.c.disabled_at.is_(None),
            people_table.c.password_hash.is_not_distinct_from(password_hash),
        )
        if connection.execute(still.with_for_update()).one_or_none() is None:
            raise Unauthenticated(REFUSED)
        values = {"sha256": hash_of(token), "person_id": person_id, "created_at": now, "seen_at": now}
        connection.execute(insert(sessions).values(values))
        return token

    return store.retrying(work)


def find(store: Store, token: str, limits: Limits, now: datetime) -> Identity:
    """Whose session this is. Raises Unauthenticated if it has ended, by whatever way."""
    columns = (people_table.c.id, people_table.c.name, people_table.c.role, sessions.c.created_at, sessions.c.seen_at)
    wanted = (
        select(*columns)
        .join(people_table, people_table.c.id == sessions.c.person_id)
        .where(sessions.c.sha256 == hash_of(token), people_table.c.disabled_at.is_(None))
    )
    with store.read() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None or now >= row.created_at + limits.total or now >= row.seen_at + limits.idle:
        raise Unauthenticated("your session has ended; sign in again")
    if now > row.seen_at + min(timedelta(seconds=SEEN_SECONDS), limits.idle / 4):
        with store.write() as connection:
            connection.execute(update(sessions).where(sessions.c.sha256 == hash_of(token)).values(seen_at=now))
    return Identity(row.id, row.name, row.role)


def end(store: Store, token: str) -> None:
    """End a session, if it is one."""
    with store.write() as connection:
        connection.execute(delete(sessions).where(sessions.c.sha256 == hash_of(token)))
