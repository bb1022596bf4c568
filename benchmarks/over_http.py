"""What callers of the service get: in bulk, one report a request over few or many connections, and at half load."""

import json
import random
from dataclasses import dataclass

import numpy as np

from benchmarks.client import Outcome, closed_loop, open_loop, request
from benchmarks.service import Service

BULK = 64  # reports of a bulk request
CORES = 2


def _body(items: list[tuple[int, str]]) -> list[dict[str, object]]:
    return [{"report_id": str(number), "content": {"text": text}} for number, text in items]


@dataclass(frozen=True)
class Http:
    """One way to send all texts once: `size` a request over `connections`."""

    service: Service
    texts: list[str]
    size: int
    connections: int

    def requests(self) -> list[bytes]:
        """The requests that hold all texts."""
        numbered = list(enumerate(self.texts))
        if self.size == 1:
            bodies = [json.dumps(report).encode() for report in _body(numbered)]
            return [request("/v1/score", body, self.service.token) for body in bodies]
        parts = [numbered[i : i + self.size] for i in range(0, len(numbered), self.size)]
        bodies = [json.dumps({"reports": _body(part)}).encode() for part in parts]
        return [request("/v1/score/batch", body, self.service.token) for body in bodies]

    def round(self) -> dict[str, float]:
        """Texts a second, and the client's share of all processors."""
        outcome = closed_loop(self.service.port, self.requests(), self.connections)
        _check(outcome)
        return {
            "texts_per_second": len(self.texts) / outcome.wall,
            "client_share": outcome.processor / outcome.wall / CORES,
        }


def half_load(service: Service, texts: list[str], peak: float, seed: int = 7) -> dict[str, float]:
    """Quantiles of latency ÷ the same text's latency on an idle service, at half of `peak` requests a second.

    Arrivals are Poisson.
    """
    single = Http(service, texts, 1, 1).requests()
    idle = [open_loop(service.port, [each], [0.0]).latency[0] for each in single]
    idle = np.minimum(idle, [open_loop(service.port, [each], [0.0]).latency[0] for each in single]).tolist()
    chance = random.Random(seed)  # noqa: S311
    due, now = [], 0.0
    for _ in single:
        now += chance.expovariate(peak / 2)
        due.append(now)
    outcome = open_loop(service.port, single, due)
    _check(outcome)
    ratios = np.array([outcome.latency[number] / idle[number] for number in range(len(single))])
    return {f"p{q}": float(np.percentile(ratios, q)) for q in (50, 95, 99)} | {
        "requests_per_second": len(single) / outcome.wall
    }


def _check(outcome: Outcome) -> None:
    if set(outcome.statuses) != {200}:
        raise RuntimeError(f"not every request was answered with 200: {outcome.statuses}")
