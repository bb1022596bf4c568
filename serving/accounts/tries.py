"""Limits on failed sign-ins, per name and per address: some at once, then one now and then."""

import hashlib
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from serving.errors import TooManyTries
from serving.store import Store
from serving.store.tables import failed_sign_ins

LOCK = 7_305_004  # of PostgreSQL, so that tries at the same moment are all counted


class Limit(NamedTuple):
    """So many failures at once, and one is forgotten every so many seconds."""

    failures: int
    seconds: float


# One name: hardly 1,450 guesses a day. One address: a whole office may share it, and mistypes after the weekend.
NAME, ADDRESS = Limit(10, 60), Limit(50, 6)


def take(store: Store, name: str, address: str, now: datetime) -> None:
    """Count a try as failed before it is made, so that many at once are no way around.

    A name that nobody has counts like any other. Raises TooManyTries, which says when the next try is free.
    """

    def work(connection: Connection) -> None:
        store.serialise(connection, LOCK)
        connection.execute(delete(failed_sign_ins).where(failed_sign_ins.c.forgotten_at < now))
        for key, limit in _keys(name, address):
            forgotten = max(_forgotten(connection, key) or now, now) + timedelta(seconds=limit.seconds)
            wait = math.ceil((forgotten - now).total_seconds() - limit.failures * limit.seconds)
            if wait > 0:
                message = f"too many sign-ins have failed; try again in {wait} seconds"
                raise TooManyTries(message, retry_after=wait)
            _keep(connection, key, forgotten)

    store.retrying(work)


def give_back(store: Store, name: str, address: str) -> None:
    """Uncount a try that was no failure."""

    def work(connection: Connection) -> None:
        store.serialise(connection, LOCK)
        for key, limit in _keys(name, address):
            forgotten = _forgotten(connection, key)
            if forgotten is not None:
                _keep(connection, key, forgotten - timedelta(seconds=limit.seconds))

    store.retrying(work)


def _keys(name: str, address: str) -> Iterator[tuple[str, Limit]]:
    # Hashed, as people type passwords where their name belongs.
    for kind, value, limit in (("address", _network(address), ADDRESS), ("name", name, NAME)):
        yield hashlib.sha256(f"{kind} {value}".encode("utf-8", "surrogatepass")).hexdigest(), limit


def _network(address: str) -> str:
    """Of IPv6, the part that one subscriber has for themselves."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return ip.exploded[:19] if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None else str(ip)


def _forgotten(connection: Connection, key: str) -> datetime | None:
    wanted = select(failed_sign_ins.c.forgotten_at).where(failed_sign_ins.c.key == key)
    found: datetime | None = connection.execute(wanted).scalar_one_or_none()
    return found


def _keep(connection: Connection, key: str, forgotten: datetime) -> None:
    values = {"key": key, "forgotten_at": forgotten}
    if not connection.execute(update(failed_sign_ins).where(failed_sign_ins.c.key == key).values(values)).rowcount:
        connection.execute(insert(failed_sign_ins).values(values))
