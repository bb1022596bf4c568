"""`make bench-queue`: what taking in, claiming and deciding cost while up to a million cases wait, on each database."""

import json
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import postgres, waiting
from benchmarks.rounds import machine
from benchmarks.waiting import Arrivals
from models import Scorer, load_bundle, parse_report
from models.policy import Policy
from serving.accounts import auth, people
from serving.accounts.auth import Identity
from serving.accounts.people import Profile
from serving.queue import claims
from serving.queue.intake import keep
from serving.review import decisions
from serving.schemas import DecisionIn
from serving.settings import SHIPPED_BUNDLE
from serving.store import Store, migrate

RESULTS = Path(__file__).parent / "results" / "queue.json"
PLOT = Path(__file__).parents[1] / "docs" / "queue-cost.png"
LEASE = timedelta(hours=1)
BATCH = 64
CLAIM_P99_MS, INTAKE_SHARE = 10, 0.9  # the bars
MEASURES = {
    "claim": "claim, any case",
    "claim by skill": "claim by two languages and five categories",
    "decide": "decide",
    "take in": "take in one report",
    "take in batch": f"take in {BATCH} reports, each",
}
Times = defaultdict[str, list[float]]  # seconds of each call by what it does


def main(
    most: Annotated[int, typer.Option(min=1000, help="Cases that wait in the last step; each has ten times more.")] = 10
    ** 6,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds at each step, full and empty store in turns.")] = 10,
    calls: Annotated[int, typer.Option(min=10, help="Calls of each kind in a round.")] = 50,
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = RESULTS,
    plot: Annotated[Path, typer.Option(help="Where the plot goes.")] = PLOT,
) -> None:
    """Measure on SQLite and PostgreSQL, and say whether the bars are met."""
    bundle = load_bundle(SHIPPED_BUNDLE)
    scorer = Scorer(bundle, policy=Policy.read(), remembered=0)
    steps: list[dict[str, Any]] = []
    with postgres.server() as server:
        for name, opened in {"SQLite": _sqlite, "PostgreSQL": lambda: _postgres(server)}.items():
            for step in _measure(name, opened, scorer, most, rounds, calls):
                steps.append(step)
                taken = datetime.now(UTC).isoformat(timespec="seconds")
                figures = {"steps": steps, "machine": machine(), "taken": taken}
                out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    _draw(steps, plot)
    _show(steps)


@contextmanager
def _sqlite() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as home, _opened(f"sqlite:///{home}/frontline.db") as store:
        yield store


@contextmanager
def _postgres(server: str) -> Iterator[Store]:
    with postgres.database(server) as url, _opened(url) as store:
        yield store


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    store = Store(url)
    try:
        migrate(store)
        yield store
    finally:
        store.close()


def _measure(
    name: str, opened: Callable[[], Any], scorer: Scorer, most: int, rounds: int, calls: int
) -> Iterator[dict[str, Any]]:
    """The figures of one database, step by step; the store that is full and an empty one take turns."""
    arrivals = Arrivals(scorer, SHIPPED_BUNDLE / "tokenizer.json")
    with ExitStack() as running:
        full, size = running.enter_context(opened()), waiting.BASE
        worker = Work(full, arrivals)
        waiting.fill(full, arrivals)
        for wanted in waiting.sizes(most):
            if wanted > size:
                waiting.grow(full, wanted // size)
                size = wanted
            with opened() as store:
                empty = Work(store, arrivals)
                found, idle = Times(list), Times(list)
                for _ in range(rounds):
                    worker.round(found, calls)
                    empty.take_in(idle, calls)
            yield {"database": name, "waiting": size, **_figures(found, idle, arrivals)}


class Work:
    """What intake systems and reviewers ask of one store."""

    def __init__(self, store: Store, arrivals: Arrivals) -> None:
        self._store, self._arrivals = store, arrivals
        self._any = auth.authenticate(store, auth.create_token(store, "benchmark", "reviewer"))
        now = datetime.now(UTC)
        self._skilled = people.create(store, "benchmark", "reviewer", "a made-up password", now)
        flagged = ["harassment", "hate", "spam", "scam_fraud", "violence_threat"]
        profile = Profile(languages=["en", "de"], categories=flagged, critical=True, daily_severe=10**9)
        people.save_profile(store, self._skilled, profile)

    def round(self, found: Times, calls: int) -> None:
        """So many calls of each kind."""
        self.take_in(found, calls)
        held = [self._claim(found["claim"], self._any) for _ in range(calls)]
        skilled = [self._claim(found["claim by skill"], self._skilled) for _ in range(calls // 5)]
        for who, claim in [*((self._any, each) for each in held), *((self._skilled, each) for each in skilled)]:
            given = DecisionIn(
                decision_id=claim.id,
                case_id=claim.case_id,
                claim_id=claim.id,
                token=claim.token,
                content_version=1,
                outcome="no_violation",
            )
            scorer, now = self._arrivals.scorer, datetime.now(UTC)
            _timed(found["decide"], partial(decisions.decide, self._store, scorer, who, given, now))

    def take_in(self, found: Times, calls: int) -> None:
        """Keep reports one by one and in batches, already scored."""
        for _ in range(calls):
            self._keep(found["take in"], 1)
        for _ in range(max(1, calls // 10)):
            self._keep(found["take in batch"], BATCH)

    def _keep(self, found: list[float], number: int) -> None:
        now = datetime.now(UTC)
        items, each = self._arrivals.some(number, now), list[float]()
        _timed(each, lambda: keep(self._store, self._arrivals.scorer, items, now, 0.1))
        found.append(each[0] / number)

    def _claim(self, found: list[float], who: Identity) -> claims.Claim:
        now, policy = datetime.now(UTC), self._arrivals.scorer.policy
        claim: claims.Claim | None = _timed(found, lambda: claims.claim(self._store, policy, who, lease=LEASE, now=now))
        assert claim is not None  # noqa: S101  (thousands wait)
        return claim


def _timed(found: list[float], work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = work()
    found.append(time.perf_counter() - started)
    return result


def _figures(found: Times, idle: Times, arrivals: Arrivals) -> dict[str, Any]:
    scoring = statistics.median(_scoring(arrivals.scorer))
    one, alone = statistics.median(found["take in"]), statistics.median(idle["take in"])
    batch, batch_alone = statistics.median(found["take in batch"]), statistics.median(idle["take in batch"])
    return {
        "milliseconds": {
            name: {"median": _ms(statistics.median(times)), "p99": _ms(_p99(times)), "calls": len(times)}
            for name, times in found.items()
        },
        "scoring_milliseconds": _ms(scoring),
        "of_empty": {
            "intake": round((scoring + alone) / (scoring + one), 3),
            "intake in batches": round((scoring + batch_alone) / (scoring + batch), 3),
            "store alone": round(alone / one, 3),
            "store alone in batches": round(batch_alone / batch, 3),
        },
    }


def _scoring(scorer: Scorer) -> list[float]:
    """Seconds that scoring a report takes."""
    times: list[float] = []
    for number in range(50):
        item = {
            "report_id": str(number),
            "content": {"text": f"{number} they keep sending me the same thing every day"},
        }
        _timed(times, partial(_score, scorer, item))
    return times


def _score(scorer: Scorer, item: object) -> None:
    scorer.score(parse_report(item)[0], received_at=datetime.now(UTC))


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _draw(steps: list[dict[str, Any]], path: Path) -> None:
    """Milliseconds of each call against how many cases wait: the medians, and for claims the slowest in a hundred."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    databases = list(dict.fromkeys(step["database"] for step in steps))
    figure, axes = pyplot.subplots(
        1, len(databases), figsize=(11, 4.2), sharey=True, layout="constrained", squeeze=False
    )
    for axis, database in zip(axes[0], databases, strict=True):
        own = [step for step in steps if step["database"] == database]
        sizes = [step["waiting"] for step in own]
        for measure, words in MEASURES.items():
            line = axis.plot(sizes, [step["milliseconds"][measure]["median"] for step in own], "o-", label=words)
            if measure == "claim":
                slow = [step["milliseconds"][measure]["p99"] for step in own]
                axis.plot(sizes, slow, "o--", color=line[0].get_color(), label=f"{words}, p99")
        axis.axhline(CLAIM_P99_MS, color="grey", linewidth=1, linestyle=":", label="bar for p99 of a claim")
        axis.set(xscale="log", yscale="log", title=database, xlabel="cases that wait")
    axes[0, 0].set_ylabel("median milliseconds")
    axes[0, -1].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _show(steps: list[dict[str, Any]]) -> None:
    table = Table("database", "waiting", *MEASURES.values(), "claim p99", "intake ÷ empty", title="Queue, in ms")
    for step in steps:
        times, share = step["milliseconds"], step["of_empty"]["intake"]
        medians = [f"{times[measure]['median']:.2f}" for measure in MEASURES]
        table.add_row(
            step["database"], f"{step['waiting']:,}", *medians, f"{times['claim']['p99']:.2f}", f"{share:.0%}"
        )
    out = Console()
    out.print(table)
    for step in steps:
        claim, share = step["milliseconds"]["claim"]["p99"], step["of_empty"]["intake"]
        if claim > CLAIM_P99_MS or share < INTAKE_SHARE:
            out.print(
                f"{step['database']} at {step['waiting']:,}: claim p99 {claim} ms, intake {share:.0%}: bar missed"
            )


if __name__ == "__main__":
    typer.run(main)
