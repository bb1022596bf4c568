"""`frontline simulate` and `frontline staff`: does the ranking help, and how many reviewers does it take?"""

import json
import math
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from models import Bundle
from models.policy import LANES, Policy
from serving.queue import policies
from serving.settings import SHIPPED_BUNDLE, Settings
from serving.simulation import demand, history, show
from serving.simulation.run import Plan, replications
from serving.simulation.staff import needed
from serving.simulation.summary import summarise
from serving.simulation.world import SHIPPED, World
from serving.store import Store

out, err = Console(), Console(stderr=True)
WorldFile = Annotated[
    Path | None, typer.Option("--world", metavar="FILE", help="The world; copy the shipped one to begin. Default: it.")
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="Frontline's policy. Default: the one in force.")
]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write a chart here, as SVG.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Processes = Annotated[int, typer.Option(min=1, max=256, help="How many runs go on at once.")]


def simulate(
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many runs of each setting.")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, help="Seeds count from here.")] = 1,
    processes: Processes = 1,
    world: WorldFile = None,
    policy: PolicyFile = None,
    past: Annotated[
        Path | None,
        typer.Option("--history", metavar="FILE", help="Replay what happened here, as JSON lines, instead of a world."),
    ] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Compare ways to order the queue on simulated cases, or on your own history; see docs/ranking.md."""
    settings = Settings()
    ours = Policy.read(policy) if policy else policies.in_force(settings)
    if past is not None:
        _replay(past, ours, as_json)
        return
    plan = Plan(World.read(world or SHIPPED), Bundle.read(SHIPPED_BUNDLE), ours)
    runs = replications(plan, range(first_seed, first_seed + seeds), processes)
    total = seeds * len(plan.world.scenarios)
    figures = [each for run in track(runs, "Simulating", total, console=err, transient=True) for each in run]
    found = summarise(figures)
    if as_json:
        _print_json([asdict(each) for each in found])
    else:
        for each in found:
            out.print(show.table(each))
            out.print(show.verdict(each), highlight=False)
    if plot is not None:
        plot.write_text(show.chart(found), "utf-8")


def _replay(path: Path, policy: Policy, as_json: bool) -> None:
    found = history.replay(history.read(path), policy, Bundle.read(SHIPPED_BUNDLE).taxonomy)
    if as_json:
        _print_json({name: asdict(each) for name, each in found.items()})
    else:
        out.print(show.replayed(found))


def staff_needed(
    cases_per_week: Annotated[
        float | None, typer.Option(min=1, max=10**6, help="Cases of the world a week. Default: what its staff can do.")
    ] = None,
    measured: Annotated[
        int | None,
        typer.Option("--from-store", metavar="WEEKS", min=1, max=520, help="Take the demand from your own store."),
    ] = None,
    target: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of each lane's cases decided in time.")
    ] = 0.95,
    world: WorldFile = None,
    policy: PolicyFile = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Find how many reviewers, by hour of the week, hold the service levels; see docs/ranking.md."""
    settings = Settings()
    ours = Policy.read(policy) if policy else policies.in_force(settings)
    if measured is None:
        plan = Plan(World.read(world or SHIPPED), Bundle.read(SHIPPED_BUNDLE), ours)
        wanted = demand.of_world(plan, cases_per_week)
    else:
        with closing(Store(settings.store_url)) as store:
            wanted = demand.of_store(store, ours, measured, datetime.now(UTC))
    with err.status("Looking for the smallest staff that holds the service levels"):
        found = needed(wanted, ours, target)
    if as_json:
        _print_json({"reviewers": found.reviewers.tolist(), "hours": found.hours, "in_time": found.in_time})
    else:
        out.print(show.staff_table(found))
        weekly = dict(zip(LANES, wanted.arrivals.sum(0).tolist(), strict=True))
        for lane, share in found.in_time.items():
            out.print(f"{lane}: {share:.1%} decided in time, of {weekly[lane]:,.0f} a week", highlight=False)
    if plot is not None:
        plot.write_text(show.staff_chart(found, (wanted.arrivals @ wanted.minutes / 60).tolist()), "utf-8")


def _print_json(found: Any) -> None:
    print(json.dumps(_known(found), allow_nan=False))


def _known(found: Any) -> Any:
    """The same with None in place of NaN, which JSON does not have."""
    if isinstance(found, dict):
        return {key: _known(each) for key, each in found.items()}
    if isinstance(found, list | tuple):
        return [_known(each) for each in found]
    return None if isinstance(found, float) and math.isnan(found) else found


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command()(simulate)
    app.command(name="staff")(staff_needed)
