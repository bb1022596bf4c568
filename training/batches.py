"""What one epoch of fine-tuning sees: a balanced draw of texts, some disguised, as batches of token windows."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from models.prepare import prepare
from models.runtime import windows
from training.corpus import AUTHORED, OURS, Corpus
from training.disguises import disguised, padded

Ids = list[list[int]]
Rows = npt.NDArray[np.int64]
PADDING = 200  # characters of a harmless text around another at most


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    `per_source` caps the texts that one public source gives to an epoch; `draws` says otherwise for some: more of the
    two with a hard published test set, fewer of long mails. `disguise` is the share of texts in disguised spelling,
    `padding` of those with harmless text around them.
    """

    epochs: int = 4
    per_source: int = 500
    draws: Mapping[str, int] = field(
        default_factory=lambda: {"edos_sexism": 9000, "hatemoji_build": 4400, "spamassassin_email": 150}
    )
    own_repeats: int = 1  # times that our own texts are seen in an epoch
    batch: int = 32  # windows
    windows: int = 4  # of one text at most
    disguise: float = 0.15
    padding: float = 0.1
    encoder_rate: float = 1.5e-4
    head_rate: float = 2e-3
    warm_up: float = 0.06
    patience: int = 1  # epochs without a better calibration part before stopping


@dataclass(frozen=True)
class Batch:
    """Rows of the corpus, and for each of their windows its token ids and the position of its row in `rows`."""

    rows: list[int]
    ids: Ids
    owner: list[int]

    def padded(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token ids and mask [windows, longest], owners [windows]."""
        return *pad(self.ids), torch.tensor(self.owner)


class Windows:
    """Cuts texts into windows of token ids, as the served model reads them, up to `most` of each text."""

    def __init__(self, tokenizer: Tokenizer, most: int) -> None:
        self._tokenizer, self._most = tokenizer, most
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._first, self._last = tokenizer.encode("").ids

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        """Windows of each prepared text."""
        found = []
        for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False):
            spans, _ = windows(len(encoding.ids))
            found.append([[self._first, *encoding.ids[start:end], self._last] for start, end in spans[: self._most]])
        return found


def epoch_batches(corpus: Corpus, schedule: Schedule, cut: Windows, seed: int, epoch: int) -> list[Batch]:
    """The batches of one epoch, a function of seed and epoch: about equal lengths together, in random order."""
    rng = np.random.default_rng([seed, epoch])
    chosen = balanced(corpus, schedule, rng)
    rng.shuffle(chosen)
    changes = random.Random(seed * 1_000_003 + epoch)  # noqa: S311 - not for secrets
    texts, harmless = [corpus.texts[i] for i in chosen], _harmless(corpus)
    if harmless:
        texts = [padded(t, harmless, changes) if changes.random() < schedule.padding else t for t in texts]
    texts = [prepare(disguised(t, changes)).text if changes.random() < schedule.disguise else t for t in texts]
    found = list(zip(chosen.tolist(), cut(texts), strict=True))
    batches: list[Batch] = []
    for start in range(0, len(found), schedule.batch * 50):  # sort by length inside large chunks alone
        batches += pack(sorted(found[start : start + schedule.batch * 50], key=_length), schedule.batch)
    return [batches[i] for i in rng.permutation(len(batches))]


def _harmless(corpus: Corpus) -> list[str]:
    """Short authored training texts that neither violate nor resemble a violation."""
    found = []
    for row in corpus.where("train"):
        example, text = corpus.examples[row], corpus.texts[row]
        harmless = example.labels.violation is False and not example.near
        if example.source == AUTHORED and harmless and len(text) <= PADDING:
            found.append(text)
    return found


def _length(item: tuple[int, Ids]) -> tuple[int, int]:
    return len(item[1]), len(item[1][0])


def pack(items: Sequence[tuple[int, Ids]], size: int) -> Iterator[Batch]:
    """Group rows with their windows into batches of `size` windows, or of one text that has more."""
    batch = Batch([], [], [])
    for row, ids in items:
        if batch.rows and len(batch.ids) + len(ids) > size:
            yield batch
            batch = Batch([], [], [])
        batch.owner.extend([len(batch.rows)] * len(ids))
        batch.ids.extend(ids)
        batch.rows.append(row)
    if batch.rows:
        yield batch


def balanced(corpus: Corpus, schedule: Schedule, rng: np.random.Generator) -> Rows:
    """Training texts of one epoch: so many of each public source, our own (authored, decided) whole, several times."""
    rows = corpus.where("train")
    sources = corpus.sources[rows]
    parts = [rows[np.isin(sources, OURS)]] * schedule.own_repeats
    for source in dict.fromkeys(sources.tolist()):
        if source not in OURS:
            parts.append(rng.permutation(rows[sources == source])[: schedule.draws.get(source, schedule.per_source)])
    return np.concatenate(parts)


def cap_sources(corpus: Corpus, indices: Rows, most: int, rng: np.random.Generator) -> Rows:
    """At most `most` random texts of each source."""
    sources = corpus.sources[indices]
    parts = [rng.permutation(indices[sources == source])[:most] for source in dict.fromkeys(sources.tolist())]
    return np.sort(np.concatenate(parts))


def pad(batch: Ids) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask [batch, longest]."""
    length = max(map(len, batch))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in batch])
    return ids, mask
