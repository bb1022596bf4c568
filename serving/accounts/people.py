"""People who sign in: their names, roles and passwords, and how each of them wants to work."""

import secrets
import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, delete, insert, select, update

from serving.accounts.auth import Identity, Role, role_of
from serving.errors import Forbidden, InvalidRequest, NotFound
from serving.store import Store
from serving.store.tables import people, sessions

LONGEST_NAME = 128
UNREADABLE = "\ufffd"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
_hasher = PasswordHasher()


class Profile(BaseModel):
    """What someone reviews and how pages treat them; an empty list means everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: list[str] = []
    categories: list[str] = []
    critical: bool = False  # opted in to the critical lane
    greyscale: bool = False
    mask_words: bool = False
    daily_severe: int | None = Field(default=None, ge=0)  # severe cases in a day; None for the policy's own


MACHINE = Profile(critical=True)  # of API tokens: machines have no eyes to protect


class Verified(NamedTuple):
    """Someone whose password was right, and the hash that it was compared with or has been replaced by."""

    person_id: str
    password_hash: str


def profile_of(connection: Connection, who: Identity) -> Profile:
    """The profile of whoever this is; a token's is MACHINE."""
    row = connection.execute(select(people.c.profile).where(people.c.id == who.id)).one_or_none()
    return Profile.model_validate(row.profile) if row else MACHINE


def save_profile(store: Store, who: Identity, profile: Profile) -> None:
    """Keep someone's profile. Raises NotFound for a token, which has none to change."""
    with store.write() as connection:
        found = update(people).where(people.c.id == who.id).values(profile=profile.model_dump())
        if not connection.execute(found).rowcount:
            raise NotFound("only people have a profile; this is a token")


def create(store: Store, name: str, role: str, password: str, now: datetime) -> Identity:
    """Add someone who signs in with a password.

    Raises InvalidRequest for an unknown role, a name that is taken or cannot be one, or a password that will not do.
    """
    found = role_of(role)
    known_as = checked_name(name)
    hashed = _hasher.hash(checked_password(password, known_as))
    with store.write() as connection:
        if connection.execute(select(people.c.id).where(people.c.name == known_as)).one_or_none():
            raise InvalidRequest("someone has this name already; see `frontline user list`", field="name")
        return _insert(connection, known_as, found, now, password_hash=hashed)


def sign_on(store: Store, subject: str, name: str, role: Role, now: datetime) -> Identity:
    """The person whom a sign-on provider vouches for, added at their first sign-in, with the role it names now.

    `subject` is unique among all providers, `name` what to call someone new; a name that is taken gets a suffix, as
    nobody may become someone else by choosing their name at the provider. Raises Forbidden for the disabled.
    """

    def work(connection: Connection) -> Identity:
        row = connection.execute(select(people).where(people.c.subject == subject)).one_or_none()
        if row is None:
            return _insert(connection, _free_name(connection, name), role, now, subject=subject)
        if row.disabled_at is not None:
            raise Forbidden("your account here is disabled; ask whoever runs Frontline")
        connection.execute(update(people).where(people.c.id == row.id).values(role=role))
        return Identity(row.id, row.name, role)

    return store.retrying(work)


def signs_on(store: Store, who: Identity) -> bool:
    """Whether this one signs in at a provider, and has no password here."""
    with store.read() as connection:
        return (
            connection.execute(select(people.c.subject).where(people.c.id == who.id)).scalar_one_or_none() is not None
        )


def verify(store: Store, name: str, password: str) -> Verified | None:
    """Whose name and password these are, or None; as much work for a name that nobody has as for any other.

    It takes 64 MiB and a good part of a tenth of a second, so keep it off the event loop.
    """
    with store.read() as connection:
        wanted = select(people.c.id, people.c.password_hash).where(
            people.c.name == plain(name), people.c.disabled_at.is_(None)
        )
        row = connection.execute(wanted).one_or_none()
    decoy, given = _decoy(), _password(password)
    known = row.password_hash if row is not None and row.password_hash else None
    try:
        _hasher.verify(known or decoy, given)
    except (VerificationError, InvalidHashError):
        return None
    if row is None or known is None:
        return None
    return Verified(row.id, _renewed(store, row.id, known, given))


def list_people(store: Store) -> Sequence[Row[Any]]:
    """Everyone, by name: id, name, role, subject, created_at, disabled_at."""
    columns = (people.c.id, people.c.name, people.c.role, people.c.subject, people.c.created_at, people.c.disabled_at)
    with store.read() as connection:
        return list(connection.execute(select(*columns).order_by(people.c.name)))


def set_role(store: Store, name: str, role: str) -> None:
    """Give someone another role, which holds from their next request on.

    Raises NotFound, or InvalidRequest for an unknown role and for those whose role a sign-on provider says.
    """
    with store.write() as connection:
        row = _local(connection, name, "role")
        connection.execute(update(people).where(people.c.id == row.id).values(role=role_of(role)))


def set_password(store: Store, name: str, password: str) -> Verified:
    """Give someone another password and end their sessions.

    Raises NotFound, or InvalidRequest for a password that will not do and for those who sign in at a provider.
    """
    hashed = _hasher.hash(checked_password(password, plain(name)))
    with store.write() as connection:
        row = _local(connection, name, "password")
        connection.execute(update(people).where(people.c.id == row.id).values(password_hash=hashed))
        connection.execute(delete(sessions).where(sessions.c.person_id == row.id))
    return Verified(row.id, hashed)


def disable(store: Store, name: str, now: datetime) -> None:
    """Let someone in no more and end their sessions at once; what they did stays. Raises NotFound."""
    with store.write() as connection:
        row = _named(connection, name)
        connection.execute(update(people).where(people.c.id == row.id).values(disabled_at=now))
        connection.execute(delete(sessions).where(sessions.c.person_id == row.id))


def enable(store: Store, name: str) -> None:
    """Let someone in again who was disabled. Raises NotFound."""
    with store.write() as connection:
        row = _named(connection, name)
        connection.execute(update(people).where(people.c.id == row.id).values(disabled_at=None))


def plain(name: str) -> str:
    """A name as it is looked up: one spelling, whatever its case and width."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # What cannot be seen could make two names look the same, and a store may refuse it.
    return "".join(c if c.isprintable() else UNREADABLE for c in " ".join(folded.split()))


def checked_name(name: str) -> str:
    """A name as it is kept. Raises InvalidRequest if it cannot be one."""
    kept = plain(name)
    if not kept or len(kept) > LONGEST_NAME or UNREADABLE in kept:
        raise InvalidRequest(f"a name has 1 to {LONGEST_NAME} characters that can be seen", field="name")
    return kept


def checked_password(password: str, name: str) -> str:
    """A password as it is hashed. Raises InvalidRequest if it is too short, too long or the name (NIST SP 800-63B)."""
    given = _password(password)
    if len(given) < SHORTEST_PASSWORD or max(len(given), len(password)) > LONGEST_PASSWORD:
        message = f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; a sentence will do"
        raise InvalidRequest(message, field="password")
    if len(set(given)) < SHORTEST_PASSWORD // 2 or given.casefold() == name:
        raise InvalidRequest("this password is too easy to guess", field="password")
    return given


def _password(password: str) -> str:
    # One spelling, whichever keyboard it is typed on; lone surrogates could not be hashed.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode("utf-8")


@cache
def _decoy() -> str:
    return _hasher.hash(secrets.token_urlsafe())


def _renewed(store: Store, person_id: str, old: str, password: str) -> str:
    """Hash a password that was right anew if the library's parameters have changed since."""
    if not _hasher.check_needs_rehash(old):
        return old
    new = _hasher.hash(password)
    with store.write() as connection:
        unchanged = (people.c.id == person_id, people.c.password_hash == old)
        connection.execute(update(people).where(*unchanged).values(password_hash=new))
    return new


def _insert(connection: Connection, name: str, role: Role, now: datetime, **how: str) -> Identity:
    person_id = uuid.uuid4().hex
    profile = Profile().model_dump()
    values = {"id": person_id, "name": name, "role": role, "profile": profile, "created_at": now, **how}
    connection.execute(insert(people).values(values))
    return Identity(person_id, name, role)


def _free_name(connection: Connection, name: str) -> str:
    seen = plain(name).replace(UNREADABLE, "")[: LONGEST_NAME - 9].strip() or "someone"
    taken = connection.execute(select(people.c.id).where(people.c.name == seen)).one_or_none()
    return f"{seen} {secrets.token_hex(4)}" if taken else seen


def _named(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(people).where(people.c.name == plain(name))).one_or_none()
    if row is None:
        raise NotFound("nobody has this name; see `frontline user list`")
    return row


def _local(connection: Connection, name: str, what: str) -> Row[Any]:
    row = _named(connection, name)
    if row.subject is not None:
        raise InvalidRequest(f"the sign-on provider decides on the {what} of this person; change it there", field=what)
    return row
