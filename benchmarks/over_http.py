"""What callers of the service get: in bulk, one report a request over few or many connections, at half load and far
beyond what it can take, and over very many reports.
"""

import math
import random
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rich.progress import track

from benchmarks.client import Outcome, closed_loop, open_loop
from benchmarks.service import Service

BULK = 64  # reports of a bulk request
BULK_TIMES = 3  # that a round in bulk sends its texts, as one of few requests would mostly measure who has the last
CORES = 2


class Endpoint(Protocol):
    """What listens on this machine, and how it is asked."""

    @property
    def port(self) -> int:
        """Where it listens."""
        ...

    def request(self, part: list[tuple[int, str]]) -> bytes:
        """The request that has these numbered texts scored."""
        ...


@dataclass(frozen=True)
class Http:
    """One way to send all texts, in bulk BULK_TIMES: `size` a request over `connections`."""

    endpoint: Endpoint
    texts: list[str]
    size: int
    connections: int

    def requests(self) -> list[bytes]:
        """What a round sends."""
        numbered = list(enumerate(self.texts)) * self._times
        parts = (numbered[i : i + self.size] for i in range(0, len(numbered), self.size))
        return [self.endpoint.request(part) for part in parts]

    def round(self) -> dict[str, float]:
        """Texts a second, and the client's share of all processors."""
        requests = self.requests()
        outcome = closed_loop(self.endpoint.port, requests, self.connections)
        _check(outcome, len(requests))
        return {
            "texts_per_second": self._times * len(self.texts) / outcome.wall,
            "client_share": outcome.processor / outcome.wall / CORES,
        }

    @property
    def _times(self) -> int:
        return BULK_TIMES if self.size == BULK else 1


def half_load(endpoint: Endpoint, texts: list[str], peak: float, seed: int = 7) -> dict[str, float]:
    """Quantiles of latency ÷ the same text's latency on an idle service, at half of `peak` requests a second.

    Arrivals are Poisson.
    """
    single = Http(endpoint, texts, 1, 1).requests()
    first, second = (closed_loop(endpoint.port, single, 1).latency for _ in range(2))
    chance = random.Random(seed)  # noqa: S311
    due, now = [], 0.0
    for _ in single:
        now += chance.expovariate(peak / 2)
        due.append(now)
    outcome = open_loop(endpoint.port, single, due)
    _check(outcome, len(single))
    idle = {number: min(first[number], second[number]) for number in first}
    ratios = [outcome.latency[number] / seconds for number, seconds in idle.items()]
    return {f"p{q}": float(np.percentile(ratios, q)) for q in (50, 95, 99)} | {
        "requests_per_second": len(single) / outcome.wall
    }


def overload(endpoint: Endpoint, texts: list[str], peak: float, seconds: float = 10) -> dict[str, float]:
    """Reports scored a second ÷ `peak`, and the share that was refused, at four times `peak` requests a second."""
    single, rate = Http(endpoint, texts, 1, 1).requests(), 4 * peak
    number = round(rate * seconds)
    due = [place / rate for place in range(number)]
    outcome = open_loop(endpoint.port, [single[place % len(single)] for place in range(number)], due)
    if set(outcome.statuses) - {200, 429}:
        raise RuntimeError(f"more than 200 and 429 was answered: {outcome.statuses}")
    return {
        "goodput": outcome.statuses.get(200, 0) / outcome.wall / peak,
        "refused": outcome.statuses.get(429, 0) / number,
    }


def soak(service: Service, texts: list[str], number: int, looks: int = 10) -> list[list[float]]:
    """Resident megabytes of the service's processes before and after each tenth of `number` reports."""
    rounds = math.ceil(number / looks / len(texts) / BULK_TIMES)
    found, way = [service.memory()], Http(service, texts, BULK, 4)
    for _ in track(range(looks), "soak"):
        for _ in range(rounds):
            way.round()
        found.append(service.memory())
    return found


def _check(outcome: Outcome, number: int) -> None:
    if outcome.statuses != {200: number}:
        raise RuntimeError(f"not each of {number} requests was answered with 200: {outcome.statuses}")
