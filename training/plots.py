"""Plots of an evaluation and a learning curve, readable without colour."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes


def evaluation(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Average precision by category and by source, with intervals, and calibration; return the files."""
    by_source = {f"{name}: {row['output']}": row for name, row in figures["sources"].items() if row["output"]}
    rows = {"categories": figures["categories"], "authored": figures["authored"]["categories"], "sources": by_source}
    plotted = [_intervals(kind, found, folder / f"{kind}.png") for kind, found in rows.items()]
    return [*plotted, calibration(figures["authored"], folder / "calibration.png")]


def calibration(figures: Mapping[str, Any], path: Path) -> Path:
    """Reliability curves on the authored test texts, a small picture each, the diagonal being perfect."""
    rows = {"violation": figures["violation"], **figures["categories"]}

    def draw(axes: Axes, name: str) -> None:
        bins = rows[name]["reliability"]
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        axes.plot([b["probability"] for b in bins], [b["share"] for b in bins], "ko-", markersize=3, linewidth=1)
        axes.set_title(f"{name} (n {rows[name]['n']}, {rows[name]['positives']} positive)", fontsize=8)

    labels = ("probability given (means of equal-mass bins)", "share that holds")
    return _small_multiples(list(rows), draw, labels, path)


def learning_curve(shares: Sequence[float], curves: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Average precision by the share of training rows, a small picture an output, the steepest at the end first."""

    def gain(name: str) -> float:
        return curves[name][-1] - curves[name][-2]

    def draw(axes: Axes, name: str) -> None:
        axes.plot(shares, curves[name], "ko-", markersize=3, linewidth=1)
        axes.set_xscale("log", base=2)
        axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
        axes.set_title(f"{name} ({gain(name):+.3f})", fontsize=8)

    labels = ("share of the authored training rows (in brackets: what the last doubling gave)", "average precision")
    return _small_multiples(sorted(curves, key=gain, reverse=True), draw, labels, path)


def _small_multiples(
    names: Sequence[str], draw: Callable[[Axes, str], None], labels: tuple[str, str], path: Path
) -> Path:
    """One small picture for each name on shared axes."""
    columns = 4
    lines = -(-len(names) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(11, 2.7 * lines), sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        draw(axes, name)
    figure.supxlabel(labels[0])
    figure.supylabel(labels[1])
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
