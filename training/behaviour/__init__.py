"""Behavioural tests: what a bundle must get right, what must not matter to it, which way things must move it."""
