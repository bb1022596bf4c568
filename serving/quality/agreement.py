"""How far answers agree, with what is known of the uncertainty: shares, and agreement corrected for chance."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]
Z = NormalDist().inv_cdf(0.975)  # 95 %, two-sided
RESAMPLES = 2000
SEED = 7


@dataclass(frozen=True)
class Share:
    """`k` of `n`, with n ≥ k ≥ 0."""

    k: int
    n: int

    @classmethod
    def of(cls, hits: list[bool]) -> Self:
        """How many of some hold."""
        return cls(sum(hits), len(hits))

    @property
    def value(self) -> float | None:
        """k / n; None of none."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % score interval (Wilson 1927, JASA 22, 209-212); None of none.

        (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n): for small n it keeps its promise where p ± z√(p(1-p)/n) does
        not (Brown, Cai and DasGupta 2001, Statistical Science 16(2), 101-133).
        """
        if not self.n:
            return None
        p, share = self.k / self.n, Z * Z / self.n
        middle, half = p + share / 2, Z * math.sqrt(p * (1 - p) / self.n + share / (4 * self.n))
        return max(0.0, (middle - half) / (1 + share)), min(1.0, (middle + half) / (1 + share))


@dataclass(frozen=True)
class Pairs:
    """How two opinions on each of some cases answered one question: both yes, one yes and one no, both no."""

    yes: int
    split: int
    no: int

    @classmethod
    def of(cls, answers: list[tuple[bool, bool]]) -> Self:
        """Count pairs of answers."""
        same = [one for one, other in answers if one == other]
        return cls(sum(same), len(answers) - len(same), len(same) - sum(same))

    @property
    def n(self) -> int:
        """The number of cases."""
        return self.yes + self.split + self.no

    @property
    def agreement(self) -> Share:
        """On how many cases both gave the same answer."""
        return Share(self.yes + self.no, self.n)

    @property
    def ac1(self) -> float | None:
        """Gwet's AC1, from -1 to 1 (all agree), 0 being what chance gives; None of none. See `ac1`."""
        return float(ac1(np.array([self.yes, self.split, self.no]))) if self.n else None

    def interval(self) -> Interval | None:
        """The 95 % percentile-bootstrap interval of AC1 over cases; None of none.

        A case is one of three kinds, so that resampling n cases is drawing from the multinomial of their shares.
        """
        if not self.n:
            return None
        counts = np.array([self.yes, self.split, self.no])
        found = ac1(np.random.default_rng(SEED).multinomial(self.n, counts / self.n, RESAMPLES))
        low, high = np.quantile(found, [0.025, 0.975])
        return float(low), float(high)


def ac1(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Gwet's AC1 [...] of two opinions on a yes-or-no question, from counts of both yes, split and both no [..., 3].

    (pₐ - pₑ) / (1 - pₑ), where pₐ is the share of cases on which both are the same, π the share of all answers that are
    yes, and pₑ = 2π(1-π) (Gwet 2008, British Journal of Mathematical and Statistical Psychology 61(1), 29-48). Chosen
    over Krippendorff's alpha because here a yes is rare: most reports are no violation, and each category is in a few
    cases only. There alpha, as kappa, falls towards 0 while the opinions agree on nearly every case, and hangs on a
    handful of them (Feinstein and Cicchetti 1990, Journal of Clinical Epidemiology 43(6), 543-549). What alpha is good
    for, missing opinions and more than two, does not come up: a second look has two.
    """
    n = counts.sum(axis=-1)
    same, yes = (counts[..., 0] + counts[..., 2]) / n, (counts[..., 0] + counts[..., 1] / 2) / n
    chance = 2 * yes * (1 - yes)
    return np.asarray((same - chance) / (1 - chance))
