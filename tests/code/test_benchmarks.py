"""Benchmarks: figures worked out by hand, and no text anywhere but in the file."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from models.bundle import Bundle
from models.errors import MissingData
from models.report import Report
from models.scorer import Scorer
from serving.cli import app
from training.benchmarks import measures as module
from training.benchmarks import refit as refitting
from training.benchmarks import run as running
from training.benchmarks.files import File
from training.benchmarks.measures import Bootstrap, Figure, columns_mean, f1, macro_f1, measure, weighted_f1
from training.benchmarks.refit import best_cut, fitting_corpus, refit
from training.benchmarks.run import Ask, run, show
from training.benchmarks.scores import Scores, score
from training.benchmarks.suites import Rows, Suite

ODD = "zorbleflax"  # stands in every text, and must stand nowhere else
Write = Callable[..., File]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals alone depend on them."""
    monkeypatch.setattr(module, "RESAMPLES", 60)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def scores(**values: Sequence[float]) -> Scores:
    """Every output has 0.5 as its threshold; `violation` and `sexism` are no categories."""
    arrays = {name: floats(*found) for name, found in values.items()}
    limits = {name: 0.5 for name in values if name != "violation"}
    categories = [name for name in limits if name != "sexism"]
    return Scores(arrays, limits, categories, np.zeros(len(next(iter(arrays.values()))), bool))


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    found = {figure.name: figure for figure in figures}
    assert len(found) == len(figures)
    return found


def test_f1_as_scikit_learn_has_it() -> None:
    rng = np.random.default_rng(0)
    truth, flagged = (rng.random((2, 300)) < [[0.2], [0.4]]).astype(np.float32)
    for metric, average in ((f1, "binary"), (macro_f1, "macro"), (weighted_f1, "weighted")):
        assert metric(truth, flagged) == pytest.approx(f1_score(truth, flagged, average=average))


def test_a_share_has_an_interval_with_one_class_too() -> None:
    found = Bootstrap(0).share("x", np.ones(400, np.float32), np.arange(400) < 300)
    assert (found.n, found.positives, found.value) == (400, 400, 0.75)
    low, high = found.interval or [0, 0]
    assert 0.68 < low < 0.75 < high < 0.82
    assert Bootstrap(0).share("x", floats(), floats()).value is None


def test_openai_moderation_asks_only_where_a_label_is_present() -> None:
    nan = float("nan")
    answers = dict.fromkeys(("S", "HR", "SH", "V2", "H2"), floats(nan, nan, nan, nan))
    answers |= {"H": floats(1, 0, nan, 1), "V": floats(0, 0, nan, 0), "S3": floats(nan, nan, 1, nan)}
    rows = Rows(["a"] * 4, floats(1, 0, 1, 1), answers)
    names = ("sexual_adult", "violence_threat", "harassment", "self_harm", "graphic_violence")
    rest = {name: [0.5] * 4 for name in names}
    said = scores(violation=[0.9, 0.2, 0.8, 0.1], hate=[0.9, 0.5, 0.1, 0.2], **rest)
    found = by_name(measure(Suite.OPENAI_MODERATION, rows, said, 0))
    whole = found["any label AUPRC"]
    assert (whole.n, whole.positives) == (4, 3)
    assert whole.value == pytest.approx((1 + 1 + 3 / 4) / 3, abs=1e-4)
    assert (found["H hate ROC-AUC"].n, found["H hate ROC-AUC"].value) == (3, 0.5)
    assert (found["V violence_threat AUPRC"].n, found["V violence_threat AUPRC"].value) == (3, None)
    assert found["S sexual_adult AUPRC"].n == 0
    assert not [name for name in found if name.startswith("S3")]


def test_hatecheck_by_hand() -> None:
    groups = {
        "functionality": ["derog_impl_h", "derog_impl_h", "counter_quote_nh", "counter_ref_nh", "ident_neutral_nh"],
        "target_ident": ["women", "Muslims", "women", "women", ""],
    }
    rows = Rows(["a"] * 5, floats(1, 1, 0, 0, 0), groups=groups)
    found = by_name(measure(Suite.HATECHECK, rows, scores(hate=[0.9, 0.1, 0.8, 0.2, 0.1]), 0))
    values = {name: (figure.value, figure.n, figure.positives, figure.remark) for name, figure in found.items()}
    assert values == {
        "accuracy": (0.6, 5, 2, ""),
        "accuracy hateful": (0.5, 2, 2, ""),
        "accuracy non-hateful": (0.6667, 3, 0, ""),
        "accuracy counter-speech": (0.5, 2, 0, ""),
        "functionality derog_impl_h": (0.5, 2, 2, ""),
        "functionality counter_quote_nh": (0.0, 1, 0, "under 0.5"),
        "functionality counter_ref_nh": (1.0, 1, 0, ""),
        "functionality ident_neutral_nh": (1.0, 1, 0, ""),
        "target women": (0.6667, 3, 1, ""),
        "target Muslims": (0.0, 1, 1, ""),
    }


def test_xstest_counts_any_category_and_no_auxiliary_output() -> None:
    rows = Rows(["a"] * 4, floats(0, 0, 1, 1), groups={"type": ["x", "x", "contrast_x", "contrast_x"]})
    said = scores(spam=[0.9, 0, 0.9, 0], hate=[0, 0, 0.9, 0.6], sexism=[0, 0.9, 0, 0])
    found = by_name(measure(Suite.XSTEST, rows, said, 0))
    assert found["safe prompts flagged"].value == 0.5
    assert found["unsafe prompts flagged"].value == 1
    assert found["type x flagged"].n == 2


def test_toxicchat_by_hand() -> None:
    rows = Rows(["a"] * 4, floats(1, 1, 0, 0))
    said = scores(violation=[0.2, 0.9, 0.3, 0.1], spam=[0.6, 0, 0.5, 0.1])
    found = {name: figure.value for name, figure in by_name(measure(Suite.TOXICCHAT, rows, said, 0)).items()}
    assert found == {
        "toxicity precision": 0.5,
        "toxicity recall": 0.5,
        "toxicity F1": 0.5,
        "toxicity AUPRC": pytest.approx((1 + 2 / 3) / 2, abs=1e-4),
    }


def test_edos_takes_the_output_that_asks_about_sexism() -> None:
    rows = Rows(["a"] * 4, floats(1, 1, 0, 0))
    hate = measure(Suite.EDOS, rows, scores(hate=[0.9, 0.1, 0.1, 0.1]), 0)[0]
    assert (hate.name, hate.value) == ("Task A macro-F1 (output hate)", pytest.approx((2 / 3 + 4 / 5) / 2, abs=1e-4))
    sexism = measure(Suite.EDOS, rows, scores(hate=[0] * 4, sexism=[0.9, 0.9, 0, 0]), 0)[0]
    assert (sexism.name, sexism.value) == ("Task A macro-F1 (output sexism)", 1)


def test_sms_and_hatemoji_by_hand() -> None:
    rows = Rows(["a"] * 4, floats(1, 1, 0, 0))
    sms = by_name(measure(Suite.SMS_SPAM, rows, scores(spam=[0.9, 0, 0, 0], scam_fraud=[0, 0.9, 0.9, 0]), 0))
    assert [figure.value for figure in sms.values()] == [pytest.approx(2 / 3, abs=1e-4), 1, 0.8]
    found = by_name(measure(Suite.HATEMOJI, rows, scores(hate=[0.9, 0.9, 0.9, 0]), 0))
    assert found["accuracy"].value == 0.75
    assert found["F1 of the hateful class"].value == 0.8
    assert found["macro-F1"].value == found["weighted F1"].value == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-4)


def test_jigsaw_means_its_four_columns_alone() -> None:
    names = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    answers = {name: floats(1, 0, 1, 0) for name in names}
    said = scores(
        violation=[0.9, 0.1, 0.9, 0.1], violence_threat=[0.1, 0.9, 0.1, 0.9], harassment=[0.5] * 4, hate=[1, 0] * 2
    )
    found = by_name(measure(Suite.JIGSAW, Rows(["a"] * 4, floats(1, 0, 1, 0), answers), said, 0))
    assert found["mean of these four columns"].value == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert found["mean of these four columns"].positives == 2
    answers["threat"] = floats(0, 0, 0, 0)
    found = by_name(measure(Suite.JIGSAW, Rows(["a"] * 4, floats(1, 0, 1, 0), answers), said, 0))
    assert found["mean of these four columns"].value is found["threat ROC-AUC (violence_threat)"].value is None
    assert columns_mean(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)) == 0.5


def test_any_csv_is_measured_on_violation_or_a_category() -> None:
    rows, said = Rows(["a"] * 3, floats(1, 0, 0)), scores(violation=[0.4, 0.3, 0.2], spam=[0, 0.9, 0], hate=[0.9, 0, 0])
    whole = by_name(measure(Suite.CSV, rows, said, 0))
    assert (whole["violation ROC-AUC"].value, whole["violation precision"].value) == (1, 0.5)
    spam = by_name(measure(Suite.CSV, rows, said, 0, "spam"))
    assert (spam["spam ROC-AUC"].value, spam["spam recall"].value) == (0.25, 0)


def test_a_bundle_without_the_output_says_so() -> None:
    with pytest.raises(MissingData, match="no output hate"):
        measure(Suite.HATEMOJI, Rows(["a"], floats(1)), scores(spam=[0.5]), 0)


# The whole


def test_every_text_has_a_score(loaded: Bundle) -> None:
    found = score(loaded, ["Replica watches, message me", "", "\u200b", "Does anybody know a good plumber?"])
    assert {len(values) for values in found.values.values()} == {4}
    assert set(found.categories) <= set(loaded.taxonomy.learned)
    assert found.flagged().shape == (4,)


def test_it_abstains_where_the_scorer_does(loaded: Bundle, make_report: Callable[..., Report], now: datetime) -> None:
    texts = [
        *(line.text for line in loaded.manifest.golden),
        *("", "\u200b", "qzx wvk jjq xxz", "zzkq qqxv"),
        "Der Zug kommt heute leider wieder zwanzig Minuten zu spät an.",
    ]
    any_distance = loaded.manifest.model_copy(update={"max_distance": float("inf")})
    reasons = []
    for bundle in (loaded, replace(loaded, manifest=any_distance)):
        said = [Scorer(bundle).score(make_report(text), received_at=now) for text in texts]
        assert score(bundle, texts).abstained.tolist() == [one.abstained for one in said]
        reasons.append({reason for one in said if one.abstained for reason in one.warnings})
    assert reasons[0] >= {"no_text", "language_unsupported", "out_of_distribution"}
    assert "out_of_distribution" not in reasons[1] >= {"no_text", "language_unsupported"}


@pytest.fixture
def benchmark(mlflow_home: Path, fast_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the command with the fast bundle as champion; return what it prints."""
    monkeypatch.setenv("FRONTLINE_HOME", str(mlflow_home))
    monkeypatch.setenv("FRONTLINE_BUNDLE", str(fast_bundle))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str | Path, status: int = 0) -> str:
        result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    return run


def test_the_command_prints_writes_and_logs_figures_and_no_text(
    benchmark: Callable[..., str], write: Write, tmp_path: Path, mlflow_home: Path, loaded: Bundle
) -> None:
    lines = [f"f_{i % 3},{ODD} sentence {i},{'hateful' if i % 2 else 'non-hateful'},women" for i in range(12)]
    file = write("functionality,test_case,label_gold,target_ident", *lines)
    said = benchmark("hatecheck", tmp_path / "suite.csv", "--out", tmp_path / "out.json")
    assert "hatecheck: 12 texts, 6 positive" in said and "functionality f_2" in said and "would abstain on" in said
    assert "scoring" not in said  # progress is no part of the table
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert (found["suite"], found["sha256"], found["bundle"]) == ("hatecheck", file.sha256, loaded.digest)
    logged = mlflow.search_runs(output_format="list")[0]
    assert logged.data.params == {"suite": "hatecheck", "file": file.sha256, "bundle": loaded.digest, "seed": "7"}
    by = {figure["name"]: figure for figure in found["figures"]}
    assert logged.data.metrics["accuracy.value"] == by["accuracy"]["value"]
    assert logged.data.metrics["target_women.n"] == 12
    assert logged.info.status == "FINISHED"
    kept = [path for path in mlflow_home.rglob("*") if path.is_file()] + [tmp_path / "out.json"]
    assert not [path for path in kept if ODD.encode() in path.read_bytes()]
    assert ODD not in said


def test_a_csv_with_a_category(benchmark: Callable[..., str], write: Write, tmp_path: Path, fast_bundle: Path) -> None:
    write("text,label", "Replica watches with papers,intellectual_property", "A walk by the sea,")
    options = ["--text", "text", "--label", "label", "--category", "intellectual_property", "--bundle", fast_bundle]
    assert "intellectual_property AUPRC" in benchmark("csv", tmp_path / "suite.csv", *options)
    options[5] = "sexual_minors"
    assert "does not judge sexual_minors" in benchmark("csv", tmp_path / "suite.csv", *options, status=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["csv", "a.csv", "--text", "text"], "--text and --label"),
        (["edos", "a.csv", "--category", "hate"], "for csv alone"),
        (["edos", "a.csv", "--refit"], "for sms-spam alone"),
        (["sms-spam", "a.csv", "--refit", "--bundle", "b"], "takes no --bundle"),
        (["edos", "a.csv", "--out", "/absent/out.json"], "lies in none"),
    ],
)
def test_options_that_do_not_fit(benchmark: Callable[..., str], arguments: list[str], said: str) -> None:
    assert said in benchmark(*arguments, status=2)


def test_a_malformed_file_is_one_line_and_no_run(
    benchmark: Callable[..., str], write: Write, tmp_path: Path, mlflow_home: Path
) -> None:
    write("user_input,toxicity", f"{ODD},maybe")
    said = benchmark("toxicchat", tmp_path / "suite.csv", status=1)
    assert said.strip().splitlines() == [
        "missing_data: suite.csv line 2: expected toxicity to be one of 0, 1, 0.0, 1.0"
    ]
    assert mlflow.search_runs(output_format="list") == []


SPAM = ["ham\tHome by noon today", "ham\tHome by noon  today!", "spam\tWin a made-up prize now", "ham\t\u200b"]


def test_sms_counts_near_duplicates_once_and_warns(
    mlflow_home: Path, write: Write, tmp_path: Path, loaded: Bundle
) -> None:
    write(*SPAM)
    found = run(Ask(Suite.SMS_SPAM, tmp_path / "suite.csv", loaded))
    assert (found.n, found.positives) == (2, 1)
    assert found.notes[0].startswith("WARNING") and "4 messages, 2 after" in found.notes[-1]
    assert show(found).row_count == 3


def test_refit_measures_no_bundle(
    benchmark: Callable[..., str], write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def pretended(*arguments: Any) -> list[Figure]:
        given.extend(arguments)
        return [Figure("spam F1", 2, 1, 0.5, [0.4, 0.6])]

    monkeypatch.setattr(refitting, "refit", pretended)
    write(*SPAM)
    said = benchmark("sms-spam", tmp_path / "suite.csv", "--refit", "--epochs", "2", "--seed", "3")
    assert given[0] == ["Home by noon today", "Win a made-up prize now"] and given[2:] == [3, 2]
    assert "refitted" in said and "0.400 to 0.600" in said
    assert "WARNING" not in said and "abstain" not in said
    assert mlflow.search_runs(output_format="list")[0].data.params["bundle"] == "refit, 2 epochs"


def test_what_a_refit_fits_on() -> None:
    truth = floats(1, 0, 1, 0, 1)
    corpus = fitting_corpus(["a"] * 5, truth, np.array([0, 1]), np.array([2]))
    assert corpus.splits.tolist() == ["train", "train", "calibrate", "test", "test"]
    assert corpus.targets.tolist() == [[1], [0], [1], [0], [1]]
    assert best_cut(floats(9, 3, 2, -5), floats(1, 1, 0, 0)) == 3
    with pytest.raises(MissingData, match="3 texts of the rarer class; a refit in 5 folds needs at least 10"):
        refit(["a"] * 20, floats(*[1] * 3, *[0] * 17), 0, 1)


@pytest.mark.slow
def test_a_refit_tells_made_up_spam_from_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitting, "FOLDS", 2)
    nouns = ("kettle", "ladder", "mirror", "needle", "orange", "pillow", "quilt", "rocket", "saddle", "teapot")
    spam = [f"Claim your free {noun} prize number {i}, call now" for i in range(3) for noun in nouns]
    rest = [f"I left the {noun} on shelf {i} for you" for i in range(3) for noun in nouns]
    truth = np.repeat([1, 0], 30).astype(np.float32)
    found = by_name(refit([*spam, *rest], truth, 7, 2))
    assert list(found) == ["spam F1", "spam precision", "spam recall", "spam F1 fold 1", "spam F1 fold 2"]
    assert (found["spam F1"].n, found["spam F1 fold 1"].n) == (60, 30)
    # The cut is the lowest of two or three calibration texts, so that some spam falls below it, and nothing else above.
    assert found["spam F1"].value is not None and found["spam F1"].value > 0.7
    assert found["spam precision"].value is not None and found["spam precision"].value > 0.9


def test_every_suite_has_its_note() -> None:
    assert set(running.NOTES) == set(Suite)
