"""The model card: what a bundle is for, what it was made from and how well it does, written from its manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.bundle import Manifest

HEADER = """# Model card: {name} {version}

A triage model for reports of user content: it estimates how likely a text violates a policy, of which categories, and
how severe it is, so that people look at the worst first. **Made for ordering human work.** Not for removing content
or acting on a person by itself, not for languages other than {languages}, not for text about minors (category
`sexual_minors` is never learnt; reports that name it go to specialists at once).

- Text model: {text_model}, prepared by {prepare}. Created {created}.
- Probabilities are calibrated at the prevalence of the calibration sample ({prevalence:.0%} violations), which is far
  above that of most platforms.
- Metadata model: trained on **simulated** report metadata; it may move the log-odds by at most ±{metadata_cap:g}, and
  no figure below uses it.
- A row with fewer than 50 positives makes no claim: read its interval alone.
"""


def write_card(path: Path, manifest: Manifest) -> None:
    """Write the card as Markdown."""
    evaluation = manifest.evaluation
    fields = manifest.model_dump() | {
        "languages": ", ".join(manifest.languages),
        "prevalence": manifest.prevalence.get("violation", 0.0),
    }
    parts = [
        HEADER.format(**fields),
        "## All test texts\n\n" + table({"violation": evaluation["violation"], **evaluation["categories"]}),
        "## The authored corpus alone\n\nEvery category was asked of every text, and half are look-alikes.\n\n"
        + table({"violation": evaluation["authored"]["violation"], **evaluation["authored"]["categories"]}),
        "## By source\n\nThe output that the source's labels speak of.\n\n"
        + table({f"{name} ({row['output']})": row for name, row in evaluation["sources"].items() if row["output"]}),
        "## Severity (authored test texts)\n\n" + severity(evaluation["severity"]),
        "## Training data\n\n" + training_data(manifest.training_data),
    ]
    path.write_text("\n".join(parts), "utf-8")


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of binary figures."""
    columns = ("average_precision", "roc_auc", "precision", "recall", "calibration_error")
    lines = ["| | n | positives | " + " | ".join(column.replace("_", " ") for column in columns) + " |"]
    lines.append("|---|---|---|" + "---|" * len(columns))
    for name, row in rows.items():
        cells = [figure(row[column], row["claim"]) for column in columns]
        lines.append(f"| {name} | {row['n']} | {row['positives']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(value: Mapping[str, Any], claim: bool = True) -> str:
    """A figure with its interval, or the interval alone where no claim is made."""
    if value["interval"] is None:
        return "–"
    low, high = value["interval"]
    interval = f"[{low:.2f}, {high:.2f}]"
    return f"{value['value']:.3f} {interval}" if claim else interval


def severity(figures: Mapping[str, Any]) -> str:
    """Severity agreement in a line."""
    return (
        f"n = {figures['n']}; quadratic-weighted kappa {figure(figures['quadratic_kappa'])}; "
        f"within one level {figure(figures['within_one'])}\n"
    )


def training_data(rows: list[dict[str, Any]]) -> str:
    """The list of sources."""
    lines = ["| source | licence | rows used | SHA-256 |", "|---|---|---|---|"]
    lines += [f"| {row['name']} | {row['licence']} | {row['rows']} | {row['sha256'][:12]}… |" for row in rows]
    return "\n".join(lines) + "\n"
