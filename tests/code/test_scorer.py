"""The scorer: the same report and bundle give the same score, bit for bit, whatever else happens."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.bundle import MANIFEST, Bundle, Manifest, sha256
from models.loading import load_bundle
from models.metadata import FEATURES, MetadataModel, featurise
from models.prepare import prepare
from models.report import Report
from models.score import Score
from models.scorer import Scorer
from models.taxonomy import Taxonomy

Make = Callable[..., Report]
SCAM = "Your parcel is held at the depot, pay the small fee at the link within 24 hours or it goes back."
TEXTS = [
    SCAM,
    "Nobody here can stand you, delete your account and stay away.",
    "Thank you for the recipe, the bread came out lovely!",
    "I know which bus you take. Tomorrow you will regret what you said.",
    "I said goodbye to everyone today. I will not be here next week.",
    "The match was a massacre, they killed us in the second half. " * 60,
    "\u200b",
    "ａ ѕсаm \U0001f600",
]
BAD = {
    "subject": {"account_age_days": 1, "prior_violations": 9},
    "reporter": {"reports_filed": 90, "reports_upheld": 88, "is_target": True},
    "exposure": {"distinct_reporters": 50},
    "reason": "threat",
}
GOOD = {
    "subject": {"account_age_days": 4000, "prior_violations": 0},
    "reporter": {"reports_filed": 90, "reports_upheld": 1, "is_target": False},
    "exposure": {"distinct_reporters": 1},
    "reason": "spam",
}


@pytest.fixture(scope="module")
def scorer(loaded: Bundle) -> Scorer:
    return Scorer(loaded)


@pytest.fixture
def score(scorer: Scorer, make_report: Make, now: datetime) -> Callable[..., Score]:
    """Score a text with other fields of the contract."""

    def run(text: str | None, by: Scorer = scorer, explain: bool = False, **fields: object) -> Score:
        return by.score(make_report(text, **fields), received_at=now, explain=explain)

    return run


def test_any_order_and_any_thread_give_the_same_bits(
    scorer: Scorer, loaded: Bundle, make_report: Make, now: datetime
) -> None:
    reports = [make_report(text, **fields) for text in TEXTS for fields in ({}, BAD)]

    def run(by: Scorer, report: Report) -> str:
        return by.score(report, received_at=now, explain=True).model_dump_json()

    first = [run(scorer, report) for report in reports]
    assert [run(scorer, report) for report in reversed(reports)] == first[::-1]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda report: run(scorer, report), reports * 4)) == first * 4
    assert [run(Scorer(loaded), report) for report in reports] == first


def test_the_score_id_names_report_and_bundle(score: Callable[..., Score]) -> None:
    assert score(SCAM).score_id == score(SCAM).score_id
    assert score(SCAM).score_id != score(SCAM + "!").score_id
    assert score(SCAM).score_id != score(SCAM, reason="spam").score_id


def test_what_a_score_holds(score: Callable[..., Score], loaded: Bundle, taxonomy: Taxonomy) -> None:
    found = score(SCAM)
    assert not found.abstained and found.violation.probability is not None and found.violation.interval is not None
    low, high = found.violation.interval
    assert low <= found.violation.probability <= high
    assert found.model.bundle == loaded.digest
    assert found.severity is not None
    assert found.severity.distribution[0] == pytest.approx(1 - found.violation.probability, abs=2e-6)
    assert [c.flagged for c in found.categories] == [
        c.probability is not None and c.threshold is not None and c.probability >= c.threshold for c in found.categories
    ]
    assert found.hints is None
    assert sorted(c.category for c in found.categories) == sorted(taxonomy.keys)
    assert {c.category for c in found.categories if c.probability is None} == {"sexual_minors"}
    assert {c.category: c.source for c in found.categories}["sexual_minors"] == "none"


def test_a_bundle_without_a_band_gives_no_interval(score: Callable[..., Score], loaded: Bundle) -> None:
    older = Manifest.model_validate(loaded.manifest.model_dump(exclude={"band"}))
    found = score(SCAM, by=Scorer(Bundle(loaded.path, older, loaded.digest))).violation
    assert found.probability == score(SCAM).violation.probability
    assert found.interval is None


@pytest.mark.parametrize("fields", [{}, {"reason": "child_safety"}, {"content": {"language": "de"}}])
def test_all_categories_highest_first(score: Callable[..., Score], fields: dict[str, object]) -> None:
    found = score(SCAM, **fields).categories
    assert len(found) == 14
    values = [float(c.flagged) if c.probability is None else c.probability for c in found]
    assert values == sorted(values, reverse=True)


@given(st.floats(-12, 12))
def test_absent_metadata_shifts_by_exactly_nothing(loaded: Bundle, log_odds: float) -> None:
    model = MetadataModel(loaded.path / "metadata.onnx", loaded.manifest.metadata_cap)
    assert model.shift(log_odds, np.full(len(FEATURES), np.nan, dtype=np.float32)) == 0.0


NUMBER = st.just(np.nan) | st.floats(-1e6, 1e6, width=32)


@given(st.floats(-12, 12), st.lists(NUMBER, min_size=len(FEATURES), max_size=len(FEATURES)))
def test_a_shift_stays_within_the_cap(loaded: Bundle, log_odds: float, features: list[float]) -> None:
    cap = loaded.manifest.metadata_cap
    model = MetadataModel(loaded.path / "metadata.onnx", cap)
    assert -cap <= model.shift(log_odds, np.array(features, dtype=np.float32)) <= cap


def test_metadata_raises_and_lowers(score: Callable[..., Score]) -> None:
    worse, plain, better = (score(SCAM, **fields).violation.probability for fields in (BAD, {}, GOOD))
    assert better is not None and plain is not None and worse is not None
    assert better < plain < worse


def test_metadata_moves_no_category(score: Callable[..., Score]) -> None:
    assert [c.probability for c in score(SCAM, **BAD).categories] == [c.probability for c in score(SCAM).categories]


def test_without_metadata_the_text_alone_speaks(score: Callable[..., Score], loaded: Bundle) -> None:
    alone = Scorer(loaded, metadata=False)
    found = score(SCAM, by=alone, explain=True, **BAD)
    assert found.violation == score(SCAM).violation
    assert found.hints is not None
    assert found.hints.reasons == []  # what moved nothing is no reason


def test_reasons_name_what_moved_the_score(score: Callable[..., Score]) -> None:
    found = score(SCAM, explain=True, **BAD).hints
    assert found is not None
    named = {reason.code: reason for reason in found.reasons}
    assert named["prior_violations"].direction == "raises"
    assert named["prior_violations"].text == "9 earlier violations"
    assert named["subject_account_age"].direction == "raises"
    lowered = score(SCAM, explain=True, **GOOD).hints
    assert lowered is not None
    assert {reason.code: reason.direction for reason in lowered.reasons}["reporter_reliability"] == "lowers"


def test_absent_metadata_is_featurised_as_nan(make_report: Make, taxonomy: Taxonomy) -> None:
    assert np.isnan(featurise(make_report(SCAM), taxonomy)).all()
    found = featurise(make_report(SCAM, **BAD), taxonomy)
    assert np.isfinite(found).sum() == len(FEATURES) - 2  # followers and the reporter's account age


RULES = ["Zorbleflax", "quib (nix)", "zb0rp", "soooo zorby", "v.w.x.z", "\U0001f991", "ぞるぶる"]


@pytest.fixture(scope="module")
def ruled(fast_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """The fast bundle with a rule word: made up, as every rule in a test must be."""
    copy = Path(shutil.copytree(fast_bundle, tmp_path_factory.mktemp("ruled") / "bundle"))
    raw = yaml.safe_load((copy / "taxonomy.yaml").read_text("utf-8"))
    next(c for c in raw["categories"] if c["key"] == "sexual_minors")["rules"] = RULES
    (copy / "taxonomy.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    manifest = json.loads((copy / MANIFEST).read_text("utf-8"))
    manifest["files"]["taxonomy.yaml"] = sha256(copy / "taxonomy.yaml")
    (copy / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return Scorer(load_bundle(copy))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Look, zorbleflax again!", None),
        ("ZORBLEFLAX", None),
        ("zorb\u200ble\u00adflax", None),
        ("zоrblеflax", None),  # Cyrillic о and е
        ("was soll zorbleflax heissen", "de"),
        ("a quib (nix) b", "en"),
        *((f"look, {rule} here", "en") for rule in RULES),
        ("zborp", None),
        ("so many tags #zb0rp", None),  # where preparation leaves the spelling alone
        ("v w x z", None),
        ("so _zorbleflax_!", None),  # as some write italics
        ("これはぞるぶるです", "ja"),  # no spaces between words
    ],
)
def test_a_rule_word_goes_to_specialists_in_any_language(
    score: Callable[..., Score], ruled: Scorer, text: str, language: str | None
) -> None:
    found = score(text, by=ruled, content={"language": language})
    named = found.categories[0]
    assert (named.category, named.source, named.flagged, named.probability) == ("sexual_minors", "rule", True, None)
    assert found.severity is not None
    assert (found.severity.expected, found.severity.level) == (4, "critical")
    assert found.priority.lane == "specialist"
    assert ("language_unsupported" in found.warnings) == (language in ("de", "ja")) <= found.abstained


@pytest.mark.parametrize("text", ["zorbleflaxes", "xzorbleflax", "quib nix", SCAM])
def test_other_words_do_not_fire_a_rule(score: Callable[..., Score], ruled: Scorer, text: str) -> None:
    found = score(text, by=ruled)
    assert "rule" not in {c.source for c in found.categories}
    assert found.priority.lane != "specialist"


@pytest.mark.parametrize("text", [None, "", "  \n", "\u200b\ufeff"])
def test_without_text_it_abstains(score: Callable[..., Score], text: str | None) -> None:
    found = score(text, explain=True, **BAD)
    assert found.abstained
    assert found.warnings == ["no_text", "metadata_only"]
    assert (found.violation.probability, found.violation.interval, found.severity) == (None, None, None)
    assert {c.probability for c in found.categories} == {None}
    assert not any(c.flagged for c in found.categories)
    assert found.hints is not None and found.hints.spans == []
    assert {"prior_violations", "subject_account_age"} <= {reason.code for reason in found.hints.reasons}


def test_without_text_the_metadata_and_the_views_order_cases(score: Callable[..., Score]) -> None:
    prior = {"subject": {"prior_violations": 40}}
    many = prior | {"exposure": {"distinct_reporters": 500}}
    seen = prior | {"exposure": {"distinct_reporters": 500, "views_per_hour": 1e6}}
    found = [score(None, **fields).priority for fields in ({}, prior, many, seen)]
    values = [one.value for one in found]
    assert 0 < values[0] < values[1] <= values[2] < values[3]
    assert {one.lane for one in found} == {"standard"}
    assert all(one.value == pytest.approx(sum(part.contribution for part in one.components)) for one in found)
    good = {"subject": {"account_age_days": 4000, "prior_violations": 0}}
    assert score(None, **good).priority.value < values[0]


def test_without_text_and_metadata_the_prior_alone_speaks(score: Callable[..., Score], loaded: Bundle) -> None:
    alone = Scorer(loaded, metadata=False)
    assert score(None, by=alone, subject={"prior_violations": 40}).priority == score(None).priority


def test_without_text_a_reason_that_no_model_knows_still_fixes_the_severity(score: Callable[..., Score]) -> None:
    found = score(None, reason="child_safety")
    assert found.abstained
    assert found.severity is not None and found.severity.level == "critical"
    assert found.categories[0].source == "reason"
    assert found.priority.lane == "specialist"


@pytest.mark.parametrize(
    ("language", "supported"),
    [
        *((tag, False) for tag in ("de", "pt-BR", "enm", "deu")),
        *((tag, True) for tag in ("en", "en-GB", "EN_us", "en-Latn-US", "en-US-x-twain", "eng", "ENG-gb")),
        *((tag, True) for tag in ("und", "UND", "und-Latn", "mul", "mis", "zxx")),
    ],
)
def test_languages(score: Callable[..., Score], language: str, supported: bool) -> None:
    found = score(SCAM, content={"language": language})
    assert found.abstained != supported
    assert found.warnings == ([] if supported else ["language_unsupported", "metadata_only"])


def test_gibberish_is_out_of_distribution(score: Callable[..., Score], loaded: Bundle) -> None:
    found = [score(text) for text in ("qzx wvk jjq xxz", "zzkq qqxv", "vvkz xqj wwz kkqx zzv")]
    for one in found:
        assert one.abstained == ("out_of_distribution" in one.warnings)
    assert any(one.abstained for one in found)


def test_a_very_long_text_is_cut_with_a_warning(score: Callable[..., Score]) -> None:
    assert "truncated" in score("We had a quiet walk by the sea. " * 3000).warnings


def test_a_text_that_preparation_cuts_says_so_even_where_no_model_reads_it(score: Callable[..., Score]) -> None:
    found = score("\ufdfa" * 100_000)
    assert found.warnings[:2] == ["truncated", "language_unsupported"]


def test_an_unknown_reason_is_told_and_not_quoted(score: Callable[..., Score]) -> None:
    assert score(SCAM, reason="zorbleflax").warnings == ["unknown_reason"]
    assert "zorbleflax" not in score(SCAM, reason="zorbleflax").model_dump_json()
    assert score(SCAM, reason="Hate-Speech").warnings == []
    assert score(SCAM).warnings == []


def hide(text: str) -> str:
    """The text with a zero-width character inside each word."""
    return "\ufeff" + " ".join(word[:1] + "\u200b" + word[1:] for word in text.split())


def test_spans_point_into_the_text_as_sent(score: Callable[..., Score]) -> None:
    plain = score(SCAM, explain=True).hints
    hidden = score(hide(SCAM), explain=True).hints
    assert plain is not None and hidden is not None
    assert 1 <= len(plain.spans) <= 3
    words = [SCAM[span.start : span.end] for span in plain.spans]
    assert all(word in SCAM.split() for word in words)
    found = [hide(SCAM)[span.start : span.end] for span in hidden.spans]
    assert [prepare(word).text for word in found] == words
    assert [span.weight for span in hidden.spans] == [span.weight for span in plain.spans]
    assert [span.weight for span in plain.spans] == sorted((s.weight for s in plain.spans), reverse=True)
    best = max(score(SCAM).categories, key=lambda c: c.probability or 0).category
    assert {span.category for span in plain.spans} == {best}


def test_hidden_characters_change_no_score(score: Callable[..., Score]) -> None:
    assert score(hide(SCAM)).violation == score(SCAM).violation


def test_a_reason_is_not_a_models_word(score: Callable[..., Score]) -> None:
    found = {c.category: c for c in score(SCAM, reason="doxxing").categories}["privacy"]
    assert found.source == "model"
    assert found.flagged == (found.probability is not None and found.probability >= (found.threshold or 0))
