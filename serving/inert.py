"""Text by others with nothing left in it that could act on a page, or show something else than it holds."""

import unicodedata
from collections.abc import Iterator

MOST_SHOWN = 4000  # characters of a note
MOST_MARKS = 8  # combining marks on one letter that are shown; real writing needs fewer
# Directions, isolates and invisible characters by which a text can show something else than it holds; those that join
# emoji and letters stay.
HIDDEN = {
    0x00AD: "SHY", 0x061C: "ALM", 0x200B: "ZWSP", 0x200E: "LRM", 0x200F: "RLM", 0x202A: "LRE", 0x202B: "RLE",
    0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO", 0x2028: "LS", 0x2029: "PS", 0x2060: "WJ", 0x2066: "LRI",
    0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xFEFF: "BOM", 0xFFFC: "OBJ", 0x115F: "HCF", 0x1160: "HJF",
    0x3164: "HF", 0xFFA0: "HHF", 0x2800: "BLANK",
}  # fmt: skip
FLAG, MOST_TAGS = 0x1F3F4, 6  # the flag of a region is this one, and tags that spell the region
TAGS = range(0xE0020, 0xE0080)
KEPT = "\n\t\u200c\u200d"


def inert(text: str) -> str:
    """A text in which direction marks, invisible characters and heaps of combining marks are named, not obeyed."""
    return text if text.isascii() and text.isprintable() else "".join(_inert(text))


def brief(text: str) -> str:
    """The beginning of a text, inert; what is missing is counted. A hundred notes may be on one page."""
    left = len(text) - MOST_SHOWN
    return f"{inert(text[:MOST_SHOWN])} ⟨{left:,} more characters⟩" if left > 0 else inert(text)


def _inert(text: str) -> Iterator[str]:
    run = 0  # combining marks since the last letter
    tags = 0  # that may still belong to a flag
    for character in text:
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            run += 1
            if run <= MOST_MARKS:
                yield character
            continue
        if run > MOST_MARKS:
            yield f"⟨+{run - MOST_MARKS:,} marks⟩"
        run, code = 0, ord(character)
        tags = MOST_TAGS if code == FLAG else tags - 1 if code in TAGS else 0
        if character in KEPT:
            yield character
        elif code in HIDDEN:
            yield f"⟨{HIDDEN[code]}⟩"
        elif category in ("Cc", "Cf", "Cs", "Co") and not (code in TAGS and tags >= 0):
            yield f"⟨U+{code:04X}⟩"
        else:
            yield character
    if run > MOST_MARKS:
        yield f"⟨+{run - MOST_MARKS:,} marks⟩"
