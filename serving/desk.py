"""A reviewer's desk: claim the next case and see it as the model in force sees it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from serving import cases, queue
from serving.auth import Identity
from serving.errors import ClaimLapsed
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
    claim = queue.claim(
        runtime.store,
        who,
        lease=timedelta(seconds=runtime.settings.lease_seconds),
        now=now,
        lanes=lanes,
        languages=languages,
        bundle=runtime.scorer.bundle.digest,
    )
    return show(runtime, claim, explain=explain) if claim else None


def show(runtime: Runtime, claim: queue.Claim, *, explain: bool) -> ClaimAnswer:
    """A claimed case with the score that the model in force gives it now, or without any if it is blind.

    Raises ClaimLapsed if the claim ended in the meantime.
    """
    with runtime.store.read() as connection:
        row = cases.get(connection, claim.case_id)
        if row.claim_id != claim.id:
            raise ClaimLapsed("the claim ended in the meantime; claim the next case", field="claim_id")
        score = None
        if not row.blind:
            report, received_at = cases.leading_report(connection, row)
            score = runtime.scorer.score(report, received_at=received_at, explain=explain)
            score = cases.with_priority(score, row)
        case = cases.view(connection, row, score, with_content=True)
    return ClaimAnswer(claim=ClaimOut(id=claim.id, token=claim.token, expires_at=claim.expires_at), case=case)
