"""Pages: templates, and the words in which they tell times, lengths and probabilities."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.inert import inert


def length(minutes: int) -> str:
    """A length of time in words, coarser the longer it is."""
    if minutes >= 48 * 60:
        return f"{minutes // 1440} days"
    if minutes >= 10 * 60:
        return f"{minutes // 60} h"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def due(moment: datetime, now: datetime) -> str:
    """When something is due, in words."""
    words = length(int(abs((moment - now).total_seconds()) // 60))
    return f"in {words}" if moment > now else f"late by {words}"


def since(moment: datetime, now: datetime) -> str:
    """For how long something has been so, in words."""
    return length(max(0, int((now - moment).total_seconds() // 60)))


def percent(probability: float | None) -> str:
    """A probability in words that never claim certainty."""
    if probability is None:
        return ""
    if probability < 0.01:
        return "under 1%"
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"


def plain(name: str | None) -> str:
    """A name from the contract, or from a report, in plain words."""
    words = inert(name or "").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def day(moment: datetime) -> str:
    """A moment as pages write it, in UTC."""
    return moment.astimezone(UTC).strftime("%d %b %H:%M")


def seconds(moment: datetime, now: datetime) -> str:
    """For how many seconds something is still to come, negative if it has passed: what countdowns start from."""
    return f"{(moment - now).total_seconds():.1f}"


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"due": due, "since": since, "percent": percent, "plain": plain, "day": day, "seconds": seconds}


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template; one with a `notice` has the focus there."""
    return HTMLResponse(_environment.get_template(template).render({"notice": "", "status": status} | values), status)
