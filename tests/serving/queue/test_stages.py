"""Whose look a case waits for: second looks, QA and appeals."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from serving.accounts.auth import Identity
from serving.queue import claims
from serving.runtime import Runtime
from serving.store.tables import cases
from tests.serving.queue.steps import JOKE, LEASE, NOW, Accept, Make, conclude, send, take


@pytest.mark.parametrize(
    ("stage", "takers"),
    [
        ("first", {"reviewer", "specialist", "admin"}),
        ("second", {"reviewer", "specialist", "admin"}),
        ("qa", {"qa"}),
        ("appeal", {"qa", "admin"}),
    ],
)
def test_stages(
    runtime: Runtime, accept: Accept, report: Make, person: Callable[..., Identity], stage: str, takers: set[str]
) -> None:
    send(runtime, accept, report, joke=JOKE)
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(stage=stage))
    found = set()
    for role in ("reviewer", "specialist", "qa", "admin", "manager"):
        who = person(role)
        if held := claims.claim(runtime.store, runtime.scorer.policy, who, lease=LEASE, now=NOW):
            found.add(role)
            claims.release(runtime.store, who, held.id, held.token, now=NOW)
    assert found == takers


@pytest.mark.parametrize("stage", ["second", "qa", "appeal"])
def test_a_second_look_is_never_that_of_who_decided(
    runtime: Runtime, accept: Accept, report: Make, person: Callable[..., Identity], stage: str
) -> None:
    send(runtime, accept, report, joke=JOKE)
    first, other = person("admin"), person("qa" if stage == "qa" else "admin")
    conclude(runtime, first, take(runtime, first))
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(stage=stage, status="open"))
    assert claims.claim(runtime.store, runtime.scorer.policy, first, lease=LEASE, now=NOW) is None
    assert claims.claim(runtime.store, runtime.scorer.policy, other, lease=LEASE, now=NOW)


def test_what_is_escalated_waits_for_qa(
    runtime: Runtime, accept: Accept, report: Make, person: Callable[..., Identity], reviewer: TestClient
) -> None:
    send(runtime, accept, report, joke=JOKE)
    who, qa, other = person(), person("qa"), person("qa")
    held = take(runtime, who)
    conclude(runtime, who, held, "escalate")
    assert reviewer.get(f"/v1/cases/{held.case_id}").json()["status"] == "escalated"
    assert claims.claim(runtime.store, runtime.scorer.policy, person(), lease=LEASE, now=NOW) is None
    conclude(runtime, qa, take(runtime, qa), "escalate")
    assert claims.claim(runtime.store, runtime.scorer.policy, qa, lease=LEASE, now=NOW) is None
    conclude(runtime, other, take(runtime, other))
    assert reviewer.get(f"/v1/cases/{held.case_id}").json()["status"] == "decided"


def test_specialists_give_second_looks_to_their_own_cases(
    runtime: Runtime, accept: Accept, report: Make, person: Callable[..., Identity]
) -> None:
    send(runtime, accept, report, child={"reason": "child_safety"})
    one, other, qa = person("specialist"), person("specialist"), person("qa")
    conclude(runtime, one, take(runtime, one), "escalate")
    assert claims.claim(runtime.store, runtime.scorer.policy, qa, lease=LEASE, now=NOW) is None
    assert claims.claim(runtime.store, runtime.scorer.policy, one, lease=LEASE, now=NOW) is None
    assert take(runtime, other)
