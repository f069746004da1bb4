"""The scores that methods can be compared by. Nothing heavy is imported here."""

from __future__ import annotations

from wepdtof_pose.errors import InputError

SCORES = ("AP", "AP50", "AR", "PCK@0.2")
"""Scores in the main table."""
CHOICES = ("AP", "AP50", "AP75", "AR", "PCK@0.2", "PCKh@0.5")


def require_score(name: str) -> None:
    """Check the name of a score."""
    if name not in CHOICES:
        raise InputError(f"unknown score {name!r}: choose one of {', '.join(CHOICES)}")
