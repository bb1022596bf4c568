"""Care for reviewers: for how long somebody has been at it without a rest."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from models.policy import Care
from serving.accounts.auth import Identity
from serving.store.tables import claims

MOST_READ = 500  # claims; whoever has had more without a rest is due for a break anyhow


def stretch(connection: Connection, who: Identity, now: datetime, care: Care) -> datetime | None:
    """Since when somebody has worked without a break of `care.break_minutes`; None for whoever is resting."""
    rest = timedelta(minutes=care.break_minutes)
    began: datetime | None = None
    rows = connection.execute(
        select(claims.c.claimed_at, claims.c.ended_at)
        .where(claims.c.reviewer == who.id)
        .order_by(claims.c.claimed_at.desc())
        .limit(MOST_READ)
    )
    for row in rows:
        ended = row.ended_at or (now if began is None else row.claimed_at)
        if (began or now) - ended >= rest:
            break
        began = row.claimed_at
    return began
