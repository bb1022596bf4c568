"""The ONNX runtime: prepared text in, embeddings of its windows and the heads' raw outputs out."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from models.ngrams import hashed_ngrams
from models.observer import Stopwatch

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
WINDOW = 128  # tokens of one run, the two special ones included
OVERLAP = 16  # tokens that neighbouring windows share
MAX_WINDOWS = 8  # a longer text is cut, with a warning


def open_session(path: Path) -> ort.InferenceSession:
    """A single-threaded CPU session; parallelism comes from worker processes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # With texts of every length the arena and the memory plan would keep the worst shape ever seen.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def windows(length: int) -> tuple[list[tuple[int, int]], bool]:
    """Split `length` tokens into overlapping [start, end) windows; also say whether the text was cut."""
    size, step = WINDOW - 2, WINDOW - 2 - OVERLAP
    starts = [start for start in range(0, max(length, 1), step) if start == 0 or start + OVERLAP < length]
    return [(start, min(start + size, length)) for start in starts[:MAX_WINDOWS]], len(starts) > MAX_WINDOWS


class TextModel(Protocol):
    """What turns a prepared text into embeddings."""

    def embed(self, text: str, watch: Stopwatch | None = None) -> tuple[Floats, bool]:
        """Return the embeddings [windows, dimensions] of a prepared text, and whether it was cut."""
        ...

    def passage(self, text: str, window: int) -> tuple[int, int]:
        """The characters [start, end) of a prepared text that one of its windows reads."""
        ...


class Encoder:
    """A transformer: WordPiece tokens, one window a run and never padded.

    Dynamic int8 has one activation scale per tensor, so that padding or neighbours in a batch would change a score
    (onnxruntime #10111).
    """

    def __init__(self, graph: Path, tokenizer: Path) -> None:
        self._session = open_session(graph)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is what somebody wrote
        self._first, self._last = self._tokenizer.encode("").ids

    def embed(self, text: str, watch: Stopwatch | None = None) -> tuple[Floats, bool]:
        """See TextModel."""
        tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
        spans, cut = windows(len(tokens))
        if watch:
            watch.lap("tokenise")
        rows = []
        for start, end in spans:
            ids = np.array([[self._first, *tokens[start:end], self._last]], dtype=np.int64)
            rows.append(self._session.run(["sentence_embedding"], {"input_ids": ids})[0])
        return np.concatenate(rows), cut

    def passage(self, text: str, window: int) -> tuple[int, int]:
        """See TextModel. A word that the window cuts is left out, unless that leaves nothing."""
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        spans, _ = windows(len(offsets))
        if len(spans) == 1:
            return 0, len(text)
        first, last = spans[window]
        start, end = offsets[first][0], offsets[last - 1][1]
        whole = [m for m in re.finditer(r"\S+", text) if start <= m.start() and m.end() <= end]
        return (whole[0].start(), whole[-1].end()) if whole else (start, end)


class NgramModel:
    """The fast text model: hashed n-grams summed over a projection table."""

    def __init__(self, graph: Path) -> None:
        self._session = open_session(graph)

    def embed(self, text: str, watch: Stopwatch | None = None) -> tuple[Floats, bool]:
        """See TextModel."""
        ids, cut = hashed_ngrams(text)
        if watch:
            watch.lap("tokenise")
        row: Floats = self._session.run(["sentence_embedding"], {"ids": ids})[0]
        return row, cut

    def passage(self, text: str, window: int) -> tuple[int, int]:
        """See TextModel; the one window reads everything."""
        return 0, len(text)

    def parts(self, text: str) -> Floats | None:
        """What each id of the text adds to the embedding, [ids, dimensions]: the embedding is the sum of its parts.

        None where the graph shows no single rows, as in older bundles.
        """
        if "rows" not in {output.name for output in self._session.get_outputs()}:
            return None
        rows, embedding = self._session.run(["rows", "sentence_embedding"], {"ids": hashed_ngrams(text)[0]})
        length = float(np.linalg.norm(rows.sum(axis=0)))  # the graph scales the sum, to unit length
        parts: Floats = rows * (float(np.linalg.norm(embedding)) / length if length else 0.0)
        return parts


@dataclass(frozen=True, slots=True)
class Signal:
    """What the text alone says: raw outputs [outputs], mean embedding [dimensions], distance from training texts.

    `loudest` [outputs] is the window in which each output is highest.
    """

    logits: Floats
    embedding: Floats
    distance: float
    cut: bool
    loudest: Indices


class Heads:
    """Everything fitted on top of the embedding: the output layer, and the squared Mahalanobis distance."""

    def __init__(self, graph: Path) -> None:
        self._session = open_session(graph)

    def run(self, embeddings: Floats) -> tuple[Floats, Floats]:
        """Embeddings [n, dimensions] → logits [n, outputs], distances [n]."""
        logits, distance = self._session.run(["logits", "distance"], {"embedding": embeddings})
        return logits, distance

    @property
    def size(self) -> int:
        """Dimensions of the embeddings that they take."""
        return int(self._session.get_inputs()[0].shape[1])

    def layer(self) -> tuple[Floats, Floats]:
        """Weights [dimensions, outputs] and bias [outputs] of the output layer, from its answers to unit vectors.

        Not of the first output, P(violation), which also gathers the categories and is not linear.
        """
        logits, _ = self.run(np.vstack([np.zeros((1, self.size)), np.eye(self.size)]).astype(np.float32))
        return logits[1:] - logits[0], logits[0]


def read_text(model: TextModel, heads: Heads, text: str, watch: Stopwatch | None = None) -> Signal:
    """Score a prepared text; of several windows the highest output counts, as one bad passage makes a text bad."""
    embeddings, cut = model.embed(text, watch)
    logits, distance = heads.run(embeddings)
    if watch:
        watch.lap("run")
    return Signal(
        logits.max(axis=0), embeddings.mean(axis=0), float(distance.min()), cut, logits.argmax(axis=0).astype(np.int64)
    )
