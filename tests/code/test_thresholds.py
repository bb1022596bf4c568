"""Thresholds as intent: they keep their own bound with confidence, at another prevalence too, or are refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta, norm

from models.bundle import Bundle
from models.calibration import Platt
from models.errors import BundleRefused, InvalidIntent, MissingData, NoThreshold
from models.heldout import STEPS, HeldOut
from models.intents import GRAMMAR, LIMITS, TARGETS, Conditions, Constraint, Counts, Intent
from models.score import ModelRef
from models.thresholds import ThresholdRequest, answer, choose, measure
from training import heldout
from training.heldout import default_threshold, held_out

CONDITIONS = st.builds(Conditions, st.none() | st.floats(0.001, 0.999), st.just(1000.0))
BOUNDS = st.decimals(0, 1, places=3).map(float)
CONSTRAINTS = st.builds(Constraint, st.sampled_from(LIMITS), st.sampled_from([">=", "<="]), BOUNDS) | st.builds(
    Constraint, st.just("reviews_per_day"), st.just("<="), st.integers(0, 1000).map(float)
)
INTENTS = st.builds(Intent, st.sampled_from(TARGETS), st.none() | CONSTRAINTS)


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(30, 120))
    probability = draw(arrays(np.float64, n, elements=st.integers(0, 40).map(lambda step: step / 40)))
    truth = np.arange(n) % draw(st.integers(2, 3)) == 0
    return probability, truth


def at(threshold: float, probability: np.ndarray, truth: np.ndarray, conditions: Conditions) -> dict[str, float]:
    """All metrics of one threshold, counted text by text with their weights."""
    share = truth.mean()
    wanted = share if conditions.prevalence is None else conditions.prevalence
    weight = np.where(truth, wanted / share, (1 - wanted) / (1 - share))
    flagged = probability >= threshold
    hits, total = weight[flagged & truth].sum(), weight.sum()
    return {
        "precision": hits / weight[flagged].sum(),
        "recall": hits / weight[truth].sum(),
        "f1": 2 * hits / (weight[flagged].sum() + weight[truth].sum()),
        "specificity": weight[~flagged & ~truth].sum() / weight[~truth].sum(),
        "false_positive_rate": weight[flagged & ~truth].sum() / weight[~truth].sum(),
        "flagged_share": weight[flagged].sum() / total,
        "reviews_per_day": 1000 * weight[flagged].sum() / total,
    }


def counted(probability: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, Counts]:
    """Each threshold, and its counts, one by one."""
    thresholds = np.unique(probability)
    hits, false_alarms = (np.array([(kind & (probability >= t)).sum() for t in thresholds]) for kind in (truth, ~truth))
    return thresholds, Counts(hits, false_alarms, truth.sum(), (~truth).sum())


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("maximum f1", Intent("f1")),
        ("maximum recall @ precision >= 0.9", Intent("recall", Constraint("precision", ">=", 0.9))),
        ("  maximum  precision@recall>=.8 ", Intent("precision", Constraint("recall", ">=", 0.8))),
        ("maximum recall @ reviews_per_day <= 400", Intent("recall", Constraint("reviews_per_day", "<=", 400))),
        ("maximum recall @ reviews_per_day <= 0.000001", Intent("recall", Constraint("reviews_per_day", "<=", 1e-6))),
    ],
)
def test_intents_are_read(text: str, intent: Intent) -> None:
    assert Intent.parse(text) == intent


@given(INTENTS)
def test_an_intent_reads_back_what_it_says(intent: Intent) -> None:
    assert Intent.parse(str(intent)) == intent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "minimum recall",
        "maximum accuracy",
        "maximum false_positive_rate",
        "Maximum recall @ precision > 0.9",
        "maximum recall @ precision >= 90%",
        "maximum recall @ precision >= 1.5",
        "maximum recall @ precision >= -1",
        "maximum recall @ precision >= nan",
        "maximum recall @ precision >= ٠.٩",
        "maximum recall @ precision >= 0.9 @ recall >= 0.1",
    ],
)
def test_anything_else_is_answered_with_the_grammar(text: str) -> None:
    with pytest.raises(InvalidIntent) as refused:
        Intent.parse(text)
    assert refused.value.message.endswith(GRAMMAR)
    assert refused.value.field == "intent"


@given(samples(), INTENTS, CONDITIONS)
def test_the_choice_keeps_its_bound_with_confidence_and_none_that_does_is_better(
    sample: tuple[np.ndarray, np.ndarray], intent: Intent, conditions: Conditions
) -> None:
    thresholds, counts = counted(*sample)
    every = [at(float(t), *sample, conditions) for t in thresholds]
    kept = np.full(len(thresholds), True)
    if intent.constraint:
        kept = intent.constraint.met(intent.constraint.limit(counts, conditions))
    try:
        chosen = choose(intent, *sample, conditions)
    except NoThreshold:
        assert not kept.any()
        return
    reached = every[list(thresholds).index(chosen)]
    best = max(metrics[intent.target] for metrics, fine in zip(every, kept, strict=True) if fine)
    assert reached[intent.target] == pytest.approx(best)
    if intent.constraint:
        assert intent.constraint.met(reached[intent.constraint.metric])


def test_limits_are_those_of_jeffreys() -> None:
    counts = Counts(np.array([0, 7, 20]), np.array([0, 3, 200]), np.int64(20), np.int64(200))
    for level, end in ((0.025, 0.0), (0.1, 0.0), (0.9, 1.0), (0.975, 1.0)):
        recall = beta.ppf(level, counts.flagged_positives + 0.5, 20.5 - counts.flagged_positives)
        false_alarms = beta.ppf(level, counts.flagged_negatives + 0.5, 200.5 - counts.flagged_negatives)
        recall[[0, 2][int(end)]] = false_alarms[[0, 2][int(end)]] = end  # nothing lies beyond none and all
        assert counts.limit("recall", level, Conditions()) == pytest.approx(recall, abs=0.015)
        assert counts.limit("false_positive_rate", level, Conditions(0.3)) == pytest.approx(false_alarms, abs=0.002)


def test_limits_of_precision_hold_the_truth_as_often_as_they_say() -> None:
    """Few false alarms at a low prevalence, where a bootstrap of the rows held it in nine of ten."""
    rng, prevalence = np.random.default_rng(3), 0.03
    recall, false_alarms = norm.sf(0.5), norm.sf(2.5)
    truth = prevalence * recall / (prevalence * recall + (1 - prevalence) * false_alarms)
    hits, alarms = rng.binomial(60, recall, 2000), rng.binomial(500, false_alarms, 2000)
    counts = Counts(hits, alarms, np.int64(60), np.int64(500))
    low, high = (counts.limit("precision", level, Conditions(prevalence)) for level in (0.025, 0.975))
    assert ((low <= truth) & (truth <= high)).mean() > 0.93


def test_a_bound_mostly_holds_where_a_threshold_is_given() -> None:
    """Of the best of many thresholds, the point estimate alone keeps what it promises in half of the draws."""
    rng, intent, prevalence = np.random.default_rng(4), Intent.parse("maximum recall @ precision >= 0.7"), 0.1
    truth, promised = np.arange(560) < 60, []
    for _ in range(60):
        score = np.round(rng.normal(2.0 * truth), 1)
        try:
            edge = choose(intent, score, truth, Conditions(prevalence)) - 0.05  # what rounds up to it counts
        except NoThreshold:
            continue
        hits, false_alarms = prevalence * norm.sf(edge - 2), (1 - prevalence) * norm.sf(edge)
        promised.append(hits / (hits + false_alarms) >= 0.7)
    assert len(promised) > 40
    assert np.mean(promised) > 0.8


def test_a_sample_without_a_stated_prevalence_has_its_own() -> None:
    probability, truth = scores(50, 200)
    stated, own = Conditions(0.2), Conditions()
    intent = Intent.parse("maximum recall @ precision >= 0.6")
    assert choose(intent, probability, truth, stated) == choose(intent, probability, truth, own)
    found = [measure(0.5, probability, truth, conditions, intervals=True) for conditions in (stated, own)]
    assert found[0] == found[1]


def test_equally_good_thresholds_yield_to_the_more_useful_one() -> None:
    probability = np.repeat([0.1, 0.2, 0.3, 0.4], 10)
    truth = np.repeat([False, False, True, True], 10)
    assert choose(Intent("recall"), probability, truth) == 0.3  # all three below find every positive too
    assert choose(Intent("precision"), probability, truth) == 0.3
    assert choose(Intent("specificity"), probability, truth) == 0.3


def test_another_prevalence_by_hand() -> None:
    """100 positives, 100 negatives; 80 and 10 are flagged. At 2 %: of 1000, 16 of 20 and 98 of 980."""
    counts = Counts(np.array([80]), np.array([10]), np.int64(100), np.int64(100))
    found = {name: float(values[0]) for name, values in counts.metrics(Conditions(0.02, 1000)).items()}
    assert found["recall"] == pytest.approx(0.8)
    assert found["specificity"] == pytest.approx(0.9)
    assert found["precision"] == pytest.approx(16 / 114)
    assert found["f1"] == pytest.approx(2 * 16 / (114 + 20))
    assert found["flagged_share"] == pytest.approx(0.114)
    assert found["reviews_per_day"] == pytest.approx(114)
    as_sampled = counts.metrics(Conditions())
    assert as_sampled["precision"][0] == pytest.approx(80 / 90)
    assert np.isnan(as_sampled["reviews_per_day"][0])


def scores(positives: int, negatives: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in whole steps, of positives mostly higher."""
    rng = np.random.default_rng(seed)
    probability = np.concatenate([rng.beta(4, 2, positives), rng.beta(2, 6, negatives)])
    return np.floor(probability * STEPS) / STEPS, np.arange(positives + negatives) < positives


def bundle(calibration: tuple[Any, Any], test: tuple[Any, Any], output: str = "hate") -> Bundle:
    """What `answer` needs of a bundle with one output."""
    parts = {"calibration": calibration, "test": test}
    held = HeldOut.of([output], {part: (p[:, None], t[:, None].astype(float)) for part, (p, t) in parts.items()})
    ref = ModelRef(name="m", version="1", bundle="sha256:0")
    return cast(Bundle, SimpleNamespace(heldout=lambda: held, ref=ref, manifest=SimpleNamespace(metadata_cap=1.5)))


def ask(made: Bundle, intent: str, **fields: Any) -> Any:
    return answer(made, ThresholdRequest(**{"intent": intent, "category": "hate", **fields}))


def test_the_answer_says_where_its_figures_come_from() -> None:
    calibration, test = scores(200, 400), scores(300, 2000, 1)
    found = ask(bundle(calibration, test), "maximum recall @ precision >= 0.6", prevalence=0.1, reports_per_day=500)
    assert found.calibration.statistics.precision.value >= 0.6
    assert found.calibration.statistics.precision.interval is None
    assert (found.calibration.n, found.calibration.positives) == (600, 200)
    assert (found.test.n, found.test.positives) == (2300, 300)
    counted = at(found.threshold, *test, Conditions(0.1))
    for name in ("precision", "recall", "f1", "specificity", "false_positive_rate", "flagged_share"):
        figure = getattr(found.test.statistics, name)
        assert figure.value == pytest.approx(counted[name], rel=1e-4)
        assert figure.interval[0] < figure.value < figure.interval[1]
    assert found.test.statistics.reviews_per_day.value == pytest.approx(500 * counted["flagged_share"], rel=1e-4)
    assert "0.3 and 1.35 times on the calibration part" in found.explanation[1]
    assert "Saerens, Latinne and Decaestecker 2002" in found.explanation[1]
    assert ask(bundle(calibration, test), "maximum f1").explanation[1].startswith("No prevalence was stated")
    assert found == ask(bundle(calibration, test), found.intent, prevalence=0.1, reports_per_day=500)


def test_a_threshold_for_violation_says_that_metadata_comes_on_top() -> None:
    sample = scores(200, 400)
    said = ask(bundle(sample, sample, "violation"), "maximum f1", category="violation").explanation
    assert "the metadata of the report, which may move it by up to 1.5 in log-odds" in said[-1]
    other = ask(bundle(sample, sample), "maximum f1").explanation
    assert len(other) == len(said) - 1
    assert "texts of one source are alike" in other[-1]


def test_the_confidence_is_stated() -> None:
    made = bundle(scores(200, 400), scores(200, 400))
    assert (
        "keep `precision >= 0.6` with 90% confidence" in ask(made, "maximum recall @ precision >= 0.6").explanation[0]
    )
    assert "confidence" not in ask(made, "maximum f1").explanation[0]


def test_it_warns_where_the_test_part_misses_the_bound() -> None:
    good, worse = scores(200, 400), scores(50, 2000, 1)
    missed = ask(bundle(good, worse), "maximum recall @ precision >= 0.8")
    assert missed.constraint_met_on_test is False
    assert "misses `precision >= 0.8`: precision is" in missed.warnings[0]
    near = ask(bundle(good, good), "maximum recall @ recall <= 0.8")
    assert near.constraint_met_on_test is False
    assert "which keeps `recall <= 0.8`, but its interval" in near.warnings[0]
    well = ask(bundle(good, scores(2000, 4000, 2)), "maximum recall @ precision >= 0.6")
    assert (well.constraint_met_on_test, well.warnings) == (True, [])
    assert ask(bundle(good, good), "maximum f1").constraint_met_on_test is None
    assert ask(bundle(good, good), "maximum f1").warnings == []


def test_what_never_happened_may_still_happen() -> None:
    sample = np.repeat([0.2, 0.8], 300), np.repeat([False, True], 300)
    found = ask(bundle(sample, sample), "maximum f1")
    assert found.test.statistics.false_positive_rate.interval == pytest.approx(
        (0, beta.ppf(0.975, 0.5, 300.5)), abs=1e-3
    )
    assert found.test.statistics.recall.interval == pytest.approx((beta.ppf(0.025, 300.5, 0.5), 1), abs=1e-3)
    assert found.warnings == []
    few = ask(bundle(sample, scores(3, 50)), "maximum f1").warnings
    assert few[0] == "The test part has 3 positives: too few to say anything."


def test_a_test_part_without_answers_has_no_figures() -> None:
    found = ask(bundle(scores(20, 20), scores(0, 0)), "maximum recall @ precision >= 0.5")
    assert found.test.statistics.precision.value is found.test.statistics.recall.interval is None
    assert found.constraint_met_on_test is False
    assert "cannot be checked" in found.warnings[0]


@pytest.mark.parametrize(
    ("sample", "intent", "fields", "reason"),
    [
        (scores(9, 100), "maximum f1", {}, "9 positives are too few"),
        (scores(100, 9), "maximum f1", {}, "9 negatives are too few"),
        (
            scores(20, 200),
            "maximum recall @ precision >= 0.99",
            {"prevalence": 1e-6},
            r"with 90% confidence .*\(20 positives, 200 negatives\): the highest precision that can be relied on so is",
        ),
        (scores(20, 200), "maximum recall @ reviews_per_day <= 1", {"reports_per_day": 1e6}, r"lowest measured \d"),
        (scores(20, 200), "maximum recall @ precision >= 0.5", {"prevalence": 0.0}, "highest measured 0"),
        (scores(20, 200), "maximum recall @ recall >= 1", {}, "so is 0.9[0-9]*, the highest measured 1"),
    ],
)
def test_what_no_threshold_does_is_refused(
    sample: tuple[Any, Any], intent: str, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NoThreshold, match=reason):
        ask(bundle(sample, sample), intent, **fields)


def test_what_is_missing_is_named() -> None:
    made = bundle(scores(20, 200), scores(20, 200))
    with pytest.raises(InvalidIntent, match="needs reports_per_day") as refused:
        ask(made, "maximum recall @ reviews_per_day <= 10")
    assert refused.value.field == "reports_per_day"
    with pytest.raises(InvalidIntent, match="the category must be one of hate") as refused:
        ask(made, "maximum f1", category="weather")
    assert refused.value.field == "category"


@given(arrays(np.float64, 20, elements=st.floats(0, 1)), st.integers(0, STEPS))
def test_rounding_changes_no_decision(probability: np.ndarray, step: int) -> None:
    assume(np.abs(probability * STEPS - step).min() > 1e-6)  # a quotient may miss its step by a hair
    held = HeldOut.of(["hate"], {"test": (probability[:, None], np.ones((20, 1)))})
    kept, _ = held.sample("test", "hate")
    assert ((kept >= round(step / STEPS, 5)) == (probability >= step / STEPS)).all()


def test_answers_survive_the_file(tmp_path: Path) -> None:
    probability, truth = np.array([[0.5, 0.123456], [1.0, 0.0]]), np.array([[1, np.nan], [0, 1]])
    HeldOut.of(["violation", "hate"], {"calibration": (probability, truth)}).write(tmp_path / "heldout.npy")
    held = HeldOut.read(tmp_path / "heldout.npy", ["violation", "hate", "severity_2"])
    assert held.outputs == ("violation", "hate")
    assert [list(column) for column in held.sample("calibration", "violation")] == [[0.5, 1.0], [True, False]]
    assert [list(column) for column in held.sample("calibration", "hate")] == [[0.0], [True]]
    assert len(held.sample("test", "hate")[0]) == 0


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    for number, content in enumerate((np.zeros(3), np.zeros(3, [("part", "u1")]), np.array(["a"], object))):
        np.save(tmp_path / f"{number}.npy", content)
        with pytest.raises(BundleRefused):
            HeldOut.read(tmp_path / f"{number}.npy", ["violation"])


def test_what_the_bundle_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heldout, "MOST", 50)
    logits = np.linspace(-3, 3, 120, dtype=np.float32)[:, None].repeat(3, axis=1)
    targets = np.full((120, 4), np.nan, np.float32)
    targets[:100, 0], targets[:30, 1] = np.arange(100) % 2, 0
    calibration = {name: Platt(slope=1, intercept=0) for name in ("violation", "hate", "severity_2")}
    held = held_out(["violation", "hate"], calibration, (logits[:40], targets[:40]), (logits, targets), 0)
    assert held.outputs == ("violation", "hate")
    assert len(held.sample("calibration", "violation")[0]) == 40
    assert len(held.sample("test", "violation")[0]) == 50
    assert len(held.sample("calibration", "hate")[0]) == 30


def test_the_threshold_of_highest_expected_f1() -> None:
    rng = np.random.default_rng(5)
    probability = rng.beta(0.3, 2, 20_000)
    truth = rng.random(20_000) < probability
    found = default_threshold(probability, truth)
    assert found.intent == "maximum expected f1"
    reached, best = (
        at(threshold, probability, truth, Conditions())["f1"]
        for threshold in (found.value, choose(Intent("f1"), probability, truth))
    )
    assert best - 0.01 < reached <= best
    assert found.value == pytest.approx(reached / 2, abs=0.01)


def test_too_few_answers_give_the_threshold_of_one_half() -> None:
    found = default_threshold(np.linspace(0, 0.99, 100), np.arange(100) < 9)
    assert (found.value, found.intent) == (0.5, "0.5: 9 of 100 known answers are positive")


def test_a_trained_bundle_answers_as_it_was_evaluated(loaded: Bundle) -> None:
    held = loaded.heldout()
    for name, threshold in loaded.manifest.thresholds.items():
        if name in held.outputs:
            found = measure(threshold.value, *held.sample("test", name), Conditions(), intervals=False)
            figures = loaded.manifest.evaluation["categories"][name]
            assert (found.n, found.positives) == (figures["n"], figures["positives"])
            assert found.statistics.recall.value == pytest.approx(figures["recall"]["value"], abs=1e-4)
    with pytest.raises(MissingData, match="keeps no held-out answers"):
        files = {name: digest for name, digest in loaded.manifest.files.items() if name != "heldout.npy"}
        Bundle(loaded.path, loaded.manifest.model_copy(update={"files": files}), loaded.digest).heldout()
