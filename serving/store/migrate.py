"""Bringing a store to the current schema, safely even if several processes try at once."""

from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from serving.store.engine import Store

HEAD = "0003"  # the last migration's revision; known without Alembic, which takes 10 MB
LOCK = 7_305_001
MIGRATIONS = Path(__file__).parent / "migrations"
# As Alembic keeps it.
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def migrate(store: Store) -> None:
    """Apply every migration that the store lacks, all or none."""
    if is_current(store):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with store.write() as connection:
        store.serialise(connection, LOCK)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(store: Store) -> bool:
    """Whether the store has the schema that this code expects."""
    with store.read() as connection:
        if not inspect(connection).has_table(_version.name):
            return False
        return connection.execute(select(_version.c.version_num)).scalar_one_or_none() == HEAD
