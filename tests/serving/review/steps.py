"""What tests of reviewing do: claim the next case and decide it."""

from typing import Any

from serving.accounts.auth import Identity

THREAT = {"outcome": "violation", "categories": ["violence_threat"], "severity": 3}


def one_more(desk: Any, who: Identity, **said: Any) -> str:
    """Claim the next case and decide it."""
    held = desk.claim(who)
    assert held, "nothing waits"
    desk.decide(who, held, **said)
    return str(held.case_id)
