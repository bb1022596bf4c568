"""What the service remembers: cases, reports, scores, decisions and tokens, in SQLite or PostgreSQL."""

from serving.store.engine import Store
from serving.store.migrate import migrate

__all__ = ["Store", "migrate"]
