"""Held-out answers: what a bundle says of labelled texts that it was not trained on, kept so that anybody can choose a
threshold later. Never the texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from models.errors import BundleRefused

Part = Literal["calibration", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
Probabilities = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]
FILE = "heldout.npy"
STEPS = 50_000  # kept probabilities are multiples of 1/STEPS, so that a threshold has five decimals
UNKNOWN = -1


@dataclass(frozen=True)
class HeldOut:
    """Rows of both parts: `part` (0 calibration, 1 test), `probability` [outputs] in steps, `truth` [outputs].

    Truth is 1, 0 or -1 (unknown). Probabilities are rounded down to whole steps: whether one reaches a threshold that
    is a whole step itself, is then decided as if nothing had been rounded.
    """

    outputs: tuple[str, ...]
    rows: npt.NDArray[np.void]

    @classmethod
    def of(
        cls, outputs: Sequence[str], parts: Mapping[Part, tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]
    ) -> Self:
        """Take in the calibrated probabilities and the truth (1, 0, NaN unknown) of each part, both [n, outputs]."""
        blocks = []
        for part, (probability, truth) in parts.items():
            block = np.empty(len(truth), _kind(len(outputs)))
            block["part"] = PARTS.index(part)
            block["probability"] = np.floor(probability * STEPS)
            block["truth"] = np.nan_to_num(truth, nan=UNKNOWN)
            blocks.append(block)
        return cls(tuple(outputs), np.concatenate(blocks))

    @classmethod
    def read(cls, path: Path, outputs: Sequence[str]) -> Self:
        """Read what `write` wrote; the file's columns are the first of `outputs`. Raises BundleRefused."""
        try:
            rows = np.load(path, allow_pickle=False)
            columns = int(rows.dtype["probability"].shape[0])
        except (OSError, EOFError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise BundleRefused(f"{FILE} holds no held-out answers") from error
        if rows.dtype != _kind(columns) or columns > len(outputs):
            raise BundleRefused(f"{FILE} holds held-out answers of another kind: {rows.dtype}")
        return cls(tuple(outputs[:columns]), rows)

    def write(self, path: Path) -> None:
        """Write a NumPy file without pickle: 43 bytes a row with fourteen outputs."""
        np.save(path, self.rows, allow_pickle=False)

    def sample(self, part: Part, output: str) -> tuple[Probabilities, Truth]:
        """Probabilities [n] and truths [n] of the rows of a part of which an output is known."""
        k = self.outputs.index(output)
        truth = self.rows["truth"][:, k]
        kept = (self.rows["part"] == PARTS.index(part)) & (truth != UNKNOWN)
        # Rounded, so that equal steps are equal numbers with five decimals.
        return (self.rows["probability"][kept, k] / STEPS).round(5), truth[kept] == 1


def _kind(columns: int) -> np.dtype[np.void]:
    return np.dtype([("part", "u1"), ("probability", "<u2", (columns,)), ("truth", "i1", (columns,))])
