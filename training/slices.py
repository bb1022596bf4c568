"""Identity slices: does the hate score rank texts that name a group as fairly as all others (Borkan et al. 2019)?"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

Floats = npt.NDArray[np.float32]
MIN_EACH = 20  # texts of each class that a slice needs to be stated
TERMS = {
    "women": r"wom[ae]n|girls?|females?|ladies|wife|wives|mothers?",
    "men": r"m[ae]n|males?|guys?|husbands?|fathers?",
    "gay_lesbian": r"gays?|lesbians?|homosexuals?|queers?|lgbtq?\+?",
    "trans": r"trans(?:gender|sexuals?)?|non-?binary",
    "black": r"blacks?|african(?:-| )americans?|africans?",
    "white": r"whites?|caucasians?",
    "asian": r"asians?|chinese|indians?|pakistanis?|koreans?|japanese",
    "latino": r"latin[oax]s?|hispanics?|mexicans?",
    "jewish": r"jews?|jewish|judaism",
    "muslim": r"muslims?|islam(?:ic)?",
    "christian": r"christians?|catholics?|christianity",
    "immigrant": r"(?:im)?migrants?|refugees?|foreigners?|asylum seekers?",
    "disabled": r"disabled|disabilit(?:y|ies)|autistic|autism|blind|deaf|wheelchair",
    "old": r"elderly|old people|pensioners?|seniors?|boomers?",
}
_PATTERNS = {name: re.compile(rf"\b(?:{terms})\b", re.I) for name, terms in TERMS.items()}


def identity_slices(texts: Sequence[str], truth: Floats, score: Floats) -> dict[str, dict[str, Any]]:
    """For each group that enough texts name: subgroup AUC, BPSN and BNSP AUC, n and positives.

    `truth` [n] is NaN where unknown. BPSN: positives of the background against negatives that name the group (low: the
    mere name raises the score). BNSP: negatives of the background against positives that name it (low: it is missed).
    """
    known = np.isfinite(truth)
    positive = truth == 1
    found: dict[str, dict[str, Any]] = {}
    for name, pattern in _PATTERNS.items():
        inside = np.array([bool(pattern.search(text)) for text in texts]) & known
        outside = known & ~inside
        if min((inside & positive).sum(), (inside & ~positive).sum()) < MIN_EACH or len(set(truth[outside])) < 2:
            continue
        found[name] = {
            "n": int(inside.sum()),
            "positives": int((inside & positive).sum()),
            "subgroup_auc": _auc(positive, score, inside),
            "bpsn_auc": _auc(positive, score, (outside & positive) | (inside & ~positive)),
            "bnsp_auc": _auc(positive, score, (outside & ~positive) | (inside & positive)),
        }
    return found


def _auc(positive: npt.NDArray[np.bool_], score: Floats, mask: npt.NDArray[np.bool_]) -> float:
    return round(float(roc_auc_score(positive[mask], score[mask])), 4)
