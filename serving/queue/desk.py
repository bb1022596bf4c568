"""A reviewer's desk: claim the next case and see it as the model in force sees it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed
from serving.queue import cases, claims
from serving.queue.stages import QA, SECOND
from serving.runtime import Runtime
from serving.schemas import ClaimAnswer, ClaimOut


def claim_next(
    runtime: Runtime,
    who: Identity,
    now: datetime,
    *,
    lanes: Sequence[str] = (),
    languages: Sequence[str] = (),
    explain: bool = False,
) -> ClaimAnswer | None:
    """Claim the next case, or None if none waits."""
    claim = take_next(runtime, who, now, lanes=lanes, languages=languages)
    return show(runtime, claim, explain=explain) if claim else None


def take_next(
    runtime: Runtime,
    who: Identity,
    now: datetime,
    *,
    lanes: Sequence[str] = (),
    languages: Sequence[str] = (),
    alone: bool = False,
) -> claims.Claim | None:
    """Claim the next case without looking at it yet, or None; with `alone` the one that is in hand already, if any."""
    return claims.claim(
        runtime.store,
        runtime.scorer.policy,
        who,
        lease=timedelta(seconds=runtime.settings.lease_seconds),
        now=now,
        lanes=lanes,
        languages=languages,
        bundle=runtime.scorer.bundle.digest,
        alone=alone,
    )


def show(runtime: Runtime, claim: claims.Claim, *, explain: bool) -> ClaimAnswer:
    """A claimed case with the score that the model in force gives it now, or without any if it is blind.

    Raises ClaimLapsed if the claim ended in the meantime.
    """
    with runtime.store.read() as connection:
        row = _held(connection, claim)
        leading = None if row.blind else cases.leading_report(connection, row)
    score = None
    if leading is not None:  # between two looks at the store, as no connection shall wait for the model
        report, received_at = leading
        score = cases.with_priority(runtime.scorer.score(report, received_at=received_at, explain=explain), row)
    with runtime.store.read() as connection:
        _held(connection, claim)
        # Who looks again shall not know what others concluded.
        made = [] if row.stage in (SECOND, QA) else cases.decisions_of(connection, row.id)
        case = cases.view(connection, row, score, with_content=True, decisions=made)
    return ClaimAnswer(claim=ClaimOut(id=claim.id, token=claim.token, expires_at=claim.expires_at), case=case)


def _held(connection: Connection, claim: claims.Claim) -> Row[Any]:
    row = cases.get(connection, claim.case_id)
    if row.claim_id != claim.id:
        raise ClaimLapsed("the claim ended in the meantime; claim the next case", field="claim_id")
    return row
