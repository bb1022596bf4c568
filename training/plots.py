"""Plots of an evaluation, readable without colour."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from models.bundle import Bundle


def evaluation(bundle: Bundle, folder: Path) -> list[Path]:
    """Average precision by category and by source, with intervals; return the files."""
    figures = bundle.manifest.evaluation
    by_source = {f"{name}: {row['output']}": row for name, row in figures["sources"].items() if row["output"]}
    rows = {"categories": figures["categories"], "authored": figures["authored"]["categories"], "sources": by_source}
    return [_intervals(kind, found, folder / f"{kind}.png") for kind, found in rows.items()]


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
