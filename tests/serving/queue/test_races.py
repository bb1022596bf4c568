"""32 claimers in processes that are killed at random moments: no two hold a case, nothing is lost or done twice."""

import json
import random
import struct
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from benchmarks import postgres
from serving.runtime import Runtime
from serving.settings import Settings
from serving.store import Store, migrate
from serving.store.tables import cases, claims, decisions, events

pytestmark = pytest.mark.slow
PROCESSES, PEOPLE, CASES, KILLS = 4, 8, 150, 8
SCRIPT = Path(__file__).with_name("claimers.py")
TAXONOMY = Path(__file__).parents[3] / "datasets" / "taxonomy.yaml"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)  # as claimers.py has it
PATIENCE = 600  # seconds: the machine may be busy
Accept = Callable[..., list[Any]]
Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server."""
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store, on each database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    with postgres.database(request.getfixturevalue("server")) as made:
        store = Store(made)
        migrate(store)
        store.close()
        yield made


class Crowd:
    """The processes, and what they say that they did."""

    def __init__(self, url: str, folder: Path, seed: int, broken: str = "") -> None:
        self.url, self._folder, self._broken, self._seed = url, folder, broken, seed
        self._clock = folder / "clock"
        self._clock.write_bytes(struct.pack("d", 0.0))
        self._random = random.Random(seed)
        self._running = [self._start(number) for number in range(PROCESSES)]

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        plan = {
            "url": self.url,
            "clock": str(self._clock),
            "log": str(self._folder / f"{uuid.uuid4().hex}.log"),
            "taxonomy": str(TAXONOMY),
            "names": [f"person-{number}-{each}" for each in range(PEOPLE)],
            "seed": f"{self._seed} {number}",
            "broken": self._broken,
        }
        return subprocess.Popen([sys.executable, str(SCRIPT), json.dumps(plan)])

    def said(self) -> list[dict[str, Any]]:
        """What the logs hold; the last line of somebody who was killed may be cut off."""
        lines = [line for log in self._folder.glob("*.log") for line in log.read_text("utf-8").splitlines()]
        return [json.loads(line) for line in lines if line.endswith("}")]

    def kill_some(self, times: int) -> None:
        """Kill a process again and again, each after some more work, and start it anew."""
        for number in range(times):
            wanted = (number + self._random.random()) * 0.6 * CASES / times
            self._until(lambda wanted=wanted: len(self.said()) >= wanted)
            time.sleep(self._random.random() * 0.2)
            which = self._random.randrange(PROCESSES)
            self._running[which].kill()
            self._running[which].wait()
            self._running[which] = self._start(which)

    def finish(self) -> None:
        """Wait until all have nothing left to do."""
        for process in self._running:
            assert process.wait(PATIENCE) == 0

    def _until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)


def wrong(store: Store, said: list[dict[str, Any]]) -> list[str]:
    """Everything that must not have happened."""
    with store.read() as connection:
        held = {row.id: row for row in connection.execute(select(claims))}
        made = connection.execute(select(decisions).order_by(decisions.c.seq)).all()
        happened = connection.execute(select(events).order_by(events.c.id)).all()
        every = connection.execute(select(cases)).all()
    ended = {claim: row.ending for claim, row in held.items()}
    by = {row.decision_id: row for row in made}
    verdicts = Counter(row.case_id for row in made if row.outcome == "no_violation")
    found = [f"{row.id} was lost" for row in every if row.status != "decided"]
    found += [f"{case} was decided {times} times" for case, times in verdicts.items() if times > 1]
    found += [f"{row.decision_id} came of a claim that had {ended[row.claim_id]}" for row in made
              if ended[row.claim_id] != "decided"]  # fmt: skip
    # A claim ends before the next one on its case begins, or it never ends: nobody else can end it later.
    found += [f"{row.case_id} was claimed while {claim} held it" for claim, row in held.items() if row.ending is None]
    found += [f"{claim} lapsed too soon" for claim, row in held.items()
              if row.ending == "lapsed" and row.ended_at - row.claimed_at < LEASE]  # fmt: skip
    times = Counter(row.case_id for row in held.values())
    found += [
        f"{row.id} was claimed {row.fence} times, not {times[row.id]}" for row in every if row.fence != times[row.id]
    ]
    said_of: Counter[str] = Counter()
    for event in happened:
        if event.kind in ("decided", "released", "skipped"):
            claim = event.detail.get("claim_id") or by[event.detail["decision_id"]].claim_id
            said_of[claim] += 1
            if ended[claim] != event.kind or held[claim].case_id != event.case_id:
                found.append(f"{event.case_id} was {event.kind} by {claim}, which had {ended[claim]}")
    found += [f"{claim} ended {said_of[claim]} times" for claim, ending in ended.items()
              if said_of[claim] != (ending != "lapsed")]  # fmt: skip
    found += [f"the decision of {line['claim']} is gone" for line in said
              if line["did"] == "decided" and line["claim"] not in by]  # fmt: skip
    tokens = Counter((line["case"], line["token"]) for line in said if line["did"] == "claimed")
    return found + [f"token {token} of {case} was given twice" for (case, token), times in tokens.items() if times > 1]


@pytest.fixture
def work(url: str, tmp_path: Path, keyword_bundle: Path, report: Make, accept: Accept) -> Iterator[Store]:
    """A store with cases of several lanes that wait."""
    runtime = Runtime(Settings(home=tmp_path / "home", bundle=keyword_bundle, blind_share=0, database_url=url))
    runtime.start()
    texts = ("good day", "Your parcel waits", "We will ambush you", "A discount for you")
    items = [report(f"r-{number}", texts[number % len(texts)]) for number in range(CASES)]
    accept(runtime.store, runtime.scorer, items, START, 0)
    yield runtime.store
    runtime.stop()


@pytest.mark.parametrize("seed", [1])
def test_no_two_ever_hold_a_case(work: Store, url: str, tmp_path: Path, seed: int) -> None:
    crowd = Crowd(url, tmp_path, seed)
    crowd.kill_some(KILLS)
    crowd.finish()
    said = crowd.said()
    assert wrong(work, said) == []
    assert {line["did"] for line in said} == {"claimed", "decided", "released", "skipped", "lapsed"}
    with work.read() as connection:
        assert set(connection.execute(select(claims.c.ending)).scalars()) == {
            "decided",
            "released",
            "skipped",
            "lapsed",
        }


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("broken", ["fence", "take"])
def test_the_test_can_fail(work: Store, url: str, tmp_path: Path, broken: str) -> None:
    crowd = Crowd(url, tmp_path, 2, broken)
    crowd.finish()
    assert wrong(work, crowd.said())
