"""What someone may be given next: by role, by the skills and wishes of their profile, and by what they can bear."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from models.language import primary_language
from models.policy import LANES, SPECIALIST, Lane, Policy
from serving.accounts.auth import Identity, Role
from serving.accounts.people import MACHINE, Profile
from serving.queue.exposure import DAY, Exposure
from serving.queue.stages import APPEAL, FIRST, QA, SECOND
from serving.store.tables import NO_CATEGORY, UNKNOWN_LANGUAGE, claims, people

MOST_CELLS = 2000  # parts of the queue that one claim looks into; each costs a seek

STAGES: dict[Role, tuple[str, ...]] = {
    "reviewer": (FIRST, SECOND),
    "specialist": (FIRST, SECOND),
    "qa": (QA, APPEAL),
    "admin": (FIRST, SECOND, APPEAL),
}


@dataclass(frozen=True)
class Reach:
    """The lanes to look in, tried one after another, and the languages and categories to look for; None for any.

    `last_claim` is the id of the last claim, where it is known.
    """

    tries: tuple[tuple[Lane, ...], ...]
    languages: tuple[str, ...] | None
    categories: tuple[str, ...] | None
    last_claim: str | None = None

    def cells(self, who: Identity, lanes: Sequence[Lane]) -> list[tuple[str, Lane, str | None, str | None]]:
        """Stage, lane, category and language of each part of the queue to look into; at most MOST_CELLS, so that of a
        great many languages the last ones are left out.
        """
        return [
            (stage, lane, category, language)
            for language in ((None,) if self.languages is None else self.languages)
            for lane in lanes
            for stage in stages_of(who, lane)
            for category in ((None,) if self.categories is None else self.categories)
        ][:MOST_CELLS]


def may_open(who: Identity, lane: str) -> bool:
    """Whether the role may open cases of a lane."""
    return lane != SPECIALIST or who.is_specialist


def stages_of(who: Identity, lane: Lane) -> tuple[str, ...]:
    """The stages of a lane that a role looks at; those of the specialist lane nobody else could."""
    return (FIRST, SECOND, QA, APPEAL) if lane == SPECIALIST else STAGES.get(who.role, ())


def reach(
    connection: Connection,
    policy: Policy,
    who: Identity,
    now: datetime,
    lanes: Collection[str] = (),
    languages: Collection[str] = (),
) -> Reach:
    """What someone who asks for some lanes and languages (none: for any) may be given now."""
    profile, had, last = _lately(connection, who, now)
    allowed = [lane for lane in LANES if may_open(who, lane) and (not lanes or lane in lanes)]
    if not profile.critical:
        allowed = [lane for lane in allowed if lane != "critical"]
    # What is in an unknown language, or fits no category, is everybody's: else nobody might take it.
    asked = dict.fromkeys(primary_language(language) or UNKNOWN_LANGUAGE for language in languages)
    known = _both(asked, [UNKNOWN_LANGUAGE, *profile.languages] if profile.languages else [])
    categories = (*profile.categories, NO_CATEGORY) if profile.categories else None
    if profile is MACHINE:
        return Reach((tuple(allowed),), known, categories)
    light = tuple(lane for lane in allowed if lane in policy.light_lanes)
    most = policy.care.severe_per_day if profile.daily_severe is None else profile.daily_severe
    if had.severe(policy) >= most:
        tries: tuple[tuple[Lane, ...], ...] = (light,)
    elif had.in_a_row(policy) >= policy.care.severe_in_a_row:
        tries = (light, tuple(allowed))
    else:
        tries = (tuple(allowed),)
    return Reach(tries, known, categories, last)


_LATELY = (
    select(people.c.profile, claims.c.id, claims.c.lane, claims.c.severity)
    .select_from(people)
    .outerjoin(
        claims,
        (claims.c.reviewer == people.c.id) & (claims.c.claimed_at > bindparam("since", type_=claims.c.claimed_at.type)),
    )
    .where(people.c.id == bindparam("who"))
    .order_by(claims.c.claimed_at.desc())
)


def _lately(connection: Connection, who: Identity, now: datetime) -> tuple[Profile, Exposure, str | None]:
    """Someone's profile, what they were given in 24 hours, and the last claim among that; of a token nothing."""
    rows = connection.execute(_LATELY, {"who": who.id, "since": now - DAY}).all()
    if not rows:
        return MACHINE, Exposure(()), None
    seen = tuple((row.lane, row.severity) for row in rows if row.id is not None)
    return Profile.model_validate(rows[0].profile), Exposure(seen), rows[0].id


def _both(asked: Collection[str], skilled: Collection[str]) -> tuple[str, ...] | None:
    """The languages that are asked for and known; of no matter which where neither says."""
    if asked and skilled:
        return tuple(language for language in asked if language in skilled)
    return tuple(asked or skilled) or None
