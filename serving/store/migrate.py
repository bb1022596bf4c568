"""Bringing a store to the current schema, safely even if several processes try at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from serving.store.engine import Store

LOCK = 7_305_001


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def migrate(store: Store) -> None:
    """Apply every migration that the store lacks, all or none."""
    config = _config()
    with store.write() as connection:
        store.serialise(connection, LOCK)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(store: Store) -> bool:
    """Whether the store has the schema that this code expects."""
    with store.read() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return revision == ScriptDirectory.from_config(_config()).get_current_head()
