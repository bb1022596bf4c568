"""Draws that anyone can repeat: numbers that look random, and follow from ids alone."""

import hashlib


def drawn(ids: str) -> float:
    """A number in [0, 1), uniform over ids; begin them with what the draw is for, as the same ids draw the same."""
    return int.from_bytes(hashlib.sha256(ids.encode()).digest()[:8], "big") / 2**64
