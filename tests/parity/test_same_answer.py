"""Of the shipped bundle: what a report scores depends on it and the bundle alone, wherever it is asked."""

import json
import random
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.service import Service
from models import Scorer, load_bundle
from models.report import parse_report
from serving.settings import SHIPPED_BUNDLE

ROOT = Path(__file__).parents[2]
REPORTS, BATCH = 2000, 100
REASONS = (None, "harassment", "spam", "csam", "odd")
Answers = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    """Reports with texts of all lengths, some more than once, and with metadata that differs."""
    chance = random.Random(7)
    lines = (ROOT / "datasets" / "authored" / "corpus.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in chance.sample(lines, REPORTS * 3 // 4)]
    texts += chance.choices(texts, k=REPORTS - len(texts))
    return [
        {
            "report_id": f"r-{i}",
            "received_at": "2026-11-22T09:00:00Z",
            "reason": chance.choice(REASONS),
            "content": {"text": text},
            "subject": {"prior_violations": chance.choice((None, 0, 3))},
        }
        for i, text in enumerate(texts)
    ]


def scored(scorer: Scorer) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def score(item: dict[str, Any]) -> dict[str, Any]:
        report, warnings = parse_report(item)
        assert report.received_at is not None
        return scorer.score(report, received_at=report.received_at, warnings=warnings).model_dump(mode="json")

    return score


@pytest.fixture(scope="module")
def alone(reports: list[dict[str, Any]]) -> Answers:
    """Each report scored alone, one after another, by a scorer that remembers nothing."""
    score = scored(Scorer(load_bundle(SHIPPED_BUNDLE)))
    return {item["report_id"]: score(item) for item in reports}


def test_at_once_and_remembered(reports: list[dict[str, Any]], alone: Answers) -> None:
    """Another scorer, as after a restart, on eight threads, in another order, with a cache that is too small."""
    shuffled = random.Random(8).sample(reports, len(reports))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(scored(Scorer(load_bundle(SHIPPED_BUNDLE), remembered=500)), shuffled))
    assert {score["report_id"]: score for score in found} == alone


def answers(service: Service, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a running service answers to a batch."""
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
    body = json.dumps({"reports": batch}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{service.port}/v1/score/batch", body, headers)
    with urllib.request.urlopen(request, timeout=300) as response:
        results: list[dict[str, Any]] = json.load(response)["results"]
        return results


@pytest.mark.parametrize("workers", [1, 2])
def test_in_batches_over_http(reports: list[dict[str, Any]], alone: Answers, workers: int) -> None:
    batches = [reports[i : i + BATCH] for i in range(0, REPORTS, BATCH)]
    with closing(Service(workers=workers, max_wait_seconds=600)) as service, ThreadPoolExecutor(4) as pool:
        found = [result for results in pool.map(partial(answers, service), batches) for result in results]
    assert {score["report_id"]: score for score in found} == alone
