"""What each source's own labels say in our taxonomy; what a source did not ask stays unknown, which is not "no"."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Labels:
    """Known labels of one text; what is absent or None is unknown, and masked in every loss and metric.

    `categories` maps a category to whether it holds; `violation` is whether any does; `severity` 0-4;
    `sexism` is an auxiliary label of two sources. `complete` is that
    every category was asked for, or that none holds: one that is not named does not hold.
    """

    categories: Mapping[str, bool] = field(default_factory=dict)
    violation: bool | None = None
    severity: int | None = None
    sexism: bool | None = None
    complete: bool = False


UNKNOWN = Labels()
COARSE = UNKNOWN  # coarse words alone are no violation, and no proof of none
CLEAN = Labels(violation=False, severity=0, complete=True)


def yes(severity: int | None, *categories: str, sexism: bool | None = None) -> Labels:
    """A violation of these categories; the others stay unknown."""
    return Labels(dict.fromkeys(categories, True), True, severity, sexism=sexism)


def complete_labels(categories: Collection[str], severity: int | None) -> Labels:
    """The answer of someone who was asked for every category, and named these, or none."""
    return Labels(dict.fromkeys(categories, True), bool(categories), severity, complete=True)


def no(*categories: str, sexism: bool | None = None) -> Labels:
    """Not these categories; whether it violates anything else stays unknown."""
    return Labels(dict.fromkeys(categories, False), sexism=sexism)


def _ailuminate(raw: Raw) -> Labels:
    hazards: dict[str, Labels] = {
        "vcr": yes(3, "violence_threat"),
        "ssh": yes(3, "self_harm"),
        "ipv": yes(2, "intellectual_property"),
        "prv": yes(2, "privacy"),
        "hte": yes(2, "hate"),
        "iwp": yes(4, "violent_extremism"),
        "src": yes(3, "sexual_adult"),
        "sxc_prn": yes(1, "sexual_adult"),
        "dfm": yes(1, "misinformation"),
    }
    return hazards.get(raw["hazard"], UNKNOWN)


def _covid(raw: Raw) -> Labels:
    return yes(2, "misinformation") if raw["label"] == "fake" else CLEAN


def _davidson(raw: Raw) -> Labels:
    if raw["class"] == "0":
        return yes(3 if raw["hate_speech"] == raw["count"] else 2, "hate")
    return COARSE if raw["class"] == "1" else CLEAN


def _edos(raw: Raw) -> Labels:
    vector = raw["label_vector"][:3]
    if raw["label_sexist"] == "not sexist":
        return Labels(sexism=False)
    if vector.startswith("1."):
        return yes(3, "violence_threat", "hate", sexism=True)
    severity = {"2.3": 3, "2.1": 2, "2.2": 2}.get(vector, 1)
    return yes(severity, "hate", sexism=True)


def _ethos(raw: Raw) -> Labels:
    share = float(raw["isHate"])
    if share >= 0.5:
        return yes(3, "hate", "violence_threat") if float(raw.get("violence") or 0) >= 0.5 else yes(2, "hate")
    return yes(1, "hate") if share >= 0.2 else no("hate", "violence_threat")


def _gab(raw: Raw) -> Labels:
    if raw["cv"]:
        return yes(3, "violence_threat", *(["hate"] if raw["hd"] else []))
    if raw["hd"]:
        return yes(2, "hate")
    return COARSE if raw["vo"] else no("hate", "violence_threat")


def _hatemoji(raw: Raw) -> Labels:
    kinds = {
        "animosity": yes(1, "hate"),
        "derogation": yes(2, "hate"),
        "dehumanizinglanguage": yes(3, "hate"),
        "threateninglanguage": yes(3, "hate", "violence_threat"),
    }
    return kinds.get(raw["type"], UNKNOWN) if raw["label_gold"] == "1" else no("hate")


def _implicit_hate(raw: Raw) -> Labels:
    if raw["class"] == "not_hate":
        return no("hate")
    if raw["class"] == "explicit_hate":
        return yes(2, "hate")
    kinds = {
        "threatening": yes(3, "hate", "violence_threat"),
        "incitement": yes(2, "hate", "violent_extremism"),
        "inferiority": yes(2, "hate"),
    }
    return kinds.get(raw.get("implicit_class", ""), yes(1, "hate"))


def _jigsaw(raw: Raw) -> Labels:
    on = {
        name for name in ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate") if raw[name] == "1"
    }
    if not on:
        return no("hate", "harassment", "violence_threat")
    if not on & {"threat", "insult", "identity_hate", "severe_toxic"}:
        return COARSE
    flags = {
        "threat": "violence_threat",
        "identity_hate": "hate",
        "insult": "harassment",
        "severe_toxic": "harassment",
    }
    severity = 3 if on & {"threat", "severe_toxic"} else 2
    return yes(severity, *sorted({category for flag, category in flags.items() if flag in on}))


def _misogyny(raw: Raw) -> Labels:
    second, third = raw["level_2"], raw["level_3"]
    if third == "Threatening_Privacy":
        return yes(3, "privacy", sexism=True)
    if third.startswith("Threatening"):
        return yes(3, "violence_threat", sexism=True)
    if second.endswith("personal_attack"):
        return yes(2, "harassment", sexism=raw["level_1"] == "Misogynistic")
    if raw["level_1"] == "Misogynistic":
        return yes(1 if second == "Misogynistic_pejorative" else 2, "hate", sexism=True)
    return Labels(sexism=False)


def _teen_safety(raw: Raw) -> Labels:
    prefix, grade = raw["label"][:-1], int(raw["label"][-1])
    grades = {
        "ARS": ("regulated_goods", (1, 2)),
        "GV": ("graphic_violence", (2, 3)),
        "GS": ("sexual_adult", (2, 3)),
        "HBI": ("self_harm", (1, 2)),
        "DC": ("self_harm", (1, 2, 2)),
    }
    if prefix not in grades:
        return UNKNOWN
    category, severities = grades[prefix]
    return yes(severities[grade - 1], category) if grade else no(category)


def _pyrit(raw: Raw) -> Labels:
    categories = {
        "violence": "violence_threat",
        "hate_speech": "hate",
        "REPRESENTATIONAL": "hate",
        "self_harm": "self_harm",
        "privacy": "privacy",
        "SEXUAL_CONTENT": "sexual_adult",
        "information_integrity": "misinformation",
    }
    category = categories.get(raw["harm_category"])
    if category is None:
        return UNKNOWN
    scores = raw["human_scores"]
    severity = round(4 * sum(scores) / len(scores))
    return yes(severity, category) if severity else no(category)


def _sms(raw: Raw) -> Labels:
    kinds = {"spam": yes(1, "spam"), "smishing": yes(3, "scam_fraud")}
    return kinds.get(raw["label"].lower(), CLEAN)


def _spamassassin(raw: Raw) -> Labels:
    return yes(1, "spam") if raw["group"].startswith("spam") else CLEAN


def _stormfront(raw: Raw) -> Labels:
    return {"hate": yes(2, "hate"), "relation": yes(1, "hate"), "noHate": no("hate")}.get(raw["label"], UNKNOWN)


def _surge(raw: Raw) -> Labels:
    return yes(2, "harassment") if raw["is_toxic"] == "Toxic" else CLEAN


def _toxigen(raw: Raw) -> Labels:
    return yes(2, "hate") if raw["label"] == "hate" else CLEAN


MAPPINGS: Mapping[str, Callable[[Raw], Labels]] = {
    "ailuminate_en": _ailuminate,
    "covid_fake_news": _covid,
    "davidson_hate_offensive": _davidson,
    "edos_sexism": _edos,
    "ethos": _ethos,
    "gab_hate_corpus": _gab,
    "hatemoji_build": _hatemoji,
    "implicit_hate": _implicit_hate,
    "jigsaw_toxic_sample": _jigsaw,
    "online_misogyny_reddit": _misogyny,
    "openai_teen_safety_synthetic": _teen_safety,
    "pyrit_harm_scores": _pyrit,
    "sms_spam_smishing": _sms,
    "spamassassin_email": _spamassassin,
    "stormfront_white_supremacy_forum": _stormfront,
    "surge_toxicity": _surge,
    "toxigen_demonstrations": _toxigen,
}

# Public sources in which people graded how bad a text is, or whose raters' share or count stands for it.
GRADED = frozenset({"ethos", "openai_teen_safety_synthetic", "pyrit_harm_scores"})
