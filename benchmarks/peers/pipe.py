"""The peers' side of the pipe to a peer in process: lines of JSON, each answered with one line once it is done."""

import json
import os
import sys
from collections.abc import Callable


def answer(read: Callable[[list[str]], object]) -> None:
    """Keep the texts of a line that is a list; for one that is a number, read them all, so many texts a call."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    texts: list[str] = []
    for line in sys.stdin:
        wanted = json.loads(line)
        if isinstance(wanted, list):
            texts = wanted
        else:
            for start in range(0, len(texts), wanted):
                read(texts[start : start + wanted])
        print("done", file=answers, flush=True)
