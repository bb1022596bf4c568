"""The queue: reports become cases, cases get a place, and reviewers claim the next one."""
