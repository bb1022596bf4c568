"""The dashboard and the alert rules ask for nothing that the service does not show."""

import json
import re
from pathlib import Path

import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

MONITORING = Path(__file__).parents[2] / "serving" / "monitoring"


def expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    alerts = yaml.safe_load((MONITORING / "alerts.yaml").read_text("utf-8"))
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert all({"summary", "action"} <= rule["annotations"].keys() for rule in rules)
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in rules)]


def test_every_metric_asked_for_exists(intake: TestClient) -> None:
    intake.post("/v1/score", json={"report_id": "r-1", "content": {"text": "We will ambush you"}, "reason": "odd"})
    intake.post("/v1/score", json={"report_id": 1})
    families = list(text_string_to_metric_families(intake.get("/metrics").text))
    labels = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    for expression in expressions():
        for name, matchers in re.findall(r"\b(frontline_\w+)(?:\{([^}]*)\})?", expression):
            assert name in labels, expression
            assert set(re.findall(r"(\w+)=~?\"", matchers)) <= labels[name], expression
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([\w, ]+)\)", expression))))
        assert grouped <= {label for name in re.findall(r"frontline_\w+", expression) for label in labels[name]}


def test_scores_stages_and_the_bundle_are_shown(intake: TestClient) -> None:
    def value(name: str, **labels: str) -> float:
        families = text_string_to_metric_families(intake.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    counted = [
        ("frontline_scores_total", {"severity": "high"}),
        ("frontline_flags_total", {"category": "violence_threat"}),
        ("frontline_warnings_total", {"warning": "unknown_reason"}),
        ("frontline_cache_events_total", {"event": "miss"}),
        *[
            ("frontline_stage_duration_seconds_count", {"stage": s})
            for s in ("parse", "prepare", "tokenise", "run", "fuse")
        ],
    ]
    before = [value(name, **labels) for name, labels in counted]
    intake.post("/v1/score", json={"report_id": "r-1", "content": {"text": "We will ambush you"}, "reason": "odd"})
    assert [value(name, **labels) for name, labels in counted] == [number + 1 for number in before]
    assert value("frontline_bundle_info", version="1") == 1
    assert value("frontline_reports_waiting") == 0
