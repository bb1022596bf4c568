"""How well reviews go: golden cases, agreement, accuracy, and notices of what changed."""
