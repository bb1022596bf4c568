"""The scorer: a report in, a score out. Pure: the same report and bundle give the same score, bit for bit."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from models import explain, language, priority, severity
from models.bundle import Bundle
from models.calibration import sigmoid
from models.metadata import MetadataModel, featurise
from models.prepare import Prepared, prepare
from models.report import Content, Report
from models.runtime import Floats, Signal, read_text
from models.score import CategoryScore, Hints, Priority, Score, SeverityScore, Violation
from models.taxonomy import Category


class Scorer:
    """Scores reports with one bundle; safe to share between threads.

    `metadata=False` turns the metadata model off, so that the text alone speaks.
    """

    def __init__(self, bundle: Bundle, *, metadata: bool = True) -> None:
        self.bundle = bundle
        manifest = bundle.manifest
        self._model = bundle.ref
        self._text = bundle.text_model()
        self._heads = bundle.heads()
        language.warm()
        cap = manifest.metadata_cap if metadata else 0.0
        self._metadata = MetadataModel(bundle.path / "metadata.onnx", cap)
        self._output = {name: i for i, name in enumerate(manifest.outputs)}
        self._rules = {
            category.key: re.compile("|".join(rf"(?<!\w){re.escape(rule.casefold())}(?!\w)" for rule in category.rules))
            for category in bundle.taxonomy.categories
            if category.rules
        }

    def score(
        self, report: Report, *, received_at: datetime, warnings: Sequence[str] = (), explain: bool = False
    ) -> Score:
        """Score one report. `received_at` (aware) starts the clock of the service level; `explain` adds hints."""
        prepared = prepare(report.content.text or "", self.bundle.manifest.prepare)
        signal, doubts = self._read(report.content, prepared)
        trusted = signal if signal and not set(doubts) & ABSTAIN else None
        rule = {key for key, pattern in self._rules.items() if pattern.search(prepared.text.casefold())}
        text_log_odds = self._log_odds(trusted, "violation") if trusted else 0.0
        features = featurise(report, self.bundle.taxonomy)
        shift = self._metadata.shift(text_log_odds, features) if trusted else 0.0
        categories = self._categories(report, trusted, rule)
        level = self._severity(trusted, text_log_odds + shift, categories)
        return Score(
            report_id=report.report_id,
            score_id=self._score_id(report),
            model=self._model,
            violation=self._violation(trusted, shift),
            categories=categories,
            severity=level,
            priority=priority.prioritise(report, self.bundle.taxonomy, categories, level, received_at),
            hints=self._hints(report, prepared, trusted, features, categories) if explain else None,
            warnings=[*warnings, *doubts],
            abstained=trusted is None,
        )

    def prioritise(self, scores: Sequence[Score]) -> Priority:
        """The priority of a case from the scores of its reports."""
        return priority.of_case([score.priority for score in scores], self.bundle.taxonomy)

    def signal(self, text: str) -> Signal:
        """The raw outputs and the embedding of a text, for training, retraining and audit."""
        return read_text(self._text, self._heads, prepare(text, self.bundle.manifest.prepare).text)

    def _read(self, content: Content, prepared: Prepared) -> tuple[Signal | None, list[str]]:
        if not prepared.text:
            return None, ["no_text"]
        if not self._reads(content, prepared):
            return None, ["language_unsupported"]
        signal = read_text(self._text, self._heads, prepared.text)
        doubts = ["truncated"] if signal.cut else []
        if signal.distance > self.bundle.manifest.max_distance:
            doubts.append("out_of_distribution")
        return signal, doubts

    def _reads(self, content: Content, prepared: Prepared) -> bool:
        """Whether the text is in a language of the bundle. Another one is believed where stated; English is checked,
        as platforms state it for everything."""
        languages = self.bundle.manifest.languages
        stated = re.split("[-_]", content.language or languages[0])[0].lower()
        if stated not in languages:
            return False
        return languages != ["en"] or not language.is_foreign(content.text or "", prepared)

    def _log_odds(self, signal: Signal, output: str) -> float:
        return self.bundle.manifest.calibration[output].log_odds(float(signal.logits[self._output[output]]))

    def _violation(self, signal: Signal | None, shift: float) -> Violation:
        if signal is None:
            return Violation(probability=None, interval=None)
        low, high = self.bundle.manifest.band.at(float(signal.logits[self._output["violation"]]))
        point = self._log_odds(signal, "violation")
        return Violation(
            probability=_probability(point + shift), interval=(_probability(low + shift), _probability(high + shift))
        )

    def _categories(self, report: Report, signal: Signal | None, rule: set[str]) -> list[CategoryScore]:
        reason = self.bundle.taxonomy.of_reason(report.reason)
        scores = [
            self._category(category, signal, category.key in rule, category == reason)
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

    def _severity(
        self, signal: Signal | None, violation: float, categories: Sequence[CategoryScore]
    ) -> SeverityScore | None:
        fixed = [self.bundle.taxonomy[s.category] for s in categories if s.flagged and s.source in ("rule", "reason")]
        worst = max((category.base_severity for category in fixed), default=None)
        if signal is None:
            return None if worst is None else severity.fixed(worst)
        exceed = [sigmoid(self._log_odds(signal, f"severity_{k}")) for k in (2, 3, 4)]
        scored = severity.from_exceedance(sigmoid(violation), exceed)
        return scored if worst is None or scored.expected >= worst else severity.fixed(worst)

    def _hints(
        self,
        report: Report,
        prepared: Prepared,
        signal: Signal | None,
        features: Floats,
        categories: Sequence[CategoryScore],
    ) -> Hints:
        if signal is None:
            return Hints(spans=[], reasons=[])
        scored = [s for s in categories if s.probability is not None]
        wanted = [s.category for s in scored if s is scored[0] or (s.flagged and s.source == "model")]
        calibration = self.bundle.manifest.calibration
        outputs = [explain.Output(key, self._output[key], calibration[key].slope) for key in wanted]
        spans = explain.spans(prepared, signal, outputs, self._text, self._heads) if outputs else []
        reasons = self._metadata.reasons(report, self._log_odds(signal, "violation"), features)
        return Hints(spans=spans, reasons=reasons)

    def _score_id(self, report: Report) -> str:
        body = f"{self.bundle.digest}\n{report.model_dump_json()}"
        return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:24]


ABSTAIN = {"out_of_distribution"}  # a doubt after which the text's signal is not used


def _probability(log_odds: float) -> float:
    return round(sigmoid(log_odds), 6)
