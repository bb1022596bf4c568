"""The peers of the speed benchmark: same answers, same rounds, and a reason for each that is not measured."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from benchmarks.peers import environments
from benchmarks.peers import running as module
from benchmarks.peers.__main__ import choose, install, interleave, show
from benchmarks.peers.catalog import PEERS
from benchmarks.peers.environments import NotMeasured, environment
from benchmarks.peers.onnx_model import OnnxModel
from benchmarks.peers.running import Peer, Process
from benchmarks.rounds import RAW, Figures, summarise
from models.bundle import Bundle
from models.scorer import Scorer
from serving.settings import SHIPPED_BUNDLE

PIP = (
    "WARNING: Location is ignored\nERROR: No matching distribution found for litserve==0.2.19\n[notice] a new release\n"
)


class Stub(Peer):
    """Fails the second time."""

    calls = 0

    def measure(self, given: dict[str, str], texts: list[str]) -> dict[str, Figures]:
        type(self).calls += 1
        if Stub.calls == 2:
            raise NotMeasured("it ended")
        return {"1 a call": {"texts_per_second": float(self.calls)}}


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, status: int) -> list[Any]:
    """Let no command run; return those that were to."""
    commands: list[Any] = []

    def pretended(command: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        (folder / "made" / "x").mkdir(parents=True, exist_ok=True)
        failed = status if "pip" in command else 0
        return subprocess.CompletedProcess(command, failed, "", PIP)

    (folder / "x.txt").write_text("litserve==0.2.19\n", "utf-8")
    monkeypatch.setattr(environments, "REQUIREMENTS", folder)
    monkeypatch.setattr(environments, "FOLDER", folder / "made")
    monkeypatch.setattr(environments.subprocess, "run", pretended)
    return commands


def test_an_environment_is_made_once_and_again_when_its_requirements_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = run(monkeypatch, tmp_path, 0)
    assert [environment("x"), environment("x")] == [tmp_path / "made" / "x"] * 2
    assert len(commands) == 2
    (tmp_path / "x.txt").write_text("litserve==0.2.20\n", "utf-8")
    environment("x")
    assert len(commands) == 4


def test_a_peer_that_cannot_be_installed_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, tmp_path, 1)
    reasons = install([Stub("stub", "Stub", "x", "stub")])
    said = "cannot be installed: ERROR: No matching distribution found for litserve==0.2.19"
    assert reasons == {"stub": said}
    found = interleave({RAW: lambda: {"texts_per_second": 2.0}}, [], reasons, {}, [], 1)
    show({"measures": {RAW: summarise(found[RAW], found[RAW])}, "not_measured": reasons})
    assert f"stub was not measured: {said}" in " ".join(capsys.readouterr().out.split())


def test_a_peer_that_fails_in_a_round_has_no_figures_and_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stub, "calls", 0)
    speeds = iter(range(100))
    reasons: dict[str, str] = {}
    ours = {RAW: lambda: {"texts_per_second": float(next(speeds))}}
    found = interleave(ours, [Stub("stub", "Stub", "x", "stub")], reasons, {}, [], 3)
    assert found == {RAW: [{"texts_per_second": value} for value in (1.0, 3.0, 5.0)]}  # every other one warms up
    assert reasons == {"stub": "it ended"} and Stub.calls == 2


def test_a_peer_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "environment", lambda _name: Path(sys.prefix))
    with pytest.raises(NotMeasured, match=r"No module named benchmarks\.peers\.absent"):
        Process("absent", "Absent", "x", "absent", (1,)).measure({}, ["a"])


def test_peers_by_name() -> None:
    assert choose([]) == list(PEERS)
    assert [peer.name for peer in choose(["mlflow"])] == ["mlflow"]
    with pytest.raises(typer.BadParameter, match="no peer is called bento"):
        choose(["bento"])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_its_module_and_pinned_requirements(peer: Peer) -> None:
    assert (environments.REQUIREMENTS / f"{peer.module}.py").is_file()
    lines = (environments.REQUIREMENTS / f"{peer.environment}.txt").read_text("utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+(  # .+)?", line) for line in lines[1:])


def test_the_peers_on_onnxruntime_read_a_text_as_frontline_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_BUNDLE", str(SHIPPED_BUNDLE))
    monkeypatch.setenv("PEER_THREADS", "1")
    text = "Win a made-up prize now, call me"
    logits = Scorer(Bundle.read(SHIPPED_BUNDLE)).signal(text).logits
    assert OnnxModel()(text) == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-3)
