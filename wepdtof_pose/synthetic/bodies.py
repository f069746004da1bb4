"""Articulated persons: a `Build` and a `Pose` become joints and the round cones around them.

The body frame is x to the person's right, y forward, z up (right-handed), so that a person who
faces the world's +y has the right side at +x. Angles are radians, lengths metres. Proportions
follow Drillis and Contini (1966), as fractions of the stature.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace

import numpy as np

from wepdtof_pose.synthetic.flesh import SIDES, Build, add_flesh
from wepdtof_pose.synthetic.rays import Array, Cones

JOINTS = (
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "head_top",
    "neck",
)


@dataclass(frozen=True)
class Pose:
    """Joint angles; for arms and legs a pair (right, left).

    `bow` tips the pelvis forward over the legs, `lean` bends the spine forward, `tilt` to
    the right, `twist` turns the shoulders to the left. `nod` and `look` move the head down
    and to the left. Arms: `raise_` (forward), `spread` (sideways), `turn` (inwards about
    the upper arm), `elbow`. Legs:
    `hip` (forward), `straddle` (sideways), `knee`, `toe` (heel up).
    """

    bow: float = 0.0
    lean: float = 0.03
    tilt: float = 0.0
    twist: float = 0.0
    nod: float = 0.05
    look: float = 0.0
    raise_right: float = 0.05
    raise_left: float = 0.05
    spread_right: float = 0.12
    spread_left: float = 0.12
    turn_right: float = 0.2
    turn_left: float = 0.2
    elbow_right: float = 0.25
    elbow_left: float = 0.25
    hip_right: float = 0.03
    hip_left: float = 0.03
    straddle_right: float = 0.05
    straddle_left: float = 0.05
    knee_right: float = 0.05
    knee_left: float = 0.05
    toe_right: float = 0.0
    toe_left: float = 0.0

    def blend(self, other: Pose, weight: float) -> Pose:
        """Return this pose moved by `weight` (0 to 1) towards the other one."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Pose(*(a + weight * (b - a) for a, b in pairs))

    def jitter(self, offsets: Array) -> Pose:
        """Return this pose with `offsets` (radians, one an angle) added."""
        return Pose(*(a + float(o) for a, o in zip(astuple(self), offsets, strict=True)))


ANGLES = tuple(field.name for field in fields(Pose))


@dataclass(frozen=True)
class Body:
    """One posed person: `joints` (14, 3) in `JOINTS` order and `cones` in `PARTS` order."""

    joints: Array
    cones: Cones


def pose_body(
    build: Build, pose: Pose, position: Array, yaw: float, *, seat: float | None = None
) -> Body:
    """Return the body of a person who stands at `position` (2,) of the floor and faces `yaw`.

    `yaw` 0 faces +y and grows counter-clockwise seen from above. The feet are put on the
    floor and `position` is midway between the ankles; with `seat` (height in metres) the
    pelvis is put on that seat over `position`, and the legs are bent to reach the floor.
    """
    if seat is not None:
        pose = _seated_legs(build, pose, seat)
    joints, frames = _skeleton(build, pose, yaw)
    if seat is None:
        middle = (joints["right_ankle"] + joints["left_ankle"])[:2] / 2
        low = min(
            min(joints[f"{side}_ankle"][2] - 0.04 * build.stature, joints[f"{side}_ball"][2] - 0.03)
            for side in SIDES
        )
    else:
        middle = joints["pelvis"][:2]
        low = joints["pelvis"][2] - seat - 0.064 * build.stature * build.girth**0.5
    shift = np.array([position[0] - middle[0], position[1] - middle[1], -low])
    joints = {name: point + shift for name, point in joints.items()}
    return Body(np.stack([joints[name] for name in JOINTS]), add_flesh(build, joints, frames))


def _seated_legs(build: Build, pose: Pose, seat: float) -> Pose:
    s = build.stature
    hip_height = seat + 0.064 * s * build.girth**0.5
    legs = {}
    for side in SIDES:
        out = getattr(pose, f"knee_{side}") - np.pi / 2
        knee_height = 0.246 * s * np.cos(out) + 0.04 * s
        rise = np.arcsin(np.clip((knee_height - hip_height) / (0.245 * s), -0.9, 0.6))
        legs[f"hip_{side}"] = np.pi / 2 + rise
        # The shin leans by `out` whatever the slope of the thigh.
        legs[f"knee_{side}"] = np.pi / 2 + rise + out
    return replace(pose, **legs)


def _skeleton(build: Build, pose: Pose, yaw: float) -> tuple[dict[str, Array], dict[str, Array]]:
    s = build.stature
    upright = _about_z(yaw)
    pelvis = upright @ _about_x(-pose.bow)
    half = pelvis @ _about_y(pose.tilt / 2) @ _about_x(-pose.lean / 2) @ _about_z(pose.twist / 2)
    chest = half @ _about_y(pose.tilt / 2) @ _about_x(-pose.lean / 2) @ _about_z(pose.twist / 2)
    head = chest @ _about_z(pose.look) @ _about_x(-pose.nod + 0.6 * pose.lean + 0.6 * pose.bow)
    joints = {"pelvis": np.zeros(3)}
    joints["waist"] = half @ np.array([0, 0, 0.10 * s])
    joints["chest"] = joints["waist"] + chest @ np.array([0, 0, 0.10 * s])
    joints["neck"] = joints["chest"] + chest @ np.array([0, -0.005 * s, 0.118 * s])
    joints["head"] = joints["neck"] + head @ np.array([0, 0.022 * s, 0.098 * s])
    joints["head_top"] = joints["head"] + head @ np.array([0, -0.008 * s, 0.072 * s])
    frames = {"pelvis": pelvis, "half": half, "chest": chest, "head": head}
    for side, sign in SIDES.items():
        shoulder = np.array([sign * 0.108 * s * build.shoulder_width, -0.005 * s, 0.093 * s])
        joints[f"{side}_shoulder"] = joints["chest"] + chest @ shoulder
        upper = (
            chest
            @ _about_x(getattr(pose, f"raise_{side}"))
            @ _about_y(-sign * getattr(pose, f"spread_{side}"))
            @ _about_z(sign * getattr(pose, f"turn_{side}"))
        )
        fore = upper @ _about_x(getattr(pose, f"elbow_{side}"))
        joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] - upper[:, 2] * 0.172 * s
        joints[f"{side}_wrist"] = joints[f"{side}_elbow"] - fore[:, 2] * 0.146 * s
        joints[f"{side}_fingers"] = joints[f"{side}_wrist"] - fore[:, 2] * 0.075 * s
        hip = np.array([sign * 0.056 * s * build.hip_width, 0, -0.005 * s])
        joints[f"{side}_hip"] = pelvis @ hip
        thigh = (
            upright
            @ _about_x(getattr(pose, f"hip_{side}"))
            @ _about_y(-sign * getattr(pose, f"straddle_{side}"))
        )
        shin = thigh @ _about_x(-getattr(pose, f"knee_{side}"))
        joints[f"{side}_knee"] = joints[f"{side}_hip"] - thigh[:, 2] * 0.245 * s
        joints[f"{side}_ankle"] = joints[f"{side}_knee"] - shin[:, 2] * 0.246 * s
        foot = upright @ _about_z(-sign * 0.12) @ _about_x(-getattr(pose, f"toe_{side}"))
        ankle = joints[f"{side}_ankle"]
        joints[f"{side}_heel"] = ankle + foot @ np.array([0, -0.02 * s, -0.018 * s])
        joints[f"{side}_ball"] = ankle + foot @ np.array([0, 0.10 * s, -0.04 * s + 0.03])
        frames |= {f"{side}_upper": upper, f"{side}_fore": fore, f"{side}_foot": foot}
        frames |= {f"{side}_thigh": thigh, f"{side}_shin": shin}
    return joints, frames


def _about_x(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
