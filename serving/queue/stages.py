"""Whose look a case waits for, and in which capacity a decision on it is made."""

from serving.accounts.auth import Role

FIRST = "first"  # a reviewer's, who decides it
SECOND = "second"  # another reviewer's, who does not know what the first one concluded
QA = "qa"  # of cases on which two reviewers disagree, and of those that one escalates
APPEAL = "appeal"  # of somebody who did not decide it
GOLDEN = "golden"  # a copy of a case with a known answer, one reviewer's alone; it never waits

# What never stands for what became of a case: answers to golden cases, and second opinions, which at most send a case
# to QA. They are kept, and neither fed to intake systems nor learnt from.
ASIDE = (GOLDEN, SECOND)


def role_in(stage: str, role: Role) -> str:
    """The role that a decision is kept under: the stage it was made at, or who made it where that is the first."""
    return role if stage == FIRST else stage
