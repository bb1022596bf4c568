"""Suggested scores: labels with their provenance, held apart until an operator trusts the token that sent them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from models import Scorer
from serving.accounts.auth import Identity
from serving.errors import NotFound
from serving.perspective.attributes import known_as
from serving.perspective.languages import settle
from serving.perspective.protocol import SuggestRequest
from serving.store import Store
from serving.store.tables import suggestions, tokens, trusted_suggesters


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A trusted suggestion: a text and the score, 0 to 1, that each attribute should have for all of it."""

    id: str
    text: str
    scores: dict[str, float]
    at: datetime


def keep(store: Store, scorer: Scorer, who: Identity, given: SuggestRequest) -> dict[str, Any]:
    """Keep a suggestion once; return the protocol's answer. Raises Refused for what could not be analysed either."""
    first = next(iter(given.attribute_scores or {}))
    _, detected = settle(scorer, given.text, given.languages or [], first)
    body = given.model_dump(mode="json", by_alias=True, exclude_none=True)
    del body["comment"]
    said = f"{who.id}\n{given.model_dump_json()}"
    row = {
        "id": hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
        "token_id": who.id,
        "text": given.text,
        "body": body,
        "bundle": scorer.bundle.digest,
        "created_at": datetime.now(UTC),
    }

    def work(connection: Connection) -> None:
        if not connection.execute(select(suggestions.c.id).where(suggestions.c.id == row["id"])).first():
            connection.execute(insert(suggestions), row)

    store.retrying(work)
    answer = {"clientToken": given.client_token, "requestedLanguages": given.languages, "detectedLanguages": detected}
    return {name: value for name, value in answer.items() if value}


def tally(store: Store) -> Sequence[Row[Any]]:
    """Who suggested how much, by token: id, name, count, trusted_at (None if held apart)."""
    query = (
        select(tokens.c.id, tokens.c.name, func.count().label("count"), trusted_suggesters.c.trusted_at)
        .join(suggestions, suggestions.c.token_id == tokens.c.id)
        .outerjoin(trusted_suggesters, trusted_suggesters.c.token_id == tokens.c.id)
        .group_by(tokens.c.id, tokens.c.name, trusted_suggesters.c.trusted_at)
        .order_by(tokens.c.name)
    )
    with store.read() as connection:
        return list(connection.execute(query))


def trust(store: Store, token_id: str, *, trusted: bool) -> None:
    """Let `frontline retrain` learn from what a token suggests, or no longer. Raises NotFound if there is no token."""
    with store.write() as connection:
        _require(connection, token_id)
        connection.execute(delete(trusted_suggesters).where(trusted_suggesters.c.token_id == token_id))
        if trusted:
            connection.execute(insert(trusted_suggesters).values(token_id=token_id, trusted_at=datetime.now(UTC)))


def forget(store: Store, token_id: str) -> int:
    """Delete all that a token suggested, and say how much. Raises NotFound if there is no token."""
    with store.write() as connection:
        _require(connection, token_id)
        return connection.execute(delete(suggestions).where(suggestions.c.token_id == token_id)).rowcount


def trusted(store: Store) -> list[Suggestion]:
    """What trusted tokens suggested for whole comments, oldest first; scores of spans alone teach nothing."""
    query = (
        select(suggestions)
        .join(trusted_suggesters, trusted_suggesters.c.token_id == suggestions.c.token_id)
        .order_by(suggestions.c.created_at, suggestions.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    found = [Suggestion(row.id, row.text, _scores(row.body), row.created_at) for row in rows]
    return [suggestion for suggestion in found if suggestion.scores]


def _scores(body: dict[str, Any]) -> dict[str, float]:
    """Summary scores by attribute; a score without a value is 0, as numbers are in that protocol."""
    given = {name: scores.get("summaryScore") for name, scores in body["attributeScores"].items()}
    return {known_as(name) or name: float(score.get("value", 0)) for name, score in given.items() if score is not None}


def _require(connection: Connection, token_id: str) -> None:
    if not connection.execute(select(tokens.c.id).where(tokens.c.id == token_id)).first():
        raise NotFound("no token has this id; see `frontline token list`")
