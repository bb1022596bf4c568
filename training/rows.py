"""The shipped lists of the sources' rows: a hash of each row in order, which says which rows are ours and their ids."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "datasets" / "rows"
SIZE = 6  # bytes of a row's SHA-256 that are kept: two of 25,000 rows agree by chance once in a million such files
Row = dict[str, Any]  # {"text", "labels", "split"?}, and "id" once it has its place


@dataclass(frozen=True)
class Placed:
    """The listed rows of a source that were found, in order and with their ids, and how many rows were not listed."""

    rows: list[Row]
    dropped: int
    missing: int


def digest(row: Mapping[str, Any]) -> bytes:
    """The first SIZE bytes of SHA-256 over the row's canonical JSON, without its id, which its place gives."""
    content = {key: value for key, value in row.items() if key != "id"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).digest()[:SIZE]


def listed(name: str, folder: Path = FOLDER) -> list[bytes]:
    """The hashes of a source's rows, in order; none where the source has no list."""
    file = folder / f"{name}.bin"
    content = file.read_bytes() if file.is_file() else b""
    return [content[i : i + SIZE] for i in range(0, len(content), SIZE)]


def write_list(name: str, rows: Iterable[Mapping[str, Any]], folder: Path = FOLDER) -> int:
    """Write a source's list from its rows in order; return how many they are."""
    hashes = [digest(row) for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.bin").write_bytes(b"".join(hashes))
    return len(hashes)


def row_id(name: str, place: int) -> str:
    """The id of the row at a place of a source's list."""
    return f"{name}-{place}"


def is_listed(name: str, hashes: Sequence[bytes], row: object) -> bool:
    """Whether a row with an id is the one that the list has at that id's place."""
    if not isinstance(row, dict):
        return False
    stem, _, number = str(row.get("id")).rpartition("-")
    place = int(number) if number.isascii() and number.isdigit() else len(hashes)
    return stem == name and place < len(hashes) and hashes[place] == digest(row)


def place(name: str, hashes: Sequence[bytes], rows: Iterable[Row]) -> Placed:
    """Sort converted rows into a source's list: equal rows fill its equal entries, rows beyond that are dropped."""
    free: dict[bytes, list[int]] = defaultdict(list)
    for position in reversed(range(len(hashes))):
        free[hashes[position]].append(position)
    found: dict[int, Row] = {}
    dropped = 0
    for row in rows:
        if places := free.get(digest(row)):
            position = places.pop()
            found[position] = {"id": row_id(name, position), **row}
        else:
            dropped += 1
    return Placed([found[position] for position in sorted(found)], dropped, len(hashes) - len(found))
