"""The log of what people and the service did to cases; never report text."""

from datetime import datetime

from sqlalchemy import Connection, insert

from serving.store.tables import events


def record(connection: Connection, now: datetime, kind: str, case_id: str, actor: str | None, **detail: object) -> None:
    """Write one event. `actor` is a token's id, or None for the service itself."""
    connection.execute(insert(events).values(at=now, actor=actor, kind=kind, case_id=case_id, detail=detail))
