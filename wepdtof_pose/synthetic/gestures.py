"""What people do with their bodies: angles of the upper body, of sitting and of stooping.

Each entry names the angles that differ from a person who stands at ease.
"""

from __future__ import annotations

import numpy as np

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


AT_TABLES = {
    "writing": {
        **{"lean": 0.75, "raise_right": 0.95, "elbow_right": 1.25, "turn_right": 0.55},
        **{"raise_left": 0.85, "elbow_left": 1.4, "turn_left": 0.7, "nod": 0.55},
    },
    "bent low": {
        **{"bow": 0.35, "lean": 0.9, "raise_right": 1.3, "elbow_right": 1.3, "turn_right": 0.9},
        **{"raise_left": 1.2, "elbow_left": 1.5, "turn_left": 0.9, "nod": 0.6},
    },
    "head on hand": {
        **{"lean": 0.5, "raise_right": 0.9, "elbow_right": 2.2, "turn_right": 0.3, "tilt": 0.2},
        **{"raise_left": 0.7, "elbow_left": 1.5, "turn_left": 0.9, "nod": 0.3},
    },
    "hands on head": {
        **{"raise_right": 1.9, "spread_right": 0.9, "elbow_right": 2.1, "turn_right": 0.2},
        **{"raise_left": 1.9, "spread_left": 0.9, "elbow_left": 2.1, "turn_left": 0.2},
        **{"lean": -0.15},
    },
    "reaching over": {
        **{"lean": 0.6, "bow": 0.2, "raise_right": 1.5, "elbow_right": 0.2, "turn_right": 0.1},
        **{"raise_left": 0.7, "elbow_left": 1.4, "turn_left": 0.6, "twist": 0.3},
    },
    "sunk back": {
        **{"lean": -0.35, "bow": -0.3, "raise_right": 0.5, "elbow_right": 1.6, "turn_right": 1.0},
        **{"raise_left": 0.5, "elbow_left": 1.5, "turn_left": 1.0, "nod": 0.4},
    },
    "turned away": {
        **{"twist": 0.8, "look": 0.5, "raise_right": 0.8, "elbow_right": 0.6, "raise_left": -0.4},
        **{"elbow_left": 0.9, "spread_left": 0.4},
    },
    "hands at face": {
        **{"lean": 0.2, "raise_right": 1.1, "elbow_right": 2.3, "turn_right": 0.5, "nod": 0.35},
        **{"raise_left": 1.1, "elbow_left": 2.3, "turn_left": 0.5},
    },
}


def draw_pose(rng: np.random.Generator, *, legs: bool = False) -> Pose:
    """Draw a pose like no other: random angles of back, head and arms; with `legs` of legs too."""
    angles: dict[str, float] = {
        "bow": float(np.clip(rng.normal(0.08, 0.2), -0.25, 0.7)),
        "lean": float(np.clip(rng.normal(0.2, 0.3), -0.35, 1.0)),
        "tilt": float(rng.normal(0, 0.15)),
        "twist": float(rng.normal(0, 0.3)),
        "nod": float(rng.normal(0.25, 0.3)),
        "look": float(rng.normal(0, 0.35)),
    }
    for side in ("right", "left"):
        high = rng.random() < 0.2
        angles[f"raise_{side}"] = float(rng.uniform(1.4, 2.9) if high else rng.uniform(-0.5, 1.5))
        angles[f"spread_{side}"] = float(np.abs(rng.normal(0.1, 0.35)))
        angles[f"turn_{side}"] = float(rng.uniform(-0.4, 1.2))
        angles[f"elbow_{side}"] = float(rng.uniform(0, 2.3))
        if legs:
            angles[f"hip_{side}"] = float(rng.uniform(0, 1.4))
            angles[f"knee_{side}"] = angles[f"hip_{side}"] * float(rng.uniform(0.8, 1.5))
            angles[f"straddle_{side}"] = float(rng.uniform(0, 0.4))
    return Pose(**angles)


def mirror_pose(pose: Pose) -> Pose:
    """Return the pose with right and left exchanged."""
    swapped = {
        name: getattr(
            pose, name.replace("right", "*").replace("left", "right").replace("*", "left")
        )
        for name in ANGLES
    }
    for name in ("tilt", "twist", "look"):
        swapped[name] = -swapped[name]
    return Pose(**swapped)
