"""What rounds come to: medians and ranges, as texts a second and as ratios to the raw limit of the same round."""

import json
import os
import platform
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks import texts
from models.bundle import Bundle

RAW = "raw limit"
Figures = dict[str, float]  # texts_per_second; over HTTP also client_share
Round = Callable[[], Figures]


def summarise(results: list[Figures], raw: list[Figures]) -> dict[str, Any]:
    """Medians and ranges of a measure's rounds, beside those of the raw limit in the same rounds."""
    speeds = [each["texts_per_second"] for each in results]
    ratios = [speed / limit["texts_per_second"] for speed, limit in zip(speeds, raw, strict=True)]
    shares = [each["client_share"] for each in results if "client_share" in each]
    return {
        "texts_per_second": spread(speeds),
        "of_raw_limit": spread(ratios),
        **({"client_share": spread(shares)} if shares else {}),
    }


def spread(values: list[float]) -> dict[str, float]:
    """The median and the range of what rounds gave."""
    return {"median": round(statistics.median(values), 4), "low": round(min(values), 4), "high": round(max(values), 4)}


def save(out: Path, figures: dict[str, Any], bundle: Path, drawn: list[str]) -> None:
    """Add to the figures what they were taken of, where and when, and write them."""
    figures |= {
        "texts": {"number": len(drawn), **texts.lengths(bundle / "tokenizer.json", drawn)},
        "bundle": Bundle.read(bundle).digest,
        "machine": machine(),
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def machine() -> dict[str, Any]:
    """What a measurement was taken on."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def cells(summary: dict[str, Any]) -> list[str]:
    """What a table says of a summary: texts a second, of the raw limit, its range, and the client's share."""
    ratio, share = summary["of_raw_limit"], summary.get("client_share")
    return [
        f"{summary['texts_per_second']['median']:.0f}",
        f"{ratio['median']:.1%}",
        f"{ratio['low']:.1%} to {ratio['high']:.1%}",
        f"{share['median']:.1%}" if share else "",
    ]
