"""`make bench`: all measures in interleaved rounds, their medians and ratios, and what changed against the baseline."""

import json
import statistics
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import texts
from benchmarks.local import Kind, Local
from benchmarks.over_http import BULK, Http, half_load, overload, soak
from benchmarks.rounds import RAW, Figures, Round, cells, save, summarise
from benchmarks.service import Service
from serving.settings import SHIPPED_BUNDLE, Settings

RESULTS = Path(__file__).parent / "results"
BASELINE = RESULTS / "baseline.json"
PEAK = "single over HTTP, 16 connections"


def main(
    rounds: Annotated[int, typer.Option(min=5, help="Rounds, in each of which every measure runs once.")] = 5,
    number: Annotated[int, typer.Option("--texts", min=64, help="Texts of a round.")] = 768,
    bundle: Annotated[Path, typer.Option(help="The bundle to measure.")] = SHIPPED_BUNDLE,
    before: Annotated[Path | None, typer.Option(help="Another bundle, whose raw limit is measured beside.")] = None,
    workers: Annotated[int, typer.Option(help="Workers of the service, of two threads each.")] = 2,
    soaked: Annotated[int, typer.Option("--soak", help="Score so many reports more, and watch the memory.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = RESULTS / "latest.json",
) -> None:
    """Measure this machine's raw limit, the scorer and the service in interleaved rounds, on the same texts."""
    drawn = texts.draw(bundle / "tokenizer.json", number)
    with ExitStack() as running:
        service = running.enter_context(_service(bundle, workers, 600))
        measures = _measures(running, service, bundle, drawn)
        if before:
            measures["raw limit of the bundle before"] = running.enter_context(_local("raw", before, drawn)).round
        found: dict[str, list[Figures]] = {name: [] for name in measures}
        for _ in track(range(rounds), "rounds"):
            for name, measure in measures.items():
                found[name].append(measure())
        peak = statistics.median(each["texts_per_second"] for each in found[PEAK])
        figures: dict[str, Any] = {
            "measures": {name: summarise(results, found[RAW]) for name, results in found.items()},
            "half_load": half_load(service, drawn, peak),
            "ready_seconds": round(service.ready_seconds, 2),
            "resident_megabytes": service.memory(),
            "service": {"workers": workers, "threads": service.settings.threads},
            "soak": soak(service, drawn, soaked) if soaked else None,
        }
    with _service(bundle, workers, Settings().max_wait_seconds) as service:
        figures["overload"] = overload(service, drawn, peak)
    save(out, figures, bundle, drawn)
    _show(figures, json.loads(BASELINE.read_text("utf-8")) if BASELINE.exists() else None)


def _measures(running: ExitStack, service: Service, bundle: Path, drawn: list[str]) -> dict[str, Round]:
    return {
        RAW: running.enter_context(_local("raw", bundle, drawn)).round,
        "scorer in process": running.enter_context(_local("scorer", bundle, drawn)).round,
        f"bulk over HTTP, {BULK} a request": Http(service, drawn, BULK, 4).round,
        "single over HTTP, 1 connection": Http(service, drawn, 1, 1).round,
        "single over HTTP, 4 connections": Http(service, drawn, 1, 4).round,
        PEAK: Http(service, drawn, 1, 16).round,
    }


def _local(kind: Kind, bundle: Path, drawn: list[str]) -> closing[Local]:
    return closing(Local(kind, bundle, drawn))


def _service(bundle: Path, workers: int, max_wait_seconds: float) -> closing[Service]:
    return closing(Service(bundle=bundle, workers=workers, remembered_texts=0, max_wait_seconds=max_wait_seconds))


def _show(figures: dict[str, Any], baseline: dict[str, Any] | None) -> None:
    table = Table("measure", "texts/s", "of the raw limit", "range", "client's share", "baseline", title="Speed")
    for name, summary in figures["measures"].items():
        before = (baseline or {}).get("measures", {}).get(name)
        table.add_row(name, *cells(summary), f"{before['of_raw_limit']['median']:.1%}" if before else "")
    out = Console()
    out.print(table)
    half = figures["half_load"]
    out.print(
        f"At half load, latency ÷ the same text's on an idle service: median {half['p50']:.2f}, p95 {half['p95']:.2f}, "
        f"p99 {half['p99']:.2f}.\n"
        f"At four times the peak, {figures['overload']['goodput']:.0%} of the peak are still scored.\n"
        f"Ready after {figures['ready_seconds']} s; resident {figures['resident_megabytes']} MB."
    )


if __name__ == "__main__":
    typer.run(main)
