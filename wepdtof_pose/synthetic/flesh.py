"""The flesh on a skeleton: a person's `Build`, and the round cones of its `PARTS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wepdtof_pose.synthetic.rays import Array, Cones

SIDES = {"right": 1.0, "left": -1.0}
PARTS = (
    *("pelvis", "belly", "chest", "yoke", "neck", "skull", "face", "nose", "hair", "extra"),
    *(
        f"{side}_{part}"
        for side in SIDES
        for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot", "buttock", "ear")
    ),
)
PART_INDEX = {name: index for index, name in enumerate(PARTS)}


@dataclass(frozen=True)
class Build:
    """Size and shape of one person, and what is worn or carried.

    `limbs` scales the thickness of arms and legs, `hair` that of the hair; a `coat` or a
    dress hides the legs down to its hem, at this share of the way from the pelvis to the ankles
    (0: none); a `brim` is that of a hat, over its crown's radius (0: none).
    """

    stature: float
    girth: float
    shoulder_width: float
    hip_width: float
    long_hair: bool = False
    skirt: bool = False
    loose_sleeves: float = 1.0
    backpack: bool = False
    limbs: float = 1.0
    hair: float = 1.0
    coat: float = 0.0
    brim: float = 0.0


def draw_build(rng: np.random.Generator, *, office: bool = False) -> Build:
    """Draw a random adult, now and then a child; with `office` also thin limbs, coats, hats."""
    woman = rng.random() < 0.5
    child = rng.random() < 0.06
    stature = rng.normal(1.64, 0.06) if woman else rng.normal(1.77, 0.07)
    if child:
        stature = rng.uniform(1.15, 1.5)
    build = Build(
        stature=float(np.clip(stature, 1.1, 1.98)),
        girth=float(np.clip(rng.normal(1.0, 0.13), 0.8, 1.45)),
        shoulder_width=float(rng.normal(0.96 if woman else 1.04, 0.03)),
        hip_width=float(rng.normal(1.06 if woman else 0.97, 0.03)),
        long_hair=bool(rng.random() < (0.6 if woman else 0.06)),
        skirt=bool(woman and rng.random() < 0.2),
        loose_sleeves=float(rng.uniform(1.0, 1.25)),
        backpack=bool(rng.random() < 0.12),
    )
    if not office:
        return build
    coat = not build.skirt and rng.random() < 0.15
    return replace(
        build,
        backpack=build.backpack and not coat,
        loose_sleeves=float(rng.uniform(0.9, 1.45)),
        limbs=float(rng.uniform(0.72, 1.1)),
        hair=float(rng.uniform(0.95, 1.3)),
        coat=float(rng.uniform(0.3, 0.95)) if coat else 0.0,
        brim=float(rng.uniform(1.2, 1.7)) if rng.random() < 0.06 else 0.0,
    )


def add_flesh(build: Build, joints: dict[str, Array], frames: dict[str, Array]) -> Cones:
    """Return the cones of a body, in `PARTS` order, from its joints and the frames of its bones."""
    rows: dict[str, tuple[Any, ...]] = {}

    def put(
        name: str,
        a: Array,
        b: Array,
        r0: float,
        r1: float,
        front: Array,
        stretch: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        rows[name] = (a, b, r0, r1, front, stretch)

    _put_trunk(build, joints, frames, put)
    _put_head(build, joints, frames, put)
    _put_extra(build, joints, frames, put)
    for side, sign in SIDES.items():
        _put_limbs(side, sign, build, joints, frames, put)
    return _cones([rows[name] for name in PARTS])


def _put_trunk(
    build: Build, joints: dict[str, Array], frames: dict[str, Array], put: Callable[..., None]
) -> None:
    s, g, j = build.stature, build.girth, joints
    pelvis, half, chest = (frames[name] for name in ("pelvis", "half", "chest"))
    belly, waist = 0.062 * s * g, 0.067 * s * g**0.7
    hips = (1.42 * build.hip_width, 1)
    put("pelvis", j["waist"], j["pelvis"], belly, waist, pelvis[:, 1], hips)
    put("belly", j["chest"], j["waist"], 0.062 * s * g**0.7, belly, half[:, 1], (1.36, 1.02))
    put(
        "chest",
        j["chest"] + chest @ np.array([0, 0, 0.055]) * s,
        j["chest"] - chest @ np.array([0, 0, 0.03]) * s,
        0.068 * s * g**0.5,
        0.064 * s * g**0.7,
        chest[:, 1],
        (1.46 * build.shoulder_width, 1.0),
    )
    yoke = chest @ np.array([0, -0.006, -0.006]) * s
    put(
        "yoke",
        j["right_shoulder"] * 0.9 + j["left_shoulder"] * 0.1 + yoke,
        j["left_shoulder"] * 0.9 + j["right_shoulder"] * 0.1 + yoke,
        0.042 * s * g**0.4,
        0.0421 * s * g**0.4,
        chest[:, 1],
        (1.0, 1.12),
    )
    put("neck", j["head"], j["neck"], 0.031 * s, 0.038 * s * g**0.4, chest[:, 1])


def _put_head(
    build: Build, joints: dict[str, Array], frames: dict[str, Array], put: Callable[..., None]
) -> None:
    s, head, centre = build.stature, frames["head"], joints["head"]
    front = head[:, 1]

    def offset(x: float, y: float, z: float) -> Array:
        return head @ np.array([x, y, z]) * s

    skull = centre + offset(0, -0.010, 0.018)
    put("skull", skull, skull - offset(0, 0, 0.01), 0.052 * s, 0.051 * s, front, (0.88, 1.08))
    face, chin = centre + offset(0, 0.012, 0), centre + offset(0, 0.018, -0.036)
    put("face", face, chin, 0.042 * s, 0.026 * s, front, (0.95, 1.0))
    bridge, tip = centre + offset(0, 0.052, 0.006), centre + offset(0, 0.062, -0.012)
    put("nose", bridge, tip, 0.0055 * s, 0.0095 * s, front)
    if build.brim:
        crown = centre + offset(0, 0.004, 0.045)
        wide = 1.1 * build.brim
        rim = crown - offset(0, 0, 0.016)
        put("hair", crown, rim, 0.045 * s, 0.052 * s, front, (wide, wide))
    elif build.long_hair:
        crown, nape = centre + offset(0, -0.024, 0.022), centre + offset(0, -0.040, -0.075)
        put("hair", crown, nape, 0.054 * s * build.hair, 0.036 * s, front, (0.98, 0.9))
    else:
        crown, nape = centre + offset(0, -0.022, 0.024), centre + offset(0, -0.030, -0.012)
        put("hair", crown, nape, 0.052 * s * build.hair, 0.040 * s, front, (0.93, 0.98))
    for side, sign in SIDES.items():
        ear = centre + offset(sign * 0.047, -0.008, 0.002)
        lobe = ear - offset(0, 0.004, 0.012)
        put(f"{side}_ear", ear, lobe, 0.012 * s, 0.008 * s, front, (0.5, 1))


def _put_limbs(
    side: str,
    sign: float,
    build: Build,
    joints: dict[str, Array],
    frames: dict[str, Array],
    put: Callable[..., None],
) -> None:
    s, g, thin, j = build.stature, build.girth, build.limbs, joints
    thick, sleeve = 0.029 * s * g**0.5 * thin, build.loose_sleeves
    upper, fore = frames[f"{side}_upper"][:, 1], frames[f"{side}_fore"][:, 1]
    shoulder, elbow = j[f"{side}_shoulder"], j[f"{side}_elbow"]
    wrist, fingers = j[f"{side}_wrist"], j[f"{side}_fingers"]
    put(f"{side}_upper_arm", shoulder, elbow, 1.25 * thick * sleeve**0.5, thick * sleeve, upper)
    put(f"{side}_forearm", elbow, wrist, 0.95 * thick * sleeve, 0.68 * thick * sleeve, fore)
    palm = wrist * 0.75 + fingers * 0.25
    put(f"{side}_hand", palm, fingers, 0.021 * s, 0.014 * s, fore, (0.62, 1.05))
    hip, knee, ankle = (j[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    thigh, shin = frames[f"{side}_thigh"][:, 1], frames[f"{side}_shin"][:, 1]
    put(f"{side}_thigh", hip, knee, 0.052 * s * g**0.6 * thin, 0.034 * s * g**0.4 * thin, thigh)
    calf = knee * 0.98 + ankle * 0.02
    put(f"{side}_shin", calf, ankle, 0.034 * s * g**0.4 * thin, 0.024 * s * thin, shin)
    foot, heel, ball = frames[f"{side}_foot"], j[f"{side}_heel"], j[f"{side}_ball"]
    put(f"{side}_foot", heel, ball, 0.024 * s, 0.021 * s, foot[:, 2], (1.2, 0.9))
    pelvis = frames["pelvis"]
    seat = hip + pelvis @ np.array([sign * -0.008, -0.022, 0.0]) * s
    put(f"{side}_buttock", seat, hip, 0.056 * s * g**0.6, 0.05 * s * g**0.6, pelvis[:, 1])


def _put_extra(
    build: Build, joints: dict[str, Array], frames: dict[str, Array], put: Callable[..., None]
) -> None:
    s = build.stature
    chest, pelvis = frames["chest"], frames["pelvis"]
    if build.coat:
        feet = (joints["right_ankle"] + joints["left_ankle"]) / 2
        knees = (joints["right_knee"] + joints["left_knee"]) / 2
        along = 2 * build.coat
        hem = (
            joints["pelvis"] * (1 - along) + knees * along
            if along < 1
            else knees * (2 - along) + feet * (along - 1)
        )
        put("extra", joints["waist"], hem, 0.074 * s, 0.1 * s, pelvis[:, 1], (1.3, 1.0))
    elif build.skirt:
        hem = (joints["right_knee"] + joints["left_knee"]) / 2 * 0.95 + joints["pelvis"] * 0.05
        put("extra", joints["pelvis"], hem, 0.075 * s, 0.095 * s, pelvis[:, 1], (1.25, 0.95))
    elif build.backpack:
        top = joints["chest"] + chest @ np.array([0, -0.105, 0.05]) * s
        low = joints["waist"] + chest @ np.array([0, -0.11, 0.02]) * s
        put("extra", top, low, 0.06 * s, 0.072 * s, chest[:, 1], (1.25, 0.85))
    else:
        # A collar: every person has the same list of parts, so that arrays stay rectangular.
        low = joints["neck"] - chest @ np.array([0, 0.0, 0.03]) * s
        put("extra", joints["neck"], low, 0.041 * s, 0.05 * s, chest[:, 1], (1.1, 1.0))


def _cones(rows: list[tuple[Any, ...]]) -> Cones:
    a = np.array([row[0] for row in rows])
    b = np.array([row[1] for row in rows])
    r0, r1 = np.array([row[2] for row in rows]), np.array([row[3] for row in rows])
    front = np.array([row[4] for row in rows])
    stretch = np.array([(*row[5], 1.0) for row in rows])
    axis = b - a
    length = np.linalg.norm(axis, axis=1)
    # The tangent cone needs the ends further apart than the difference of their radii.
    height = np.maximum(length, 1.2 * np.abs(r0 - r1) + 1e-4)
    z = axis / np.maximum(length, 1e-9)[:, None]
    y = front - (front * z).sum(axis=1, keepdims=True) * z
    y /= np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-9)
    x = np.cross(y, z)
    to_local = np.stack([x, y, z], axis=1) / stretch[:, :, None]
    return Cones(to_local, a, height, r0, r1)
