"""The mapping onto Perspective's scale: fitted to a log of made-up comments, written, served, and refused elsewhere."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from models import Scorer, load_bundle
from serving.accounts.auth import create_token
from serving.api.application import create_app
from serving.cli import app
from serving.perspective import scores
from serving.perspective.attributes import ATTRIBUTES
from serving.runtime import Runtime
from serving.settings import SHIPPED_BUNDLE, Settings
from training import perspective_cli
from training.perspective import correlation, fit, link, read_comments
from training.perspective_log import Logged, changes, latest, read_log

WORDS = ("useless", "silly", "lovely", "garden")
HARM = {"useless": 0.5, "silly": 0.25, "lovely": -0.1, "garden": 0.0}
ANALYZE = "/v1alpha1/comments:analyze"


def made_up(count: int) -> list[tuple[str, float]]:
    """Comments of a few words, and what a foreseeable scorer would say of them."""
    rng = np.random.default_rng(3)
    found = []
    for i in range(count):
        words = rng.choice(WORDS, size=4)
        noise = rng.normal(0, 0.02)
        value = float(np.clip(0.2 + sum(HARM[word] for word in words) / 4 + noise, 0, 1))
        found.append((f"it is a {' '.join(words)} thing {i}", round(value, 3)))
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A site's log as CSV."""
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "TOXICITY", "SPAM", "FUN"])
        writer.writerows([text, value, 0, 0.5] for text, value in made_up(160))
        writer.writerow(["", 0.3, "", ""])
        writer.writerow(["a comment without a score", "", "", ""])
    return path


@pytest.fixture
def mapped(log: Path, keyword_bundle: Path, tmp_path: Path) -> Path:
    """The mapping that the command writes for that log."""
    path = tmp_path / "mapping.json"
    command = ["compare-perspective", str(log), "--bundle", str(keyword_bundle), "--out", str(path), "--cut-off", "0.5"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "160 rows were used, 0 were not drawn, 2 had no text or no score" in said
    assert "SPAM: not fitted" in said
    assert "useless" not in result.output
    return path


def test_a_log_becomes_a_mapping_that_the_facade_uses(mapped: Path, keyword_bundle: Path, tmp_path: Path) -> None:
    file = scores.read(mapped)
    head = file.attributes["TOXICITY"]
    assert file.bundle == load_bundle(keyword_bundle).digest
    assert (head.rows, set(file.attributes)) == (160, {"TOXICITY"})
    assert head.spearman.value is not None
    assert head.error.value is not None
    assert head.spearman.value > 0.8
    assert head.error.value < 0.1
    runtime = Runtime(Settings(home=tmp_path / "home", bundle=keyword_bundle, perspective_mapping=mapped))
    runtime.start()
    token = create_token(runtime.store, "bot", "intake")
    client = TestClient(create_app(runtime), headers={"x-goog-api-key": token})

    def toxicity(text: str) -> Any:
        sent = {"comment": {"text": text}, "languages": ["en"], "requestedAttributes": {"TOXICITY@6": {}}}
        response = client.post(ANALYZE, json=sent)
        assert response.headers["X-Frontline-Scale"] == "perspective"
        return response.json()["attributeScores"]["TOXICITY@6"]["summaryScore"]["value"]

    mild, bad = toxicity("it is a lovely garden thing"), toxicity("it is a useless useless silly thing")
    assert mild < 0.3 < 0.4 < bad
    both = {"comment": {"text": "a lovely garden"}, "requestedAttributes": {"TOXICITY": {}, "SPAM": {}}}
    assert client.post(ANALYZE, json=both).headers["X-Frontline-Scale"] == "probability"
    runtime.stop()


def test_what_changes_sides_is_counted() -> None:
    theirs, ours = np.array([0.1, 0.6, 0.7, 0.9]), np.array([0.2, 0.1, 0.4, 0.45])
    (found,) = changes({"SPAM": theirs}, {"SPAM": ours}, [0.5])
    assert (found.rows, found.flagged, found.ours, found.gained, found.lost) == (4, 3, 0, 0, 3)
    assert (found.equal, found.swapped) == (0.2, 2)
    (none,) = changes({"SPAM": theirs}, {"SPAM": ours}, [0.95])
    assert (none.flagged, none.swapped) == (0, 0)
    assert none.equal > 0.45


def test_the_map_keeps_shares_and_order() -> None:
    rng = np.random.default_rng(5)
    said, theirs = rng.normal(size=4000), np.round(rng.beta(1, 5, size=4000), 2)
    raw, score = link(said, theirs)
    mapped = np.interp(said, raw, score)
    assert correlation(said, mapped) > 0.9999
    for cut_off in (0.1, 0.3, 0.5):
        assert (mapped >= cut_off).mean() == pytest.approx((theirs >= cut_off).mean(), abs=0.02)


def test_a_second_fit_starts_from_the_first(keyword_bundle: Path) -> None:
    rows = made_up(300)
    comments = read_comments(Scorer(load_bundle(keyword_bundle)), [text for text, _ in rows])
    values = comments.mean(np.array([value for _, value in rows]))
    first = fit(comments, {"SPAM": values}, {})["SPAM"].head
    few = np.where(np.arange(len(values)) < 120, values**2, np.nan)  # another scale, the same order
    second = fit(comments, {"SPAM": few}, {"SPAM": first})["SPAM"]
    assert second.head.rows == len(second.held_out) == 120
    assert correlation(few[:120], second.held_out) > 0.9
    assert fit(comments, {"SPAM": np.where(np.arange(len(values)) < 50, values, np.nan)}, {}) == {}


def test_copies_of_a_comment_count_once(keyword_bundle: Path) -> None:
    """A text that is in training and test at once would be remembered, and noise would seem to be understood."""
    rng = np.random.default_rng(4)
    texts = [f"it is a thing {i}" for i in range(120)] * 5
    comments = read_comments(Scorer(load_bundle(keyword_bundle)), [*texts, " "])
    noise = np.append(np.tile(rng.random(120), 5), np.nan)
    assert (comments.of[-1], len(comments.signals)) == (-1, 120)
    found = fit(comments, {"SPAM": comments.mean(noise)}, {})["SPAM"].head
    assert found.rows == 120
    assert found.spearman.value is not None and found.spearman.value < 0.3
    twice = comments.mean(np.where(np.arange(601) < 120, 0.2, np.where(np.arange(601) < 240, 0.4, np.nan)))
    assert twice == pytest.approx(0.3)


def test_of_a_long_log_some_rows_are_drawn() -> None:
    log = Logged([str(i) for i in range(50)], {"SPAM": np.arange(50.0)}, 3)
    drawn = log.drawn(20)
    assert (len(set(drawn.texts)), drawn.refused, drawn.left_out) == (20, 3, 30)
    assert [float(text) for text in drawn.texts] == drawn.scores["SPAM"].tolist()
    assert log.drawn(60).texts == log.texts


def test_a_log_in_which_nothing_varies_is_refused(keyword_bundle: Path, tmp_path: Path) -> None:
    same = tmp_path / "same.csv"
    same.write_text("text,SPAM\n" + "".join(f"it is a thing {i},0\n" for i in range(120)))
    command = ["compare-perspective", str(same), "--bundle", str(keyword_bundle), "--out", str(tmp_path / "m.json")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1 and "SPAM: not fitted" in " ".join(result.output.split())
    assert not (tmp_path / "m.json").exists()


def test_figures_are_the_sites_own_alone(
    log: Path, keyword_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: Path
) -> None:
    shipped = json.loads(mapped.read_text())
    shipped["attributes"]["INSULT"] = shipped["attributes"]["TOXICITY"]
    (tmp_path / "shipped.json").write_text(json.dumps(shipped))
    monkeypatch.setattr(perspective_cli, "SHIPPED_MAPPING", tmp_path / "shipped.json")
    out = tmp_path / "both.json"
    result = CliRunner().invoke(
        app, ["compare-perspective", str(log), "--bundle", str(keyword_bundle), "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("INSULT") == 1
    file = scores.read(out)
    assert set(file.attributes) == {"TOXICITY", "INSULT"} and file.source.endswith("as shipped: INSULT")


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a", "INSULT": "0.25"},
        {"comment": {"text": "a"}, "attributeScores": {"INSULT": {"summaryScore": {"value": 0.25}}}},
        {
            "request": {"comment": {"text": "a"}},
            "response": {"attributeScores": {"INSULT@2": {"summaryScore": {"value": 0.25}}}},
        },
    ],
)
def test_logs_come_in_several_shapes(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([json.dumps(row)] * 100 + ["[]", "{", '{"text": "b", "INSULT": 7}']))
    found = read_log(path)
    assert (len(found.texts), set(found.scores), found.refused) == (100, {"INSULT"}, 3)
    assert set(found.scores["INSULT"]) == {0.25}


def test_the_latest_version_counts() -> None:
    assert latest({"TOXICITY@6": 0.2, "TOXICITY@5": 0.1, "FUN": 1}) == {"TOXICITY": 0.2}


def test_a_log_with_too_few_scores_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"text": "a", "INSULT": 0.5}\n')
    result = CliRunner().invoke(app, ["compare-perspective", str(path)])
    assert result.exit_code == 1
    assert "no attribute with 100 scores" in " ".join(result.output.split())


def test_a_mapping_that_does_not_fit_leaves_probabilities(
    mapped: Path, keyword_bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    short = json.loads(mapped.read_text())
    short["attributes"]["TOXICITY"]["signal"] = [0.0]
    wrong = tmp_path / "short.json"
    wrong.write_text(json.dumps(short))
    bundle = load_bundle(keyword_bundle)
    for path, other in (
        (broken, bundle),
        (tmp_path / "absent.json", bundle),
        (wrong, bundle),
        (mapped, load_bundle(make_bundle("2", slope=2.0))),
    ):
        assert not scores.Scales(path).of(other).is_mapped(["TOXICITY"])
    assert scores.Scales(mapped).of(bundle).is_mapped(["TOXICITY"])


def test_neither_of_two_bundles_evicts_the_other(
    keyword_bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """While one takes over from the other, there are requests of both."""
    old, new = load_bundle(keyword_bundle), load_bundle(make_bundle("2", slope=2.0))
    scales = scores.Scales(tmp_path / "absent.json")
    first, second = scales.of(old), scales.of(new)
    assert first is not second
    assert [scales.of(each) for each in (old, new, old)] == [first, second, first]


def test_the_shipped_mapping_is_for_the_shipped_bundle() -> None:
    file = scores.read(scores.SHIPPED_MAPPING)
    bundle = load_bundle(SHIPPED_BUNDLE)
    assert file.bundle == bundle.digest, "run `frontline fit-perspective`"
    assert set(file.attributes) == set(ATTRIBUTES)
    scale, scorer = scores.Scales(None).of(bundle), Scorer(bundle)
    mild, bad = (
        scorer.look(text).text for text in ("What a lovely garden you have.", "You are a useless stupid idiot.")
    )
    assert scale.scores(scorer.read(mild), mild, ["INSULT"])["INSULT"] < 0.3
    assert scale.scores(scorer.read(bad), bad, ["INSULT"])["INSULT"] > 0.7
