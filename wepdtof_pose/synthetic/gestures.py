"""What people do with their bodies: angles of the upper body, of sitting and of stooping.

Each entry names the angles that differ from a person who stands at ease.
"""

from __future__ import annotations

from wepdtof_pose.synthetic.bodies import ANGLES, Pose

ARMS = {
    "relaxed": {},
    "phone": {"raise_right": 0.55, "turn_right": 0.5, "elbow_right": 1.9, "nod": 0.5},
    "call": {"raise_left": 0.7, "spread_left": 0.5, "turn_left": 0.3, "elbow_left": 2.4},
    "folded": {
        "raise_right": 0.45,
        "turn_right": 1.15,
        "elbow_right": 1.75,
        "raise_left": 0.5,
        "turn_left": 1.1,
        "elbow_left": 1.65,
    },
    "akimbo": {
        "raise_right": -0.35,
        "spread_right": 0.75,
        "turn_right": 0.9,
        "elbow_right": 1.5,
        "raise_left": -0.35,
        "spread_left": 0.75,
        "turn_left": 0.9,
        "elbow_left": 1.5,
    },
    "talk": {
        "raise_right": 0.4,
        "elbow_right": 1.6,
        "turn_right": -0.1,
        "raise_left": 0.3,
        "elbow_left": 1.2,
    },
    "point": {"raise_right": 1.45, "spread_right": 0.25, "elbow_right": 0.1, "turn_right": 0.0},
    "carry": {
        "raise_right": 0.35,
        "elbow_right": 1.35,
        "turn_right": 0.25,
        "raise_left": 0.35,
        "elbow_left": 1.35,
        "turn_left": 0.25,
    },
    "bag": {
        "raise_left": 0.1,
        "elbow_left": 0.15,
        "spread_left": 0.18,
        "raise_right": 0.3,
        "elbow_right": 0.9,
    },
}
REACHES = {
    "up": {"raise_right": 2.6, "elbow_right": 0.3, "nod": -0.3, "spread_right": 0.2},
    "up both": {
        "raise_right": 2.4,
        "raise_left": 2.5,
        "elbow_right": 0.4,
        "elbow_left": 0.3,
        "nod": -0.25,
    },
    "ahead": {
        "raise_left": 1.4,
        "elbow_left": 0.25,
        "raise_right": 0.9,
        "elbow_right": 0.7,
        "bow": 0.15,
    },
    "aside": {"spread_right": 1.4, "elbow_right": 0.2, "tilt": 0.15, "look": -0.5},
    "wave": {"raise_left": 1.0, "spread_left": 1.6, "elbow_left": 1.2, "turn_left": -0.8},
}
SEATED = {
    "typing": {
        "raise_right": 0.5,
        "elbow_right": 1.15,
        "raise_left": 0.5,
        "elbow_left": 1.15,
        "lean": 0.15,
    },
    "resting": {"raise_right": 0.3, "elbow_right": 0.75, "raise_left": 0.35, "elbow_left": 0.7},
    "back": {
        "lean": -0.2,
        "raise_right": 0.25,
        "elbow_right": 1.0,
        "raise_left": 0.2,
        "elbow_left": 0.9,
    },
    "forward": {
        "lean": 0.6,
        "raise_right": 0.75,
        "elbow_right": 1.3,
        "raise_left": 0.75,
        "elbow_left": 1.3,
        "turn_right": 0.6,
    },
    "reading": {
        "raise_right": 0.6,
        "elbow_right": 1.5,
        "raise_left": 0.6,
        "elbow_left": 1.5,
        "nod": 0.5,
    },
}
LOW = {
    "bend": {
        "bow": 0.75,
        "lean": 0.5,
        "raise_right": 1.3,
        "raise_left": 1.1,
        "elbow_right": 0.3,
        "hip_right": 0.28,
        "hip_left": 0.25,
        "knee_right": 0.25,
        "knee_left": 0.2,
    },
    "stoop": {
        "bow": 0.4,
        "lean": 0.35,
        "raise_right": 0.9,
        "elbow_right": 0.5,
        "hip_right": 0.15,
        "hip_left": 0.15,
        "knee_right": 0.1,
        "knee_left": 0.1,
        "nod": 0.3,
    },
    "crouch": {
        "bow": 0.55,
        "lean": 0.35,
        "hip_right": 1.95,
        "hip_left": 1.9,
        "knee_right": 2.3,
        "knee_left": 2.2,
        "raise_right": 0.9,
        "raise_left": 1.0,
        "elbow_right": 0.7,
        "straddle_right": 0.25,
        "straddle_left": 0.25,
        "toe_right": 0.3,
        "toe_left": 0.25,
    },
    "half crouch": {
        "bow": 0.6,
        "lean": 0.3,
        "hip_right": 1.15,
        "hip_left": 1.1,
        "knee_right": 1.5,
        "knee_left": 1.45,
        "raise_right": 1.0,
        "raise_left": 0.8,
        "elbow_right": 0.4,
    },
}


def mirror_pose(pose: Pose) -> Pose:
    """The pose with right and left exchanged."""
    swapped = {
        name: getattr(
            pose, name.replace("right", "*").replace("left", "right").replace("*", "left")
        )
        for name in ANGLES
    }
    for name in ("tilt", "twist", "look"):
        swapped[name] = -swapped[name]
    return Pose(**swapped)
