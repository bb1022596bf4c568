"""Opening the store: read and write transactions that behave alike on SQLite and PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError

ATTEMPTS = 5
T = TypeVar("T")


class Store:
    """One database; thread-safe, and safe to share between processes through the database's own locks."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        # hide_parameters: an error's message must not carry report text into the logs.
        self.engine = create_engine(self.url, hide_parameters=True, pool_pre_ping=not self.is_sqlite)
        # Threads of one process queue here, because waiting for SQLite's own lock means polling.
        self._writing = threading.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; on SQLite it holds the write lock from the start."""
        with self._writing, self.engine.connect() as connection:
            connection = connection.execution_options(frontline_write=True)
            with connection.begin():
                yield connection

    def retrying(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction, again if another process got in between (unique key, lock, deadlock)."""
        for _ in range(ATTEMPTS - 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except (IntegrityError, OperationalError):
                continue
        with self.write() as connection:
            return work(connection)

    def serialise(self, connection: Connection, lock: int) -> None:
        """Let one transaction at a time past this point until it ends; SQLite's writers are one at a time already."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; ours is below
    # FULL: with less, a power cut could take back reports that were already answered for.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("frontline_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
