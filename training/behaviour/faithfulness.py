"""Are explanations faithful: does hiding the top span lower the score, and more so than hiding another word?"""

import re

from models.report import Content, Report
from models.score import Span
from models.scorer import Scorer
from training.behaviour.changes import long_text
from training.behaviour.measure import LONG, MOMENT, Asker, Outcome, flagged_pairs, result
from training.behaviour.results import Bar, Result

HIDDEN = "…"  # not what the explanation itself does, which leaves nothing in a word's place
BARS = {
    "top_span_lowers": Bar(0.9),
    "top_span_beats_another": Bar(0.9),
    "top_span_in_the_passage": Bar(0.9),
}


def faithfulness(scorer: Scorer) -> dict[str, Result]:
    """Explain the violating texts of the behavioural suites that are flagged; the results by suite.

    A text without a span fails. Where a violating sentence gets a long harmless text flagged, the top span lies in it.
    """
    found: dict[str, list[Outcome]] = {suite: [] for suite in BARS}
    ask = Asker(scorer)
    for i, pair in flagged_pairs(ask):
        span = _top(scorer, pair.violating)
        drop = _drop(scorer, pair.violating, span, span) if span else 0.0
        found["top_span_lowers"].append((pair.category, pair.id, drop > 0))
        if span and (other := _another(pair.violating, span)):
            more = drop > _drop(scorer, pair.violating, span, other)
            found["top_span_beats_another"].append((pair.category, pair.id, more))
        long = long_text(pair.violating, i)
        if i % LONG == 0 and pair.category in ask(long).flagged:
            start = long.index(pair.violating)
            inside = (top := _top(scorer, long)) and start <= top.start and top.end <= start + len(pair.violating)
            found["top_span_in_the_passage"].append((pair.category, pair.id, bool(inside)))
    return {suite: result(suite, bar, found[suite]) for suite, bar in BARS.items()}


def _top(scorer: Scorer, text: str) -> Span | None:
    report = Report(report_id="case", content=Content(text=text))
    hints = scorer.score(report, received_at=MOMENT, explain=True).hints
    return hints.spans[0] if hints and hints.spans else None


def _drop(scorer: Scorer, text: str, span: Span, hidden: Span) -> float:
    """By how much the raw output of the span's category falls when `hidden` is."""
    column = scorer.bundle.manifest.outputs.index(span.category)
    without = f"{text[: hidden.start]}{HIDDEN}{text[hidden.end :]}"
    return float(scorer.signal(text).logits[column] - scorer.signal(without).logits[column])


def _another(text: str, top: Span) -> Span | None:
    """The longest word outside a span; of several, the first."""
    words = [m for m in re.finditer(r"\S+", text) if m.end() <= top.start or m.start() >= top.end]
    longest = max(words, key=lambda m: m.end() - m.start(), default=None)
    return longest and top.model_copy(update={"start": longest.start(), "end": longest.end()})
