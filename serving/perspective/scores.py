"""Our signal on Perspective's scale: a linear head an attribute, then a monotone map; kept as JSON."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.bundle import Bundle
from models.calibration import sigmoid
from models.ngrams import hashed_ngrams
from models.runtime import Signal
from serving.logs import log
from serving.perspective.attributes import ATTRIBUTES

SHIPPED_MAPPING = Path(__file__).with_name("mapping.json")
WORDS = 4096  # buckets of n-grams
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Score = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Part):
    """A figure of the held-out comments with its 95 % interval; null where it cannot be said."""

    value: float | None
    interval: tuple[float, float] | None


class Head(_Part):
    """One attribute: `signal` · embedding and outputs + `words` · n-grams + bias, then lines between points."""

    signal: list[float]
    words: Annotated[list[float], Field(min_length=WORDS, max_length=WORDS)]
    bias: float
    raw: Annotated[list[float], Field(min_length=2)]
    score: list[Score]
    rows: int
    spearman: Figure
    error: Figure  # mean absolute

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.raw) != len(self.score) or min(np.diff(self.raw)) <= 0 or min(np.diff(self.score)) < 0:
            raise ValueError("the points of a map must rise")
        return self

    def score_of(self, raw: float) -> float:
        """The score of what the head says; beyond the points, that of the first or the last."""
        return float(np.interp(raw, self.raw, self.score))


class ScaleFile(_Part):
    """A fitted mapping as it is kept: for one bundle alone, as another's embedding means something else."""

    schema_version: Literal["perspective-mapping.v1"]
    bundle: str
    source: str  # what it was fitted on, in words
    attributes: dict[str, Head]

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted(set(self.attributes) - set(ATTRIBUTES)):
            raise ValueError(f"there is no attribute {', '.join(unknown)}")
        return self


def words_of(prepared: str) -> tuple[Indices, Floats]:
    """The words, pairs and character groups of a prepared text as buckets with weights of length one.

    The encoder was taught that coarse words alone are no violation; for Perspective they are much of a score.
    """
    buckets, counts = np.unique(hashed_ngrams(prepared)[0] % WORDS, return_counts=True)
    weights = np.log1p(counts)
    return buckets, weights / np.linalg.norm(weights)


def signal_of(signal: Signal) -> Floats:
    """What the bundle says of a text: the embedding, then the raw outputs; [dimensions + outputs]."""
    return np.concatenate([signal.embedding, signal.logits]).astype(np.float64)


class Scale:
    """Scores for one bundle: mapped where a head was fitted for it, otherwise its own calibrated probabilities."""

    def __init__(self, bundle: Bundle, heads: Mapping[str, Head]) -> None:
        self._columns = {name: i for i, name in enumerate(bundle.manifest.outputs)}
        self._calibration = bundle.manifest.calibration
        self._heads = dict(heads)
        self._row = {name: i for i, name in enumerate(self._heads)}
        self._signal = np.array([head.signal for head in self._heads.values()])
        self._words = np.array([head.words for head in self._heads.values()])
        self._bias = np.array([head.bias for head in self._heads.values()])

    def is_mapped(self, names: Iterable[str]) -> bool:
        """Whether all of these attributes have a score on Perspective's scale."""
        return all(name in self._heads for name in names)

    def raw(self, signal: Signal, prepared: str) -> dict[str, float]:
        """What each head says of a text before its map."""
        if not self._heads:
            return {}
        buckets, weights = words_of(prepared)
        found = self._signal @ signal_of(signal) + self._words[:, buckets] @ weights + self._bias
        return dict(zip(self._heads, found.tolist(), strict=True))

    def scores(self, signal: Signal, prepared: str, names: Iterable[str]) -> dict[str, float]:
        """The score of each attribute, 0 to 1."""
        raw = self.raw(signal, prepared)
        return {
            name: round(self._heads[name].score_of(raw[name]) if name in raw else self._probability(name, signal), 7)
            for name in names
        }

    def _probability(self, name: str, signal: Signal) -> float:
        """The highest probability of the outputs that come closest; a bundle without them knows violations at least."""
        outputs = [output for output in ATTRIBUTES[name].outputs if output in self._columns] or ["violation"]
        raw = {output: float(signal.logits[self._columns[output]]) for output in outputs}
        return max(sigmoid(self._calibration[output].log_odds(value)) for output, value in raw.items())


class Scales:
    """The scale of whichever bundle is in force, from one mapping file; what is wrong with the file is logged once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path or SHIPPED_MAPPING
        self._known: dict[str, Scale] = {}

    def of(self, bundle: Bundle) -> Scale:
        """The scale for a bundle."""
        found = self._known.get(bundle.digest)
        if found is None:
            found = Scale(bundle, self._heads(bundle))
            # The latest two, as requests that began under the bundle before end under it.
            self._known = {**dict(list(self._known.items())[-1:]), bundle.digest: found}
        return found

    def _heads(self, bundle: Bundle) -> dict[str, Head]:
        try:
            file = read(self._path)
        except (OSError, ValueError) as error:
            return self._without(bundle, f"it cannot be read ({type(error).__qualname__})")
        if file.bundle != bundle.digest:
            return self._without(bundle, "it was fitted for another bundle")
        sizes = {len(head.signal) for head in file.attributes.values()}
        if sizes - {bundle.heads.size + len(bundle.manifest.outputs)}:
            return self._without(bundle, "its heads are of another size")
        return file.attributes

    def _without(self, bundle: Bundle, reason: str) -> dict[str, Head]:
        log.warning("perspective_unmapped", mapping=str(self._path), bundle=bundle.digest, reason=reason)
        return {}


def read(path: Path) -> ScaleFile:
    """Read a mapping. Raises OSError, or ValueError if it is not one."""
    try:
        return ScaleFile.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        raise ValueError(f"{path}: {error.errors(include_input=False)[0]['msg']}") from None


def write(path: Path, fields: dict[str, Any]) -> ScaleFile:
    """Write a mapping whole or not at all, and return it."""
    file = ScaleFile.model_validate({"schema_version": "perspective-mapping.v1", **fields})
    partial = path.with_name(path.name + ".partial")
    partial.write_text(file.model_dump_json(indent=None) + "\n", "utf-8")
    partial.replace(path)
    return file
