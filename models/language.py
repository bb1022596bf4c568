"""Whether a text is in English, the one language that the models read: the scorer abstains on all others.

py3langid reads the prepared text without addresses, handles, hashtags and the names of emoji. On texts of 20 characters
and more, by the half of them that MAX_ENGLISH was not chosen on:

- taken for foreign: 99.7 % of 4,251 German tweets, 236 of 236 made-up rows in 17 languages; of other rows, made up
  afterwards, 103 of 108 in more than 30 languages. Hindi and Arabic in Latin letters are missed most.
- taken for foreign: 0.2 % of 6,481 English texts (posts, tweets, forum, SMS); at most 0.9 % of a source, where some are
  indeed foreign, and 4 of 110 rows of slang, odd spelling, dialect and names.
- mixtures of 150 characters: 3 % with 60 % of English, 22 % with half, 64 % with 40 %.

It takes 38 MB and, on 140 characters, about as long as their preparation, some 0.2 ms. CLD2, the next best, takes 10 MB
and a tenth of the time, but misses more Hindi, has no wheel for Linux on ARM, and is C++ not kept since 2014.
"""

import re
import unicodedata
from array import array
from functools import cache
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from models.prepare import Prepared, is_named

_UNSAID = {"und", "mul", "mis", "zxx"}  # ISO 639-2: undetermined, several, without a code, no language at all
MAX_READ = 400  # characters; more tell no more
MIN_LETTERS = 15  # in fewer, slang and names look foreign
MAX_ENGLISH = 0.1
# English, the languages of wide use that have Latin letters too, and the detector's own class for what is no language
# (zxx). The rest would take 30 MB more; other scripts are told by their letters.
_KEPT = (
    "az ca cs da de en es et fi fr ha hr hu id ig it jv lt lv mg ms nl no pl pt ro sk sl so sq sv sw tl tr uz vi yo zu "
    "zxx"
)
_ASIDE = re.compile(r"\S*(?:://|www\.|[@#]\w)\S*")


def primary_language(tag: str | None) -> str | None:
    """The language of a BCP 47 tag, without its region or script; None where the tag names none."""
    primary = re.split("[-_]", tag or "")[0].lower()
    if primary in _UNSAID:
        return None
    return "en" if primary == "eng" else primary or None


def is_foreign(source: str, prepared: Prepared) -> bool:
    """Whether a text is surely not English. In doubt it is: a foreign text with a score does less harm than none."""
    words = _words(source, prepared)
    letters = [character for character in words if character.isalpha()]
    if 2 * sum(map(_is_latin, letters)) < len(letters):
        return True
    return len(letters) >= MIN_LETTERS and _english(words) < MAX_ENGLISH


def likeliest(source: str, prepared: Prepared) -> str | None:
    """The likeliest language of a text, of those that are told apart; None for another script or no language."""
    words = _words(source, prepared)
    letters = [character for character in words if character.isalpha()]
    if not letters or 2 * sum(map(_is_latin, letters)) < len(letters):
        return None
    name = str(_detector().rank(words.lower())[0][0])
    return None if name in _UNSAID else name


def warm() -> None:
    """Load the detector (about a second), so that no score waits for it."""
    _detector()


def _english(words: str) -> float:
    found = dict(_detector().rank(words.lower()))  # shouting is English too
    return float(found["en"] + found["zxx"])


@cache
def _detector() -> LanguageIdentifier:
    full = LanguageIdentifier.from_model_file(MODEL_FILE)
    kept = [i for i, name in enumerate(full.nb_classes) if name in _KEPT.split()]
    return LanguageIdentifier(
        np.ascontiguousarray(full.nb_ptc[:, kept]),  # as rows of it are read
        full.nb_pc[kept],
        [full.nb_classes[i] for i in kept],
        _mapped(full.tk_nextmove),
        array("i", full.tk_output),  # as a list, 3 MB more
        norm_probs=True,
        tk_row=full.tk_row,
    )


def _mapped(table: "array[int]") -> "memoryview[int]":
    """The same table, in a file without a name: only the pages that texts lead to take memory, 16 of 38 MB."""
    with TemporaryFile() as file:
        table.tofile(file)
        file.flush()
        pages = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
        return pages.cast(table.typecode)  # type: ignore[arg-type, return-value]


def _words(source: str, prepared: Prepared) -> str:
    """Start and end of the prepared text; both, as a text may begin with a quotation."""
    half = MAX_READ // 2
    parts = [slice(half), slice(-half, None)] if len(prepared.text) > MAX_READ else [slice(None)]
    text = "".join(prepared.text[part] for part in parts)
    if not source.isascii():
        starts = [start for part in parts for start in prepared.starts[part]]
        text = "".join(" " if _named(source[i]) else character for character, i in zip(text, starts, strict=True))
    return " ".join(_ASIDE.sub(" ", text).split())


def _named(character: str) -> bool:
    return not character.isascii() and is_named(unicodedata.normalize("NFKC", character)[0])


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith(("LATIN", "MODIFIER"))
