"""What angles of rotated boxes are, as the boxes of all people together show.

People below a ceiling camera stand, and mostly sit, along the direction from the image centre. One
of them may lie across it; where all do, the angles count otherwise than ours: degrees, clockwise
from the vertical, of boxes whose height is the length of the body.
"""

from __future__ import annotations

import numpy as np

_LONG = 1.2
"""Least ratio of length to width at which a rotated box has a direction."""

_SEVERAL = 5
"""Least number of people for whom it is no chance that all lie across."""

_NEARLY_ALL = 0.95
"""Share of the boxes that must be wide; the others may be of people who lie under the camera."""

_ONE_WAY = 0.7
"""Mean resultant length of axes, 1 where all are parallel, from which they do not turn around the
image centre."""


def are_radians(angles: np.ndarray) -> bool:
    """Whether angles (n,) are in radians: all of them small, many turned, and few of them whole."""
    if len(angles) < 2:
        return False
    largest, turned = np.abs(angles).max(), (np.abs(angles) > 0.02).mean()
    fractions = (angles != np.round(angles)).mean()
    limit = np.pi / 2 if len(angles) < 5 else np.pi
    return largest <= limit + 0.01 and turned >= 0.5 and fractions >= 0.5


def other_angles(boxes: np.ndarray, sizes: np.ndarray, *, quadrants: int = 1) -> str:
    """Describe angles that agree with the direction from the image centre only in another reading.

    Args:
        boxes: (people, 5) rotated boxes.
        sizes: (people, 2) width and height of their images, NaN where not known.
        quadrants: number of quadrants of their images that must have boxes that tell: somebody who
            lies on the floor is in one.

    Returns:
        What is wrong, in words; "" if nothing is.
    """
    with np.errstate(invalid="ignore"):
        across, down = (boxes[:, :2] - (sizes - 1) / 2).T
        away = np.hypot(across, down) > 0.15 * sizes.max(axis=1, initial=0)
        outwards = np.rad2deg(np.arctan2(across, -down))
        wide = boxes[:, 2] > _LONG * boxes[:, 3]
        away &= wide | (boxes[:, 3] > _LONG * boxes[:, 2])
        # Along the axes angles of both signs are the same.
        tells = away & ~wide & (np.abs(np.sin(np.deg2rad(2 * outwards))) > 0.5)
    along = boxes[:, 4]
    if len(np.unique(outwards[tells] // 90)) >= quadrants:
        stated = _agreement(along[tells], outwards[tells])
        mirrored = _agreement(-along[tells], outwards[tells])
        if mirrored >= 0.5 and mirrored - stated >= 1:
            return _message(tells, stated, f"{mirrored:.2f} if angles count counter-clockwise")
    if len(boxes) >= _SEVERAL and wide.mean() >= _NEARLY_ALL:
        return (
            f"rotated boxes are wider than high ({wide.sum()} of {len(boxes)}), people are not: "
            "width and height are exchanged, or angles count from the horizontal"
        )
    if away.sum() >= _SEVERAL and len(np.unique(outwards[away] // 90)) >= max(quadrants, 2):
        stated = _agreement(along[away], outwards[away])
        # In a photograph from the side all stand one way, most of them beside its middle.
        one_way = abs(np.exp(2j * np.deg2rad(along[away])).mean()) > _ONE_WAY
        if stated <= -0.5 and not one_way:
            return _message(away, stated, f"{-stated:.2f} if angles count from the horizontal")
        if np.ptp(along) == 0 and len(np.unique(outwards[away] // 90)) > 2:
            return f"all {len(along)} angles are {along[0]:g}, all around the image centre"
    return ""


def _message(told: np.ndarray, stated: float, other: str) -> str:
    return (
        f"boxes off the centre ({told.sum()}) agree with the direction from it by {stated:.2f} (1 "
        f"along it, -1 across it), and by {other}"
    )


def _agreement(angles: np.ndarray, directions: np.ndarray) -> float:
    """Return how well axes agree with directions, in degrees: 1 if all are along, -1 across.

    Measured on real people: 0.5 to 1 as published, below -0.2 with the sign of the angles turned.
    """
    return float(np.cos(2 * np.deg2rad(angles - directions)).mean())
