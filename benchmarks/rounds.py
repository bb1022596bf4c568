"""What rounds come to: medians and ranges, as texts a second and as ratios to the raw limit of the same round."""

import os
import platform
import statistics
from collections.abc import Callable
from typing import Any

import onnxruntime

RAW = "raw limit"
Figures = dict[str, float]  # texts_per_second; over HTTP also client_share
Round = Callable[[], Figures]


def summarise(results: list[Figures], raw: list[Figures]) -> dict[str, Any]:
    """Medians and ranges of a measure's rounds, beside those of the raw limit in the same rounds."""
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


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
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
