"""One process of claimers, for the test that kills such processes: argv is a JSON object, see `Plan`.

They claim, decide, release, skip, or sit on a case until somebody else has it and decide it then. Time is a number in a
file that passes as they do things, so that leases lapse and no test waits. What a call has answered goes to the log.
"""

import fcntl
import json
import os
import random
import struct
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import func, select, update

from models.policy import Policy
from models.taxonomy import Taxonomy
from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed
from serving.queue import claims
from serving.queue.claims import Claim
from serving.review import decisions
from serving.schemas import DecisionIn
from serving.store import Store
from serving.store.tables import cases
from serving.store.tables import claims as history

START = datetime(2026, 11, 22, 12, tzinfo=UTC)  # as the test has it
LEASE = timedelta(seconds=60)
STEP = 1.0  # seconds that pass with each thing that somebody does, at most
IDLE_STEP = 0.02  # and with each look at a queue in which nothing waits; much more, and all others' leases would lapse


@dataclass(frozen=True)
class Plan:
    """Whose claims on which store this process plays, and what is broken on purpose."""

    url: str
    clock: str
    log: str
    taxonomy: str
    names: list[str]
    seed: str
    broken: str = ""


class Clock:
    """A time that all processes share."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR)
        self._lock = threading.Lock()

    def pass_by(self, seconds: float) -> datetime:
        """Let some time pass, and say what time it is."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            (now,) = struct.unpack("d", os.pread(self._file, 8, 0))
            os.pwrite(self._file, struct.pack("d", now + seconds), 0)
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return START + timedelta(seconds=now + seconds)


class Claimer:
    """Somebody who works on the queue, not always well."""

    def __init__(self, plan: Plan, name: str, store: Store, clock: Clock, log: Any) -> None:
        self._who = Identity(name, name, "reviewer")
        self._store, self._clock, self._log = store, clock, log
        self._random = random.Random(f"{plan.seed} {name}")
        self._scorer: Any = SimpleNamespace(
            policy=Policy.read(), bundle=SimpleNamespace(taxonomy=Taxonomy.read(Path(plan.taxonomy)))
        )
        self._kept: list[tuple[int, Claim]] = []  # cases that one sits on, and until which turn
        self._turn = 0

    def work(self) -> None:
        """Until nothing is left to decide."""
        while True:
            self._turn += 1
            for due, claim in [each for each in self._kept if each[0] <= self._turn]:
                self._kept.remove((due, claim))
                self._decide(claim)
            claim = claims.claim(self._store, self._scorer.policy, self._who, lease=LEASE, now=self._now())
            if claim is not None:
                self._say("claimed", claim, token=claim.token)
                self._deal_with(claim)
            elif self._all_decided():
                return
            else:
                self._clock.pass_by(IDLE_STEP)
                time.sleep(0.02)

    def _deal_with(self, claim: Claim) -> None:
        draw = self._random.random()
        held: dict[str, Any] = {"who": self._who, "claim_id": claim.id, "token": claim.token}
        try:
            if draw < 0.55:
                self._decide(claim)
            elif draw < 0.75:
                self._kept.append((self._turn + self._random.randint(1, 12), claim))
            elif draw < 0.85:
                claims.release(self._store, now=self._now(), **held)
                self._say("released", claim)
            elif draw < 0.9:
                claims.skip(self._store, reason="language", now=self._now(), **held)
                self._say("skipped", claim)
            elif draw < 0.95:
                claims.extend(self._store, lease=LEASE, now=self._now(), **held)
                self._decide(claim)
        except ClaimLapsed:
            self._say("lapsed", claim)

    def _decide(self, claim: Claim) -> None:
        given = DecisionIn(
            decision_id=claim.id,
            case_id=claim.case_id,
            claim_id=claim.id,
            token=claim.token,
            content_version=1,
            outcome="cannot_decide" if self._random.random() < 0.03 else "no_violation",
        )
        try:
            for _ in range(1 + (self._random.random() < 0.2)):  # some ask twice, as after a lost answer
                decisions.decide(self._store, self._scorer, self._who, given, self._now())
                self._say("decided", claim, outcome=given.outcome)
        except ClaimLapsed:
            self._say("lapsed", claim)

    def _now(self) -> datetime:
        return self._clock.pass_by(self._random.random() * STEP)

    def _all_decided(self) -> bool:
        with self._store.read() as connection:
            left = select(func.count()).where(cases.c.status != "decided")
            return not connection.execute(left).scalar_one()

    def _say(self, did: str, claim: Claim, **more: object) -> None:
        line = {"did": did, "who": self._who.id, "case": claim.case_id, "claim": claim.id, **more}
        os.write(self._log, json.dumps(line).encode() + b"\n")


def break_fence() -> None:
    """Let whoever ever had a case decide it."""

    def held_case(connection: Any, _who: Identity, claim_id: str, _token: int, _now: datetime) -> Any:
        case_id = connection.execute(select(history.c.case_id).where(history.c.id == claim_id)).scalar_one()
        return connection.execute(select(cases).where(cases.c.id == case_id)).one()

    decisions.held_case = held_case


def break_take() -> None:
    """Now and then take a case that somebody has."""
    take = claims.fronts.take

    def steal(connection: Any, who: str, cell: Any, claim_id: str, now: datetime, until: datetime) -> Any:
        some = connection.execute(select(cases.c.id).where(cases.c.status == "claimed").limit(1)).scalar_one_or_none()
        if some is not None and random.random() < 0.3:
            connection.execute(update(cases).where(cases.c.id == some).values(status="open", rank=1e9, lane=cell[1]))
        return take(connection, who, cell, claim_id, now, until)

    claims.fronts.take = steal


def main(plan: Plan) -> None:
    """Play all claimers of this process at once."""
    {"fence": break_fence, "take": break_take, "": lambda: None}[plan.broken]()
    store, clock = Store(plan.url), Clock(plan.clock)
    log = os.open(plan.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    people = [Claimer(plan, name, store, clock, log) for name in plan.names]
    threads = [threading.Thread(target=person.work) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])))
