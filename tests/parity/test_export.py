"""A tiny but real fine-tune: an interrupted run ends where an uninterrupted one does, and int8 stays close to torch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.errors import MissingData
from models.runtime import Encoder as Served
from models.taxonomy import Taxonomy
from training import encoder as module
from training.batches import Schedule, pad
from training.corpus import AUTHORED, AUXILIARY, Corpus, Example, outputs_of, targets
from training.encoder import VIOLATION_WEIGHT, Encoder, Trainer, base_folder, masked_loss
from training.export import MIN_COSINE, check_parity, export_encoder
from training.labels import complete_labels

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).parents[2] / "datasets" / "authored" / "corpus.jsonl"
SCHEDULE = Schedule(epochs=1, per_source=40, own_repeats=1, batch=8)
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def corpus(taxonomy: Taxonomy) -> Corpus:
    """40 short rows of our own: 24 to train on, 8 to calibrate, 8 to test."""
    rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    rows = [row for row in rows if row["text"].isascii() and 20 < len(row["text"]) < 90][:40]
    outputs = [*outputs_of(taxonomy.learned), AUXILIARY]
    labels = [complete_labels(row["categories"], row["severity"]) for row in rows]
    return Corpus(
        [Example(AUTHORED, row["id"], row["text"], label) for row, label in zip(rows, labels, strict=True)],
        [row["text"] for row in rows],
        outputs,
        np.array([targets(label, outputs) for label in labels], dtype=np.float32),
        np.arange(40),
        np.array(["train"] * 24 + ["calibrate"] * 8 + ["test"] * 8),
    )


def train(corpus: Corpus, folder: Path) -> Encoder:
    folder.mkdir(exist_ok=True)
    return Trainer(corpus, base_folder(None), SCHEDULE, 7, folder).run()


@pytest.fixture(scope="module")
def trained(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """Trained without interruption."""
    return train(corpus, tmp_path_factory.mktemp("whole"))


def test_weights_that_do_not_fit_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    file = tmp_path / "encoder.safetensors"
    for content in ("bad", {"heads.weight": torch.zeros(1, 2)}, Encoder(base_folder(None), 1).state_dict()):
        file.write_bytes(content.encode()) if isinstance(content, str) else save_file(content, file)
        with pytest.raises(MissingData, match=rf"with {len(corpus.outputs)} outputs: take encoder.safetensors"):
            Trainer(corpus, base_folder(None), SCHEDULE, 7, tmp_path, file)


def test_weights_that_fit_are_started_from(corpus: Corpus, trained: Encoder, tmp_path: Path) -> None:
    save_file(trained.state_dict(), tmp_path / "encoder.safetensors")
    started = Trainer(corpus, base_folder(None), SCHEDULE, 7, tmp_path, tmp_path / "encoder.safetensors").model
    assert all(torch.equal(value, started.state_dict()[name]) for name, value in trained.state_dict().items())


def test_training_moves_all_but_the_word_table(trained: Encoder) -> None:
    fresh = Encoder(base_folder(None), trained.heads.out_features).state_dict()
    moved = {name for name, value in trained.state_dict().items() if not torch.equal(value, fresh[name])}
    assert not [name for name in moved if name.startswith("backbone.embeddings")]
    assert any("layer.0.attention" in name for name in moved)
    assert "heads.weight" in moved


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    corpus: Corpus, trained: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 1)
    step, taken = Trainer._step, []

    def tripping(self: Trainer, batch: list[int]) -> float:
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(batch)
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", tripping)
        with pytest.raises(KeyboardInterrupt):
            train(corpus, tmp_path)
    assert (tmp_path / "checkpoint.pt").is_file()
    resumed: list[list[int]] = []

    def counted(self: Trainer, batch: list[int]) -> float:
        resumed.append(batch)
        return step(self, batch)

    monkeypatch.setattr(Trainer, "_step", counted)
    again = train(corpus, tmp_path).state_dict()
    assert (len(taken), len(resumed)) == (2, 1)  # nothing is done twice
    assert all(torch.equal(value, again[name]) for name, value in trained.state_dict().items())


def test_int8_stays_close_to_torch(corpus: Corpus, trained: Encoder, tmp_path: Path) -> None:
    texts = [corpus.texts[i] for i in corpus.where("test")]
    cosine = export_encoder(trained, tmp_path, base_folder(None), texts)
    assert MIN_COSINE <= cosine <= 1.0001
    assert sorted(file.name for file in tmp_path.iterdir()) == ["encoder.onnx", "tokenizer.json"]
    size = (tmp_path / "encoder.onnx").stat().st_size
    parameters = sum(p.numel() for p in trained.parameters())
    assert size < 1.3 * parameters  # about a byte each, and not four
    served = Served(tmp_path / "encoder.onnx", tmp_path / "tokenizer.json")
    alone = [served.embed(text)[0] for text in texts]
    assert all(np.array_equal(served.embed(text)[0], found) for text, found in zip(texts, alone, strict=True))
    windows, cut = served.embed("a quiet walk by the sea " * 60)
    assert windows.shape == (4, trained.backbone.config.hidden_size)
    assert not cut

    other = Encoder(base_folder(None), 1)
    torch.nn.init.normal_(other.backbone.encoder.layer[0].output.dense.weight)
    with pytest.raises(RuntimeError, match="differ from torch's"):
        check_parity(other.eval(), served, base_folder(None), texts)


def test_padding_changes_no_embedding(trained: Encoder) -> None:
    short, long = [101, 7592, 102], [101, *[2023] * 20, 102]
    with torch.inference_mode():
        alone = trained.embed(*pad([short]))[0]
        beside = trained.embed(*pad([short, long]))[0]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-4)


def test_the_loss_adds_up_known_targets() -> None:
    nan, half = float("nan"), float(np.log(2))  # an undecided output costs log 2

    def loss(rows: list[list[float]], at: Any) -> float:
        return float(masked_loss(torch.tensor(at), torch.tensor(rows, dtype=torch.float32)))

    assert loss([[nan] * 3], [[0.0] * 3]) == 0
    assert loss([[nan, 1, 0]], [[0.0] * 3]) == pytest.approx(2 * half)
    assert loss([[1, nan, nan]], [[0.0] * 3]) == pytest.approx(VIOLATION_WEIGHT * half)
    assert loss([[nan, 1, nan], [nan] * 3], [[0.0] * 3] * 2) == pytest.approx(half / 2)
    assert loss([[1, 0, 1]], [[9.0, -9.0, 9.0]]) == pytest.approx(0, abs=1e-3)
