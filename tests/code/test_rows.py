"""Rows of a source are known by their hashes, and find their places by them."""

from pathlib import Path

from training.rows import digest, is_listed, listed, place, write_list


def test_rows_find_their_places(tmp_path: Path) -> None:
    rows = [{"text": text, "labels": {"a": 1}} for text in ("x", "y", "x", "z")]
    assert write_list("made-up", rows, tmp_path) == 4
    hashes = listed("made-up", tmp_path)
    placed = place("made-up", hashes, [rows[3], rows[0], rows[0], rows[0], {**rows[1], "split": "test"}])
    assert [(row["id"], row["text"]) for row in placed.rows] == [
        ("made-up-0", "x"),
        ("made-up-2", "x"),
        ("made-up-3", "z"),
    ]
    assert (placed.dropped, placed.missing) == (2, 1)
    assert all(is_listed("made-up", hashes, row) for row in placed.rows)
    for wrong in ({"id": "made-up-1"}, {"id": "other-0"}, {"id": "made-up-9"}, {"id": "made-up-²"}, {"id": None}):
        assert not is_listed("made-up", hashes, {**placed.rows[0], **wrong})
    assert not is_listed("made-up", hashes, "no row")
    assert listed("unknown", tmp_path) == []


def test_a_row_is_known_whatever_the_order_of_its_keys() -> None:
    assert digest({"id": "1", "text": "é", "labels": {"a": 1, "b": 2}}) == digest(
        {"labels": {"b": 2, "a": 1}, "text": "é"}
    )
    assert digest({"text": "é", "labels": {}}) != digest({"text": "e", "labels": {}})
