"""Plots of an evaluation, readable without colour."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def evaluation(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Average precision by category and by source, with intervals, and calibration; return the files."""
    by_source = {f"{name}: {row['output']}": row for name, row in figures["sources"].items() if row["output"]}
    rows = {"categories": figures["categories"], "authored": figures["authored"]["categories"], "sources": by_source}
    plotted = [_intervals(kind, found, folder / f"{kind}.png") for kind, found in rows.items()]
    return [*plotted, calibration(figures["authored"], folder / "calibration.png")]


def calibration(figures: Mapping[str, Any], path: Path) -> Path:
    """Reliability curves on the authored test texts, a small picture each, the diagonal being perfect."""
    rows = {"violation": figures["violation"], **figures["categories"]}
    columns = 4
    lines = -(-len(rows) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(11, 2.7 * lines), sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    for axes, (name, row) in zip(grid.flat, rows.items(), strict=False):
        bins = row["reliability"]
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        axes.plot([b["probability"] for b in bins], [b["share"] for b in bins], "ko-", markersize=3, linewidth=1)
        axes.set_title(f"{name} (n {row['n']}, {row['positives']} positive)", fontsize=8)
    figure.supxlabel("probability given (means of equal-mass bins)")
    figure.supylabel("share that holds")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _intervals(title: str, rows: dict[str, dict[str, object]], path: Path) -> Path:
    shown = {name: row["average_precision"] for name, row in rows.items()}
    known = {name: v for name, v in shown.items() if isinstance(v, dict) and v["interval"]}
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(known) + 1.5))
    for y, (name, value) in enumerate(reversed(known.items())):
        low, high = value["interval"]
        share = rows[name]["positives"] / max(rows[name]["n"], 1)  # type: ignore[call-overload]
        axes.plot([low, high], [y, y], color="black")
        axes.plot(value["value"], y, "o", color="black")
        axes.plot(share, y, "|", color="grey")
    axes.set_yticks(range(len(known)), list(reversed(known)))
    axes.set_xlim(0, 1)
    axes.set_xlabel("average precision with 95 % interval (grey bar: share of positives, what chance would reach)")
    axes.set_title(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
