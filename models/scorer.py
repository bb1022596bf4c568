"""The scorer: a report in, a score out. Pure: the same report and bundle give the same score, bit for bit."""

import copy
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from models import explain, language, priority, severity
from models.bundle import Bundle
from models.calibration import logit, sigmoid
from models.metadata import MetadataModel, featurise
from models.observer import SILENT, Observer, Stopwatch
from models.policy import Policy
from models.prepare import Prepared, Version, prepare
from models.report import Content, Report
from models.runtime import Signal, read_text
from models.score import CategoryScore, Hints, Score, SeverityScore, Span, Violation
from models.signals import Signals
from models.taxonomy import Category


@dataclass(frozen=True, slots=True)
class Look:
    """A text as prepared, empty where nothing is left of it, and whether it is in a language not read."""

    text: str
    is_foreign: bool


class Scorer:
    """Scores reports with one bundle under one policy, by default the shipped one; safe to share between threads.

    `metadata=False` turns the metadata model off, so that the text alone speaks. The last `remembered`
    texts are not read again.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        policy: Policy | None = None,
        metadata: bool = True,
        remembered: int = 0,
        observer: Observer = SILENT,
    ) -> None:
        self.bundle = bundle
        self.policy = policy or Policy.read()
        manifest = bundle.manifest
        self._model = bundle.ref
        self._text = bundle.text_model
        self._heads = bundle.heads
        self._signals = Signals(self._text, self._heads, remembered, observer)
        self.observer = observer
        language.warm()
        # What a score depends on besides the report: the same report scored otherwise is another score.
        self._identity = f"{bundle.digest}\nmetadata {'on' if metadata else 'off'}"
        cap = manifest.metadata_cap if metadata else 0.0
        self._metadata = MetadataModel(bundle.path / "metadata.onnx", cap)
        self._prior = logit(manifest.prevalence["violation"])  # log-odds of a violation where nothing is read
        self._output = {name: i for i, name in enumerate(manifest.outputs)}
        self._rules = {
            category.key: _pattern(category.rules, manifest.prepare)
            for category in bundle.taxonomy.categories
            if category.rules
        }

    def score(
        self, report: Report, *, received_at: datetime, warnings: Sequence[str] = (), explain: bool = False
    ) -> Score:
        """Score one report. `received_at` (aware) starts the clock of the service level; `explain` adds hints."""
        watch = Stopwatch(self.observer)
        prepared = prepare(report.content.text or "", self.bundle.manifest.prepare)
        signal, doubts = self._read(report.content, prepared, watch)
        trusted = signal if signal and not set(doubts) & ABSTAIN else None
        rule = {key for key, pattern in self._rules.items() if pattern.search(prepared.text.casefold())}
        text_log_odds = self._log_odds(trusted, "violation") if trusted else self._prior
        features = featurise(report, self.bundle.taxonomy)
        shift = self._metadata.shift(text_log_odds, features)
        violation = sigmoid(text_log_odds + shift)
        categories = self._categories(report, trusted, rule)
        modelled = self._severity(trusted, violation) if trusted else None
        place = priority.prioritise(
            report, self.bundle.taxonomy, self.policy, categories, modelled, violation, received_at
        )
        watch.lap("fuse")
        hints = None
        if explain:
            hints = Hints(
                spans=self._spans(prepared, trusted, categories) if trusted else [],
                reasons=self._metadata.reasons(report, text_log_odds, features),
            )
            watch.lap("explain")
        return Score(
            report_id=report.report_id,
            score_id=self._score_id(report),
            model=self._model,
            violation=self._violation(trusted, shift),
            categories=categories,
            severity=self._settled(modelled, categories),
            priority=place,
            hints=hints,
            warnings=[*warnings, *self._reason_unknown(report), *doubts, *([] if trusted else ["metadata_only"])],
            abstained=trusted is None,
        )

    def under(self, policy: Policy) -> Self:
        """The same scorer under another policy; both share what they remember."""
        other = copy.copy(self)
        other.policy = policy
        return other

    def look(self, text: str) -> Look:
        """A text as `read` wants it, before it costs a run of the model."""
        watch = Stopwatch(self.observer)
        prepared = prepare(text, self.bundle.manifest.prepare)
        reason = self._unread(text, None, prepared)
        watch.lap("prepare")
        return Look(prepared.text, is_foreign=reason == "language_unsupported")

    def read(self, prepared: str) -> Signal:
        """What a prepared text, not empty, says; remembered as a report's is, and read in whatever language it is."""
        return self._signals.read(prepared, Stopwatch(self.observer))

    def signal(self, text: str) -> Signal:
        """The raw outputs and the embedding of a text, read whether or not the scorer abstains on it."""
        return read_text(self._text, self._heads, prepare(text, self.bundle.manifest.prepare).text)

    def abstains(self, text: str, distance: float) -> bool:
        """Whether it abstains on a text that comes without a language and has this `Signal.distance`."""
        prepared = prepare(text, self.bundle.manifest.prepare)
        return self._unread(text, None, prepared) is not None or self._is_far(distance)

    def _read(self, content: Content, prepared: Prepared, watch: Stopwatch) -> tuple[Signal | None, list[str]]:
        reason = self._unread(content.text or "", content.language, prepared)
        watch.lap("prepare")
        if reason:
            return None, [*(["truncated"] if prepared.cut else []), reason]  # rules were looked for in it all the same
        signal = self._signals.read(prepared.text, watch)
        doubts = ["truncated"] if signal.cut or prepared.cut else []
        if self._is_far(signal.distance):
            doubts.append("out_of_distribution")
        return signal, doubts

    def _unread(self, text: str, stated: str | None, prepared: Prepared) -> str | None:
        """Why the model does not read a text; None where it does."""
        if not prepared.text:
            return "no_text"
        return None if self._reads(text, stated, prepared) else "language_unsupported"

    def _reads(self, text: str, stated: str | None, prepared: Prepared) -> bool:
        """Whether the text is in a language of the bundle. Another one is believed where stated; English is checked,
        as platforms state it for everything."""
        languages = self.bundle.manifest.languages
        known = language.primary_language(stated)
        if known is not None and known not in languages:
            return False
        return languages != ["en"] or not language.is_foreign(text, prepared)

    def _reason_unknown(self, report: Report) -> list[str]:
        mapped = report.reason is None or self.bundle.taxonomy.of_reason(report.reason) is not None
        return [] if mapped else ["unknown_reason"]

    def _is_far(self, distance: float) -> bool:
        return distance > self.bundle.manifest.max_distance

    def _log_odds(self, signal: Signal, output: str) -> float:
        return self.bundle.manifest.calibration[output].log_odds(float(signal.logits[self._output[output]]))

    def _violation(self, signal: Signal | None, shift: float) -> Violation:
        if signal is None:
            return Violation(probability=None, interval=None)
        probability = _probability(self._log_odds(signal, "violation") + shift)
        if (band := self.bundle.manifest.band) is None:
            return Violation(probability=probability, interval=None)
        low, high = band.at(float(signal.logits[self._output["violation"]]))
        return Violation(probability=probability, interval=(_probability(low + shift), _probability(high + shift)))

    def _categories(self, report: Report, signal: Signal | None, rule: set[str]) -> list[CategoryScore]:
        reason = self.bundle.taxonomy.of_reason(report.reason)
        scores = [
            self._category(category, signal, category.key in rule, category is reason)
            for category in self.bundle.taxonomy.categories
            if not category.hidden
        ]
        return sorted(scores, key=lambda s: -(s.probability if s.probability is not None else float(s.flagged)))

    def _category(self, category: Category, signal: Signal | None, rule: bool, reason: bool) -> CategoryScore:
        modelled = signal is not None and category.key in self._output
        probability = _probability(self._log_odds(signal, category.key)) if signal and modelled else None
        threshold = self.bundle.manifest.thresholds[category.key].value if modelled else None
        above = probability is not None and threshold is not None and probability >= threshold
        named = reason and not category.learned  # no model will ever speak: the reporter's word counts
        return CategoryScore(
            category=category.key,
            probability=probability,
            threshold=threshold,
            flagged=rule or named or above,
            source="rule" if rule else "model" if modelled else "reason" if reason else "none",
        )

    def _severity(self, signal: Signal, violation: float) -> SeverityScore:
        exceed = [sigmoid(self._log_odds(signal, name)) for name in severity.SEVERITIES]
        return severity.from_exceedance(violation, exceed)

    def _settled(self, modelled: SeverityScore | None, categories: Sequence[CategoryScore]) -> SeverityScore | None:
        """The model's severity, or that of the worst category that a rule or a reason settles, whichever is higher."""
        fixed = priority.named(self.bundle.taxonomy, categories)
        worst = max((category.base_severity for category in fixed), default=None)
        if worst is None or (modelled is not None and modelled.expected >= worst):
            return modelled
        return severity.fixed(worst)

    def _spans(self, prepared: Prepared, signal: Signal, categories: Sequence[CategoryScore]) -> list[Span]:
        scored = [s for s in categories if s.probability is not None]
        wanted = [s.category for s in scored if s is scored[0] or (s.flagged and s.source == "model")]
        calibration = self.bundle.manifest.calibration
        outputs = [explain.Output(key, self._output[key], calibration[key].slope) for key in wanted]
        return explain.spans(prepared, signal, outputs, self._text, self._heads) if outputs else []

    def _score_id(self, report: Report) -> str:
        body = f"{self._identity}\npolicy {self.policy.digest}\n{report.model_dump_json()}"
        return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _pattern(rules: Sequence[str], version: Version) -> re.Pattern[str]:
    """What finds rules in a prepared, casefolded text: as preparation writes them, and with their spelling left alone,
    as inside an address or a hashtag it is not undone."""
    versions: tuple[Version, ...] = ("prepare.v1", version)
    forms = sorted({prepare(rule, each).text.casefold() for rule in rules for each in versions})
    return re.compile("|".join(_whole(form) for form in forms))


def _whole(form: str) -> str:
    """What finds a form as a word of its own, between anything but letters and digits; in scripts that have no spaces
    between words, or endings that join them, anywhere.
    """
    before, after = ("" if _UNSPACED.match(edge) else _LETTER for edge in (form[0], form[-1]))
    return (f"(?<!{before})" if before else "") + re.escape(form) + (f"(?!{after})" if after else "")


_LETTER = r"[^\W_]"
# Thai to Myanmar, Khmer, kana and Han, Hangul.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


ABSTAIN = {"out_of_distribution"}  # a doubt after which the text's signal is not used


def _probability(log_odds: float) -> float:
    return round(sigmoid(log_odds), 6)
