"""What persons look like: skin, hair and clothes, painted on one small image per body part.

An atlas is float32 (parts, `TEXELS`, `TEXELS`, 3). Columns go once around the part, the middle
column being its front; rows go along its axis, from the top of the body or limb downwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wepdtof_pose.synthetic.flesh import PART_INDEX, PARTS, SIDES, Build
from wepdtof_pose.synthetic.rays import Array

Put = Callable[[str, Array], None]
TEXELS = 48
SKINS = [
    *((0.87, 0.67, 0.55), (0.80, 0.58, 0.45), (0.70, 0.48, 0.34), (0.55, 0.36, 0.24)),
    *((0.38, 0.24, 0.16), (0.26, 0.16, 0.11)),
]
HAIRS = [
    *((0.05, 0.04, 0.035), (0.10, 0.065, 0.045), (0.22, 0.13, 0.07), (0.42, 0.28, 0.14)),
    *((0.62, 0.47, 0.27), (0.50, 0.49, 0.48), (0.75, 0.74, 0.72), (0.33, 0.12, 0.06)),
]
CLOTHS = [
    *((0.07, 0.07, 0.08), (0.14, 0.15, 0.18), (0.85, 0.84, 0.82), (0.55, 0.56, 0.58)),
    *((0.10, 0.15, 0.30), (0.18, 0.32, 0.52), (0.50, 0.62, 0.74), (0.45, 0.09, 0.11)),
    *((0.72, 0.22, 0.18), (0.13, 0.30, 0.20), (0.35, 0.40, 0.25), (0.75, 0.60, 0.22)),
    *((0.70, 0.45, 0.50), (0.40, 0.26, 0.45), (0.48, 0.36, 0.26), (0.78, 0.70, 0.56)),
]
TROUSERS = [
    *((0.09, 0.10, 0.13), (0.13, 0.19, 0.30), (0.24, 0.33, 0.45), (0.06, 0.06, 0.065)),
    *((0.50, 0.44, 0.34), (0.32, 0.31, 0.30), (0.24, 0.22, 0.17), (0.62, 0.58, 0.50)),
]


def paint_person(rng: np.random.Generator, build: Build, *, office: bool = False) -> Array:
    """Return the atlas (parts, texels, texels, 3) of one person with random skin, hair and clothes.

    With `office` many wear black, grey or white, from head to foot or in parts.
    """
    atlas = np.empty((len(PARTS), TEXELS, TEXELS, 3), np.float32)
    skin = _colour(rng, SKINS, 0.08)
    hair = _colour(rng, HAIRS, 0.15)
    atlas[:] = skin

    def put(part: str, image: Array) -> None:
        atlas[PART_INDEX[part]] = image

    _dress_top(rng, put, skin)
    _dress_legs(rng, put, skin, build)
    if build.backpack and not build.skirt:
        put("extra", _cloth(rng, _colour(rng, CLOTHS, 0.1), plain=True))
    if build.coat:
        put("extra", _cloth(rng, _colour(rng, CLOTHS, 0.15)))
    _paint_head(rng, atlas, skin, hair, build)
    if office:
        _wear_plain(rng, atlas, build)
    return np.clip(atlas, 0.015, 0.95)


def _dress_top(rng: np.random.Generator, put: Put, skin: Array) -> None:
    colour = _colour(rng, CLOTHS, 0.12)
    shirt = _cloth(rng, colour)
    front = shirt.copy()
    middle = TEXELS // 2
    style = rng.choice(["plain", "logo", "buttons", "jacket", "lanyard"])
    if style == "logo":
        height, half = int(rng.integers(8, 18)), int(rng.integers(4, 8))
        top = int(rng.integers(14, 22))
        front[top : top + height, middle - half : middle + half] = _colour(rng, CLOTHS, 0.2)
    elif style == "buttons":
        front[:, middle - 1 : middle + 1] = colour * 0.6
    elif style == "jacket":
        half = int(rng.integers(2, 5))
        front[:, middle - half : middle + half] = _colour(rng, CLOTHS, 0.1)
    elif style == "lanyard":
        front[:, middle - 3 : middle - 2] = front[:, middle + 2 : middle + 3] = 0.08
        front[36:44, middle - 3 : middle + 3] = 0.9
    for part in ("chest", "belly"):
        put(part, front if part == "chest" or style != "logo" else shirt)
    put("yoke", np.full_like(shirt, 1) * colour)
    collar = shirt.copy()
    collar[:20, middle - 5 : middle + 5] = skin
    put("extra", collar * rng.uniform(0.75, 1.0))
    short = rng.random() < 0.45
    for side in SIDES:
        sleeve = shirt.copy()
        # The pattern would run together on the ball of the shoulder.
        sleeve[:9] = colour
        if short:
            sleeve[27:] = skin
        put(f"{side}_upper_arm", sleeve)
        if not short:
            cuff = shirt.copy()
            cuff[-7:] = skin
            put(f"{side}_forearm", cuff)


def _wear_plain(rng: np.random.Generator, atlas: Array, build: Build) -> None:
    """Turn the top, the legs or both into the greys and near-blacks of office clothes."""
    top = [*("belly", "chest", "yoke", "extra"), *(f"{side}_upper_arm" for side in SIDES)]
    legs = [*("pelvis",), *(f"{side}_{part}" for side in SIDES for part in ("thigh", "buttock"))]
    for parts, chance in ((top, 0.5), (legs, 0.45)):
        if rng.random() > chance:
            continue
        tone = rng.choice([0.025, 0.04, 0.06, 0.1, 0.3, 0.6, 0.85]) * rng.uniform(0.8, 1.2)
        tint = 1 + rng.normal(0, 0.12, 3) * (tone < 0.5)
        rows = [PART_INDEX[part] for part in parts]
        rows += [PART_INDEX[f"{side}_forearm"] for side in SIDES if parts is top]
        rows += [PART_INDEX[f"{side}_shin"] for side in SIDES if parts is legs and not build.skirt]
        folds = 1 + 0.2 * rng.standard_normal((len(rows), 8, 8))
        cloth = np.kron(folds, np.ones((6, 6)))[..., None] * tone * tint
        skin = atlas[PART_INDEX["nose"]][0, 0]
        bare = np.abs(atlas[rows] - skin).max(axis=-1, keepdims=True) < 0.12
        atlas[rows] = np.where(bare, atlas[rows], cloth).astype(np.float32)


def _dress_legs(rng: np.random.Generator, put: Put, skin: Array, build: Build) -> None:
    colour = _colour(rng, TROUSERS, 0.15)
    cloth = _cloth(rng, colour, plain=rng.random() < 0.93)
    belt = cloth.copy()
    belt[6:10] = rng.uniform(0.03, 0.3)
    put("pelvis", belt)
    shorts = rng.random() < 0.12
    bare = skin if rng.random() < 0.6 else np.full(3, 0.08)
    shoe = _colour(rng, [(0.05, 0.05, 0.05), (0.8, 0.8, 0.8), (0.3, 0.19, 0.11), *CLOTHS[6:9]], 0.1)
    for side in SIDES:
        put(f"{side}_buttock", cloth)
        leg = cloth.copy()
        if build.skirt:
            leg[:] = bare
        elif shorts:
            leg[34:] = skin
        put(f"{side}_thigh", leg)
        put(f"{side}_shin", np.full_like(leg, 1) * bare if build.skirt else cloth)
        if shorts and not build.skirt:
            put(f"{side}_shin", np.full_like(leg, 1) * skin)
        foot = np.full_like(leg, 1) * shoe
        foot[-10:] = np.clip(shoe * 1.25 + 0.06, 0, 0.9)
        put(f"{side}_foot", foot)
    if build.skirt:
        put("extra", _cloth(rng, _colour(rng, CLOTHS, 0.15)))


def _paint_head(
    rng: np.random.Generator, atlas: Array, skin: Array, hair: Array, build: Build
) -> None:
    bald = not build.long_hair and rng.random() < 0.08
    strands = hair * (1 + 0.16 * rng.standard_normal((1, TEXELS, 1)))
    top = np.broadcast_to(skin if bald else strands, (TEXELS, TEXELS, 3)).astype(np.float32)
    if rng.random() < 0.07:
        top = _cloth(rng, _colour(rng, CLOTHS, 0.1), plain=True)
    middle = TEXELS // 2
    skull = np.broadcast_to(skin, top.shape).copy()
    skull[:, : middle - 9], skull[:, middle + 9 :] = top[:, : middle - 9], top[:, middle + 9 :]
    skull[:12] = top[:12]
    atlas[PART_INDEX["skull"]] = skull
    atlas[PART_INDEX["hair"]] = top
    face = np.broadcast_to(skin, top.shape).copy()
    face[:, :10], face[:, -10:] = skin * 0.9, skin * 0.9
    for sign in (-1, 1):
        eye = middle + sign * 6
        face[17:20, eye - 2 : eye + 2] = 0.06
        face[12:15, eye - 4 : eye + 4] = hair * 0.9
    face[33:36, middle - 5 : middle + 5] = skin * [0.85, 0.55, 0.55]
    if not build.long_hair and rng.random() < 0.3:
        face[38:, 6:-6] = hair * 1.2
        face[29:33, middle - 7 : middle + 7] = hair * 1.2
    if rng.random() < 0.2:
        face[15:23, middle - 11 : middle + 11][::7] = 0.04
    atlas[PART_INDEX["face"]] = face
    atlas[PART_INDEX["nose"]] = np.clip(skin * 1.08, 0, 0.95)


def _colour(rng: np.random.Generator, palette: list, spread: float) -> Array:
    base = np.array(palette[rng.integers(len(palette))])
    return (base * rng.uniform(1 - spread, 1 + spread) * rng.uniform(0.95, 1.05, 3)).astype(
        np.float32
    )


def _cloth(rng: np.random.Generator, colour: Array, *, plain: bool = False) -> Array:
    image = np.empty((TEXELS, TEXELS, 3), np.float32)
    image[:] = colour
    pattern = (
        "plain" if plain else rng.choice(["plain", "plain", "rows", "columns", "checks", "print"])
    )
    other = _colour(rng, CLOTHS, 0.2)
    period, phase = int(rng.integers(5, 13)), int(rng.integers(8))
    rows = (np.arange(TEXELS) + phase) % period < period // 2
    columns = (np.arange(TEXELS) + phase) % max(period // 2 * 2, 4) < 2
    if pattern == "rows":
        image[rows] = other
    elif pattern == "columns":
        image[:, columns] = other
    elif pattern == "checks":
        image[rows] = image[rows] * 0.5 + other * 0.5
        image[:, columns] = image[:, columns] * 0.5 + other * 0.5
    elif pattern == "print":
        spots = np.kron(rng.random((12, 12)) < 0.3, np.ones((4, 4), bool))
        image[spots] = other
    folds = rng.standard_normal((8, 8))
    image *= 1 + 0.06 * np.kron(folds, np.ones((6, 6)))[..., None]
    return image * (1 + 0.03 * rng.standard_normal((TEXELS, TEXELS, 1))).astype(np.float32)
