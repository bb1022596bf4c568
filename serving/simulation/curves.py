"""How a content's views come over its life: three shapes, each a share of all its views by age."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FAST, SLOW, BURST = range(3)
SHAPES = ("fast", "slow", "burst")
YOUNGEST, OLDEST = 1e-3, 24.0 * 60  # hours; between them a share of views is looked for
HALVINGS = 40


@dataclass(frozen=True)
class Curves:
    """The curves of n contents: `shape` [n]; `scale` [n] is the half-life of `fast` and of a burst's early part, the
    offset of `slow`; `delay` [n] of the burst; hours all. The rest is the same for all.
    """

    shape: Ints
    scale: Floats
    delay: Floats
    exponent: float
    last: float
    early: float
    width: float

    def of(self, which: Ints) -> "Curves":
        """The curves of some contents."""
        return Curves(
            self.shape[which], self.scale[which], self.delay[which], self.exponent, self.last, self.early, self.width
        )

    def share(self, age: Floats) -> Floats:
        """Share of all views that a content of this age [n], in hours, has had."""
        age = np.maximum(age, 0.0)
        found = 1 - np.exp2(-age / self.scale)
        slow, burst = self.shape == SLOW, self.shape == BURST
        if slow.any():
            found[slow] = self._slow(age[slow], self.scale[slow])
        if burst.any():
            late = self._late(age[burst], self.delay[burst])
            found[burst] = self.early * found[burst] + (1 - self.early) * late
        return found

    def age(self, share: Floats) -> Floats:
        """The age [n] by which a content has had this share [n] of its views."""
        low, high = np.full(len(share), np.log(YOUNGEST)), np.full(len(share), np.log(OLDEST))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            more = self.share(np.exp(middle)) < share
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return np.asarray(np.exp(high))

    def _slow(self, age: Floats, offset: Floats) -> Floats:
        power = 1 - self.exponent
        reached = 1 - (1 + np.minimum(age, self.last) / offset) ** power
        return np.asarray(reached / (1 - (1 + self.last / offset) ** power))

    def _late(self, age: Floats, delay: Floats) -> Floats:
        before = _logistic(-delay / self.width)
        return np.asarray((_logistic((age - delay) / self.width) - before) / (1 - before))


def _logistic(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))
