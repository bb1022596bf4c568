"""One comment analysed: its signal read in turn with everybody else's reports, and made an answer of."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from models import Scorer
from serving.executor import Task
from serving.perspective.attributes import known_as
from serving.perspective.languages import settle
from serving.perspective.protocol import PROBABILITY, AnalyzeRequest, AttributeParameters
from serving.perspective.scores import Scale, Scales
from serving.perspective.spans import Span, sentences, utf16


@dataclass(frozen=True)
class Read:
    """What one text says: the score of each attribute, of none in a language that is not read, and the languages that
    were detected.
    """

    scores: dict[str, float]
    detected: list[str]


class Analysis:
    """An analyse request under one scorer: `tasks` are for the executor, `answer` takes what they return."""

    def __init__(self, scorer: Scorer, scales: Scales, request: AnalyzeRequest) -> None:
        self._scorer, self._scales, self._request = scorer, scales, request
        # Several names may mean one attribute, as TOXICITY and TOXICITY@6 do.
        self._wanted: dict[str, AttributeParameters | None] = request.requested_attributes or {}
        self._meant = {name: known_as(name) or "" for name in self._wanted}
        self._spans: list[Span] = sentences(request.text) if request.span_annotations else []

    @property
    def tasks(self) -> list[Task]:
        """What reads the comment, then what reads each of its sentences, if they were asked for."""
        whole = len(self._spans) == 1 and self._spans[0] == (0, len(self._request.text))
        parts = [] if whole else [self._request.text[start:end] for start, end in self._spans]
        return [self._read_comment, *(partial(self._read_part, part) for part in parts)]

    def answer(self, reads: list[Read | None]) -> dict[str, Any]:
        """The answer's body. A score below its threshold is left out, and so is what would be empty."""
        text, (comment, *parts) = self._request.text, reads
        assert comment is not None  # noqa: S101  (a comment that says nothing was refused)
        places = utf16(text, self._spans if parts else [(0, len(text))])
        found = {}
        for name, wanted in self._wanted.items():
            value = comment.scores.get(self._meant[name])
            if value is not None and value >= ((wanted and wanted.score_threshold) or 0):
                found[name] = {
                    "spanScores": [
                        {"begin": begin, "end": end, "score": _score(part.scores[self._meant[name]])}
                        for (begin, end), part in zip(places, parts or [comment], strict=True)
                        if part is not None
                    ],
                    "summaryScore": _score(value),
                }
        answer: dict[str, Any] = {"attributeScores": found} if found else {}
        answer["languages"] = self._request.languages or comment.detected
        answer["detectedLanguages"] = comment.detected
        if self._request.client_token:
            answer["clientToken"] = self._request.client_token
        return answer

    def is_mapped(self) -> bool:
        """Whether all scores are on Perspective's scale, which another bundle than the mapping's does not have."""
        return self._scale.is_mapped(self._meant.values())

    @cached_property
    def _scale(self) -> Scale:
        return self._scales.of(self._scorer.bundle)

    def _read_comment(self) -> Read:
        stated, first = self._request.languages or [], next(iter(self._wanted))
        drop = bool(self._request.drop_unsupported_attributes)
        prepared, detected = settle(self._scorer, self._request.text, stated, first, drop=drop)
        return Read({} if prepared is None else self._scores(prepared), detected)

    def _read_part(self, text: str) -> Read | None:
        prepared = self._scorer.look(text).text
        return Read(self._scores(prepared), []) if prepared else None  # hidden characters alone say nothing

    def _scores(self, prepared: str) -> dict[str, float]:
        return self._scale.scores(self._scorer.read(prepared), prepared, set(self._meant.values()))


def _score(value: float) -> dict[str, Any]:
    return {"value": value, "type": PROBABILITY}
