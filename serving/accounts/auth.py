"""Bearer tokens and roles: who calls, and what that role may do."""

import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import Row, insert, select, update

from serving.errors import InvalidRequest, NotFound, Unauthenticated
from serving.store import Store
from serving.store.tables import tokens

Role = Literal["intake", "reviewer", "specialist", "qa", "scientist", "manager", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
SCORERS: tuple[Role, ...] = ("intake", "admin")
READERS: tuple[Role, ...] = ("intake", "reviewer", "specialist", "qa", "admin")
WORKERS: tuple[Role, ...] = ("reviewer", "specialist", "qa", "admin")
SCIENTISTS: tuple[Role, ...] = ("scientist", "admin")
ANALYSTS: tuple[Role, ...] = ("scientist", "manager", "admin")
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Identity:
    """Who calls. `id` is the person's, or the token's: the pseudonym under which decisions are kept."""

    id: str
    name: str
    role: Role

    @property
    def is_specialist(self) -> bool:
        """Whether this one may open cases of the specialist lane; not even an admin may."""
        return self.role == "specialist"


def role_of(name: str) -> Role:
    """The role of this name. Raises InvalidRequest for an unknown one."""
    for role in ROLES:
        if role == name:
            return role
    raise InvalidRequest(f"there is no such role; the roles are {', '.join(ROLES)}", field="role")


def hash_of(token: str) -> str:
    """What is kept of a token; it holds 256 random bits, so that a fast hash is as good as a slow one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def create_token(store: Store, name: str, role: str) -> str:
    """Make a token and return it; only its hash is kept. Raises InvalidRequest for an unknown role."""
    role = role_of(role)
    token = f"fl_{secrets.token_urlsafe(32)}"
    with store.write() as connection:
        connection.execute(
            insert(tokens).values(
                id=uuid.uuid4().hex, name=name, role=role, sha256=hash_of(token), created_at=datetime.now(UTC)
            )
        )
    return token


def authenticate(store: Store, token: str) -> Identity:
    """Find out whose token this is. Raises Unauthenticated if it is unknown or revoked."""
    digest = hash_of(token)
    with store.read() as connection:
        row = connection.execute(select(tokens).where(tokens.c.sha256 == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.sha256, digest) or row.revoked_at is not None:
        raise Unauthenticated("the token is unknown or revoked; ask for one with `frontline token create`")
    return Identity(row.id, row.name, row.role)


class Identities:
    """Whose tokens these are, remembered for REMEMBERED_SECONDS: a revoked token works for that long at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[Identity, float]] = {}

    def known(self, token: str) -> Identity | None:
        """Whose token this is, if that was asked a moment ago."""
        identity, until = self._known.get(hash_of(token), (None, 0.0))
        return identity if time.monotonic() < until else None

    def find(self, token: str) -> Identity:
        """Find out whose token this is. Raises Unauthenticated if it is unknown or revoked."""
        until = time.monotonic() + REMEMBERED_SECONDS
        identity = authenticate(self._store, token)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[hash_of(token)] = identity, until
        return identity


def list_tokens(store: Store) -> Sequence[Row[Any]]:
    """All tokens, oldest first: id, name, role, created_at, revoked_at."""
    columns = (tokens.c.id, tokens.c.name, tokens.c.role, tokens.c.created_at, tokens.c.revoked_at)
    with store.read() as connection:
        return list(connection.execute(select(*columns).order_by(tokens.c.created_at)))


def revoke_token(store: Store, token_id: str) -> None:
    """Refuse a token, within REMEMBERED_SECONDS everywhere. Raises NotFound if no unrevoked token has this id."""
    with store.write() as connection:
        done = connection.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            .values(revoked_at=datetime.now(UTC))
        )
    if not done.rowcount:
        raise NotFound("no unrevoked token has this id; see `frontline token list`")
