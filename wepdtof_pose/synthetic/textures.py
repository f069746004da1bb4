"""Surfaces painted as small images: floors, walls, furniture materials.

Every function takes a numpy Generator and returns a float32 image (height, width, 3), RGB
reflectance in 0 to 1, at `PIXELS_PER_METRE` where a length matters.
"""

from __future__ import annotations

import cv2
import numpy as np

from wepdtof_pose.synthetic.rays import Array

PIXELS_PER_METRE = 80


def rough(rng: np.random.Generator, height: int, width: int, *, cell: int, grain: float) -> Array:
    """Return smooth noise (height, width) of mean 0: blotches `cell` pixels wide and fine grain."""
    coarse = rng.standard_normal((height // cell + 3, width // cell + 3)).astype(np.float32)
    blotches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    fine = rng.standard_normal((height, width), dtype=np.float32)
    return blotches * (1 - grain) + fine * grain


def paint_floor(rng: np.random.Generator, size: tuple[float, float]) -> Array:
    """Return a floor of `size` (x, y) metres: carpet, carpet or stone tiles, wood, concrete."""
    width, height = (round(length * PIXELS_PER_METRE) for length in size)
    kind = rng.choice(["carpet", "carpet tiles", "tiles", "wood", "concrete"])
    base = _floor_colour(rng, kind)
    image = np.empty((height, width, 3), np.float32)
    image[:] = base
    if kind == "carpet":
        image *= 1 + 0.10 * rough(rng, height, width, cell=24, grain=0.75)[..., None]
    elif kind == "carpet tiles":
        image *= 1 + 0.08 * rough(rng, height, width, cell=40, grain=0.7)[..., None]
        image *= _checker(rng, height, width, round(0.5 * PIXELS_PER_METRE), spread=0.07)
    elif kind == "tiles":
        side = round(rng.uniform(0.3, 0.65) * PIXELS_PER_METRE)
        image *= _checker(rng, height, width, side, spread=rng.choice([0.02, 0.05, 0.16]))
        image *= 1 + 0.03 * rough(rng, height, width, cell=12, grain=0.4)[..., None]
        joint = base * rng.uniform(0.55, 0.85)
        thick = int(rng.integers(1, 3))
        for at in range(0, height, side):
            image[at : at + thick] = joint
        for at in range(0, width, side):
            image[:, at : at + thick] = joint
    elif kind == "wood":
        image *= _planks(rng, height, width)[..., None]
    else:
        image *= 1 + 0.09 * rough(rng, height, width, cell=60, grain=0.2)[..., None]
        image *= 1 + 0.04 * rough(rng, height, width, cell=9, grain=0.5)[..., None]
    if rng.random() < 0.25:
        _rug(rng, image)
    return np.clip(image, 0.02, 0.95)


def paint_wall(
    rng: np.random.Generator, length: float, height: float, base: Array, *, office: bool = False
) -> Array:
    """Return a wall from inside, top row first: paint, skirting, doors, boards, windows, posters.

    With `office` there are curtains, and windows through which the day shines in.
    """
    w, h = round(length * PIXELS_PER_METRE), round(height * PIXELS_PER_METRE)
    image = np.empty((h, w, 3), np.float32)
    image[:] = base
    image *= 1 + 0.02 * rough(rng, h, w, cell=80, grain=0.25)[..., None]
    if rng.random() < 0.25:
        image[round(h * 0.62) :] *= np.float32(rng.uniform(0.6, 0.9))
    image[-round(0.09 * PIXELS_PER_METRE) :] = base * rng.uniform(0.3, 0.8)
    at = rng.uniform(0.2, 0.9)
    while at < length - 1.4:
        kind = rng.choice(WALL_PIECES)
        width = _wall_piece(rng, image, kind, at, height, length)
        at += width + rng.uniform(0.3, 1.6)
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(0.1, length - 0.2), rng.choice([0.3, 1.1])
        _rectangle(image, x, height - y - 0.09, 0.09, 0.09, base * rng.uniform(0.7, 1.1))
    image = np.clip(image, 0.02, 0.98)
    if office:
        _hang_office(rng, image, length, height)
    return image


def paint_material(rng: np.random.Generator, kind: str) -> Array:
    """Return a furniture material as a square image of 1.28 m: wood, plain, metal or fabric."""
    side = 128
    if kind == "wood":
        base = np.array(WOODS[rng.integers(len(WOODS))], np.float32) * rng.uniform(0.7, 1.15)
        grain = rough(rng, side, side, cell=32, grain=0.1)
        rings = np.sin(np.arange(side) * 0.55 + 5 * grain + 3 * rng.random()) * 0.06
        streak = cv2.blur(rng.standard_normal((side, side)).astype(np.float32), (41, 1)) * 0.35
        return base * (1 + rings.T + streak)[..., None].astype(np.float32)
    image = np.empty((side, side, 3), np.float32)
    if kind == "plain":
        image[:] = rng.choice([0.85, 0.7, 0.35, 0.12, 0.55]) * rng.uniform(0.85, 1.05, 3)
    elif kind == "metal":
        image[:] = rng.uniform(0.08, 0.5)
    else:
        image[:] = FABRICS[rng.integers(len(FABRICS))]
        image *= 1 + 0.12 * rough(rng, side, side, cell=20, grain=0.8)[..., None]
    return np.clip(image * (1 + 0.01 * rng.standard_normal((side, side, 1))), 0.02, 0.95).astype(
        np.float32
    )


WALL_PIECES = ["door", "door", "board", "window", "poster", "panel", "nothing", "nothing"]
WOODS = [(0.55, 0.36, 0.21), (0.68, 0.50, 0.32), (0.40, 0.25, 0.15), (0.76, 0.63, 0.46)]
FABRICS = [
    *((0.50, 0.14, 0.15), (0.16, 0.22, 0.36), (0.12, 0.12, 0.13), (0.30, 0.33, 0.34)),
    *((0.20, 0.34, 0.28), (0.62, 0.56, 0.47), (0.55, 0.32, 0.12), (0.30, 0.20, 0.34)),
]


def _floor_colour(rng: np.random.Generator, kind: str) -> Array:
    if kind == "wood":
        base = np.array(WOODS[rng.integers(len(WOODS))]) * rng.uniform(0.8, 1.2)
    elif kind.startswith("carpet"):
        base = rng.uniform(0.14, 0.42) * (1 + rng.uniform(-0.22, 0.22, 3))
    else:
        base = rng.uniform(0.32, 0.78) * np.array([1.0, 0.97, rng.uniform(0.82, 1.0)])
    return base.astype(np.float32)


def _checker(
    rng: np.random.Generator, height: int, width: int, side: int, *, spread: float
) -> Array:
    rows, columns = height // side + 1, width // side + 1
    tone = 1 + spread * rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    if spread > 0.1:
        tone = 1 + spread * np.where(np.indices((rows, columns)).sum(axis=0) % 2, 1, -1)
    return np.kron(tone, np.ones((side, side)))[:height, :width, None].astype(np.float32)


def _planks(rng: np.random.Generator, height: int, width: int) -> Array:
    broad = round(rng.uniform(0.10, 0.2) * PIXELS_PER_METRE)
    streak = cv2.blur(rng.standard_normal((height, width)).astype(np.float32), (61, 2)) * 0.5
    image = 1 + streak
    for top in range(0, height, broad):
        left = -int(rng.integers(0, 150))
        while left < width:
            length = int(rng.integers(70, 180))
            row, column = slice(top, top + broad), slice(max(left, 0), max(left + length, 0))
            image[row, column] *= rng.uniform(0.84, 1.12)
            if 0 <= left < width:
                image[row, left] *= 0.7
            left += length
        image[top] *= 0.72
    return image.astype(np.float32)


def _rug(rng: np.random.Generator, image: Array) -> None:
    height, width = image.shape[:2]
    w, h = (int(rng.uniform(1.4, 3.2) * PIXELS_PER_METRE) for _ in range(2))
    x, y = int(rng.integers(0, max(width - w, 1))), int(rng.integers(0, max(height - h, 1)))
    patch = image[y : y + h, x : x + w]
    patch[:] = FABRICS[rng.integers(len(FABRICS))]
    patch *= 1 + 0.15 * rough(rng, *patch.shape[:2], cell=14, grain=0.7)[..., None]
    border = FABRICS[rng.integers(len(FABRICS))]
    cv2.rectangle(patch, (8, 8), (patch.shape[1] - 9, patch.shape[0] - 9), border, 5)


def _wall_piece(
    rng: np.random.Generator, image: Array, kind: str, at: float, height: float, length: float
) -> float:
    dark = np.array([0.1, 0.1, 0.11])
    if kind == "door":
        wood = np.array(WOODS[rng.integers(len(WOODS))]) * rng.uniform(0.7, 1.1)
        colour = wood if rng.random() < 0.6 else rng.uniform(0.15, 0.7) * np.ones(3)
        _rectangle(image, at - 0.05, height - 2.15, 1.05, 2.15, colour * 0.6)
        _rectangle(image, at, height - 2.1, 0.95, 2.1, colour)
        if rng.random() < 0.5:
            _rectangle(image, at + 0.2, height - 1.8, 0.14, 0.8, dark)
        _rectangle(image, at + 0.8, height - 1.05, 0.1, 0.05, np.full(3, 0.75))
        return 1.0
    width = min(rng.uniform(0.5, 2.6), length - at - 0.1)
    if kind == "board":
        _rectangle(image, at, height - 2.05, width, 1.2, dark * 1.5)
        _rectangle(image, at + 0.04, height - 2.01, width - 0.08, 1.12, np.full(3, 0.9))
    elif kind == "window":
        sky = np.array([0.75, 0.85, 0.95]) * rng.uniform(0.3, 1.0)
        _rectangle(image, at, height - 2.2, width, 1.3, np.full(3, 0.8))
        for pane in (0.05, width / 2 + 0.02):
            _rectangle(image, at + pane, height - 2.15, width / 2 - 0.07, 1.2, sky)
    elif kind == "poster":
        width = min(width, 0.9)
        _rectangle(image, at, height - 1.9, width, 0.8, _muted(rng))
        for _ in range(4):
            x, y = rng.uniform(0.05, 0.6) * width, rng.uniform(0.05, 0.5)
            _rectangle(image, at + x, height - 1.9 + y, 0.3 * width, 0.2, _muted(rng))
    elif kind == "panel":
        _rectangle(image, at, 0.0, 0.06, height, dark * rng.uniform(1, 5))
        width = 0.1
    return width


def _hang_office(rng: np.random.Generator, image: Array, length: float, height: float) -> None:
    for _ in range(int(rng.integers(0, 3))):
        at, width = rng.uniform(0, 0.7) * length, rng.uniform(0.6, 3.0)
        left, right = (round(v * PIXELS_PER_METRE) for v in (at, min(at + width, length)))
        if rng.random() < 0.45:
            # Daylight, brighter than any painted white.
            bright = rng.uniform(1.2, 5.0) * np.array([0.9, 1.0, 1.05])
            _rectangle(image, at, height - 2.3, width, rng.uniform(1.0, 2.2), bright)
        elif rng.random() < 0.5:
            folds = 0.6 + 0.4 * np.sin(np.arange(right - left) / rng.uniform(1.5, 5))
            image[:, left:right] = folds[:, None] * _muted(rng)
        else:
            # A board full of notes.
            _rectangle(image, at, height - 2.1, width, 1.3, _muted(rng))
            for _ in range(25):
                x, y = at + rng.uniform(0, width), rng.uniform(0.8, 2.0)
                w, h = rng.uniform(0.05, 0.3, 2)
                _rectangle(image, x, height - y, w, h, _muted(rng))


def _muted(rng: np.random.Generator) -> Array:
    return rng.uniform(0.1, 0.9) * (1 + rng.uniform(-0.35, 0.35, 3))


def _rectangle(image: Array, x: float, y: float, w: float, h: float, colour: Array) -> None:
    left, top, right, low = (round(v * PIXELS_PER_METRE) for v in (x, y, x + w, y + h))
    image[max(top, 0) : max(low, 0), max(left, 0) : max(right, 0)] = colour
