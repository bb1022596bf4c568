"""The model card: what a bundle is for, what it was made from and how well it does, written from its manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.bundle import Manifest

HEADER = """# Model card: {name} {version}

A triage model for reports of user content: it estimates how likely a text violates a policy, of which categories, and
how severe it is, so that people look at the worst first.

**Uses.** Ordering the queue of human moderators; hints that a person checks; estimates of how much of a queue violates.

**Uses to avoid.** Removing content or acting on a person by itself. Languages other than {languages}. Text about
minors (category `sexual_minors` is never learnt; reports that name it go to specialists at once). Judging people rather
than texts. Pictures, sound and links. A policy that draws its lines elsewhere, without retraining on its own decisions.

- Text model: {text_model}, prepared by {prepare}. Created {created}.
- Probabilities are calibrated at the prevalence of the calibration sample ({prevalence:.0%} violations), which is far
  above that of most platforms. The interval of a violation probability says how far it depends on where the
  calibration texts came from (Venn-Abers over resampled sources).
- Metadata model: trained on **simulated** report metadata; it may move the log-odds by at most ±{metadata_cap:g}, and
  no figure below uses it.
- A row with fewer than 50 positives makes no claim: read its interval alone. "At real prevalence" reweights the test
  texts to 3 % violations and 0.5 % of a category, which is assumed, not measured.
"""
FAILURES = """## Known failures

- The authored corpus is invented, by one team: its figures do not carry over to a live queue. Recalibrate on decisions.
- Where every label of a source is of one kind, the figures over all texts flatter; read the authored ones.
- Veiled threats, irony, in-group talk and anything that needs the thread, the picture or the news are often missed.
- Hate in the style of adversarial test sets and hate carried by emoji are far from solved (see the sources below).
- Harmless questions full of dangerous words, and quotations of abuse in order to report it, are flagged too often.
- Long texts: the highest of up to eight windows counts, so that the chance of a false alarm grows with length.
"""


def write_card(path: Path, manifest: Manifest) -> None:
    """Write the card as Markdown."""
    evaluation = manifest.evaluation
    fields = manifest.model_dump() | {
        "languages": ", ".join(manifest.languages),
        "prevalence": manifest.prevalence.get("violation", 0.0),
    }
    own = evaluation["authored"]
    macro = f"Macro average precision over the categories: {own['macro']:.3f}.\n" if own["macro"] is not None else ""
    parts = [
        HEADER.format(**fields),
        FAILURES,
        "## The authored corpus alone\n\nEvery category was asked of every text, and half are look-alikes.\n\n"
        + table({"violation": own["violation"], **own["categories"]})
        + "\n"
        + macro,
        "## Severity (authored test texts)\n\n" + severity(evaluation["severity"]),
        "## All test texts\n\n" + table({"violation": evaluation["violation"], **evaluation["categories"]}),
        "## By source\n\nThe output that the source's labels speak of.\n\n"
        + table({f"{name} ({row['output']})": row for name, row in evaluation["sources"].items() if row["output"]}),
        "## Identity slices\n\n" + identities(evaluation["identities"]),
        "## Calibration\n\n![Reliability curves on the authored test texts](calibration.png)\n",
        "## Training data\n\n" + training_data(manifest.training_data),
    ]
    path.write_text("\n".join(parts), "utf-8")


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of binary figures."""
    columns = {
        "average precision": "average_precision",
        "at real prevalence": "average_precision_at_prevalence",
        "roc auc": "roc_auc",
        "precision": "precision",
        "recall": "recall",
        "calibration error": "calibration_error",
        "Brier": "brier",
    }
    lines = ["| | n | positives | " + " | ".join(columns) + " |"]
    lines.append("|---|---|---|" + "---|" * len(columns))
    for name, row in rows.items():
        cells = [figure(row[column], row["claim"]) for column in columns.values()]
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
    """Severity agreement, a line a figure."""
    names = {
        "quadratic-weighted kappa": "quadratic_kappa",
        "exact level": "exact",
        "off by one": "off_by_one",
        "within one level": "within_one",
        "critical recall (graded 4, given 4)": "critical_recall",
        "critical, given 3 or more": "critical_at_least_high",
        "critical precision (given 4, graded 4)": "critical_precision",
    }
    lines = [f"n = {figures['n']}, {figures['critical']} of them critical.\n", "| figure | value |", "|---|---|"]
    lines += [f"| {title} | {figure(figures[name])} |" for title, name in names.items()]
    return "\n".join(lines) + "\n"


def identities(slices: Mapping[str, Mapping[str, Any]]) -> str:
    """ROC AUC of the hate score where a group is named."""
    if not slices:
        return "Too few texts name any group.\n"
    lines = [
        "Test texts with a hate label. BPSN: hateful texts that do not name the group against harmless ones that do "
        "(low: the name alone raises the score). BNSP: harmless texts that do not against hateful ones that do (low: "
        "they are missed). Borkan et al. 2019.\n",
        "| group named | n | hateful | subgroup AUC | BPSN AUC | BNSP AUC |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in slices.items():
        cells = [f"{row[key]:.3f}" for key in ("subgroup_auc", "bpsn_auc", "bnsp_auc")]
        lines.append(f"| {name} | {row['n']} | {row['positives']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def training_data(rows: list[dict[str, Any]]) -> str:
    """The list of sources."""
    lines = ["| source | licence | rows used | SHA-256 |", "|---|---|---|---|"]
    lines += [f"| {row['name']} | {row['licence']} | {row['rows']} | {row['sha256'][:12]}… |" for row in rows]
    return "\n".join(lines) + "\n"
