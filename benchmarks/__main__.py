"""`make bench`: all measures in interleaved rounds, their medians and ratios, and what changed against the baseline."""

import json
import os
import platform
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import onnxruntime
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import texts
from benchmarks.local import Local
from benchmarks.over_http import BULK, Http, half_load
from benchmarks.service import Service
from models.bundle import DEFAULT, Bundle

RESULTS = Path(__file__).parent / "results"
BASELINE = RESULTS / "baseline.json"
RAW = "raw limit"
Round = Callable[[], dict[str, float]]


def main(
    rounds: Annotated[int, typer.Option(min=5, help="Rounds, in each of which every measure runs once.")] = 5,
    number: Annotated[int, typer.Option("--texts", min=64, help="Texts of a round.")] = 768,
    bundle: Annotated[Path, typer.Option(help="The bundle to measure.")] = DEFAULT,
    workers: Annotated[int, typer.Option(help="Workers of the service.")] = 2,
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = RESULTS / "latest.json",
) -> None:
    """Measure this machine's raw limit, the scorer and the service in interleaved rounds, on the same texts."""
    drawn = texts.draw(bundle / "tokenizer.json", number)
    service = Service(bundle=bundle, workers=workers, remembered_texts=0, max_wait_seconds=600)
    raw, scorer = (Local(kind, bundle, drawn) for kind in ("raw", "scorer"))
    measures: dict[str, Round] = {
        RAW: raw.round,
        "scorer in process": scorer.round,
        f"bulk over HTTP, {BULK} a request": Http(service, drawn, BULK, 4).round,
        **{f"single over HTTP, {n} connections": Http(service, drawn, 1, n).round for n in (1, 4, 16)},
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in track(range(rounds), "rounds"):
        for name, measure in measures.items():
            found[name].append(measure())
    peak = statistics.median(each["texts_per_second"] for each in found["single over HTTP, 16 connections"])
    figures: dict[str, Any] = {
        "measures": {name: _summary(results, found[RAW]) for name, results in found.items()},
        "half_load": half_load(service, drawn, peak),
        "ready_seconds": round(service.ready_seconds, 2),
        "resident_megabytes": service.memory(),
        "texts": {"number": number, **texts.lengths(bundle / "tokenizer.json", drawn)},
        "bundle": Bundle.read(bundle).digest,
        "machine": _machine(),
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for part in (raw, scorer, service):
        part.close()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    _show(figures, json.loads(BASELINE.read_text("utf-8")) if BASELINE.exists() else None)


def _summary(results: list[dict[str, float]], raw: list[dict[str, float]]) -> dict[str, Any]:
    speeds = [each["texts_per_second"] for each in results]
    ratios = [speed / limit["texts_per_second"] for speed, limit in zip(speeds, raw, strict=True)]
    shares = [each["client_share"] for each in results if "client_share" in each]
    return {
        "texts_per_second": _spread(speeds),
        "of_raw_limit": _spread(ratios),
        **({"client_share": _spread(shares)} if shares else {}),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 4), "low": round(min(values), 4), "high": round(max(values), 4)}


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def _show(figures: dict[str, Any], baseline: dict[str, Any] | None) -> None:
    table = Table("measure", "texts/s", "of the raw limit", "range", "client's share", "baseline", title="Speed")
    for name, summary in figures["measures"].items():
        ratio, share = summary["of_raw_limit"], summary.get("client_share")
        before = (baseline or {}).get("measures", {}).get(name)
        table.add_row(
            name,
            f"{summary['texts_per_second']['median']:.0f}",
            f"{ratio['median']:.1%}",
            f"{ratio['low']:.1%} to {ratio['high']:.1%}",
            f"{share['median']:.1%}" if share else "",
            f"{before['of_raw_limit']['median']:.1%}" if before else "",
        )
    out = Console()
    out.print(table)
    half = figures["half_load"]
    out.print(
        f"At half load, latency ÷ the same text's on an idle service: median {half['p50']:.2f}, p95 {half['p95']:.2f}, "
        f"p99 {half['p99']:.2f}. Ready after {figures['ready_seconds']} s; resident {figures['resident_megabytes']} MB."
    )


if __name__ == "__main__":
    typer.run(main)
