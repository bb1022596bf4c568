"""`make bench-facades`: what a call in another protocol costs, as a ratio to `/v1/score` for the same texts."""

import json
import math
import statistics
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import texts
from benchmarks.client import closed_loop, request
from benchmarks.rounds import save, spread
from benchmarks.service import Service
from serving.settings import SHIPPED_BUNDLE

RESULTS = Path(__file__).parent / "results" / "facades.json"
SCORE = "/v1/score"
MOST = 1.1  # the bar: processor time of a call ÷ that of /v1/score
ATTRIBUTES = ("TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "PROFANITY", "THREAT")
# The bodies of one text. Each protocol is asked over one connection, one text at a time.
BODIES: dict[str, Callable[[str], object]] = {
    SCORE: lambda text: {"report_id": "r", "content": {"text": text}},
    "/v1alpha1/comments:analyze": lambda text: {
        "comment": {"text": text},
        "requestedAttributes": {name: {} for name in ATTRIBUTES},
        "languages": ["en"],  # a made-up text may look like another language, which is refused
    },
    "/v1/moderations": lambda text: {"input": text},
}


def main(
    rounds: Annotated[int, typer.Option(min=5, help="Rounds, in each of which every call has its turn.")] = 9,
    number: Annotated[
        int, typer.Option("--texts", min=64, help="Texts of a round; few, and chance says more than the calls.")
    ] = 1024,
    remembered: Annotated[int, typer.Option(help="Texts that the service need not read again; 0 reads them all.")] = 0,
    bundle: Annotated[Path, typer.Option(help="The bundle to measure.")] = SHIPPED_BUNDLE,
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = RESULTS,
) -> None:
    """Measure the calls in interleaved rounds, as ratios to /v1/score, and say whether the bar is met."""
    drawn = texts.draw(bundle / "tokenizer.json", number)
    busy: dict[str, list[float]] = {path: [] for path in BODIES}
    best: dict[str, list[float]] = {path: [math.inf] * number for path in BODIES}
    with closing(Service(bundle=bundle, workers=1, remembered_texts=remembered)) as service:
        for path in BODIES:
            _round(service, path, drawn)  # the first of each takes longer
        for _ in track(range(rounds), "rounds"):
            for path in BODIES:
                before = _busy(service)
                latency = _round(service, path, drawn)
                busy[path].append((_busy(service) - before) / number)
                best[path] = [min(best[path][text], seconds) for text, seconds in sorted(latency.items())]
    calls = {path: _figures(busy, best, path) for path in BODIES}
    save(out, {"calls": calls, "rounds": rounds, "remembered": remembered, "bar": MOST}, bundle, drawn)
    Console().print(_table(calls))
    for path, figures in calls.items():
        if figures["of_score"]["median"] > MOST:
            Console().print(f"{path} costs {figures['of_score']['median']:.2f} of {SCORE}, over {MOST:g}: bar missed")


def _figures(busy: dict[str, list[float]], best: dict[str, list[float]], path: str) -> dict[str, Any]:
    """Of one call: processor time a text by round, the best time of each text, and both ÷ those of /v1/score."""
    return {
        "processor_milliseconds": spread([1000 * each for each in busy[path]]),
        "of_score": spread([each / score for each, score in zip(busy[path], busy[SCORE], strict=True)]),
        "best_milliseconds": round(1000 * statistics.mean(best[path]), 4),
        "best_of_score": round(sum(best[path]) / sum(best[SCORE]), 4),
    }


def _table(calls: dict[str, dict[str, Any]]) -> Table:
    table = Table("call", "processor ms a text", "÷ /v1/score", "range", "best ms a text", "÷ /v1/score")
    for path, figures in calls.items():
        ratio = figures["of_score"]
        table.add_row(
            path,
            f"{figures['processor_milliseconds']['median']:.2f}",
            f"{ratio['median']:.3f}",
            f"{ratio['low']:.3f} to {ratio['high']:.3f}",
            f"{figures['best_milliseconds']:.2f}",
            f"{figures['best_of_score']:.3f}",
        )
    return table


def _busy(service: Service) -> float:
    """Seconds of processor time that the service has taken, which a busy machine hardly adds to."""
    times = [worker.cpu_times() for worker in service.workers()]
    return float(sum(each.user + each.system for each in times))


def _round(service: Service, path: str, drawn: list[str]) -> dict[int, float]:
    """Seconds of each text, by its number."""
    asked = [request(path, json.dumps(BODIES[path](text)).encode(), service.token) for text in drawn]
    outcome = closed_loop(service.port, asked, 1)
    if outcome.statuses != {200: len(asked)}:
        raise RuntimeError(f"not each of {len(asked)} requests was answered with 200: {outcome.statuses}")
    return outcome.latency


if __name__ == "__main__":
    typer.run(main)
