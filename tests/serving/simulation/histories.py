"""Histories: made-up decided cases, as a file holds them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


def row(minute: int, decided: int, severity: int, score: float, **fields: Any) -> dict[str, Any]:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    moments = {"received_at": start + timedelta(minutes=minute), "decided_at": start + timedelta(minutes=decided)}
    return {**{key: at.isoformat() for key, at in moments.items()}, "severity": severity, "score": score, **fields}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path
