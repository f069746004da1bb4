"""Clutter the view of a frame: things that are no people, over and beside people.

Real rooms hold far more small things than drawn ones, and a network that saw tidy rooms alone takes
a bicycle or a heap of cables for a person. The things are pieces of other views, cut out where
nobody is, at other sizes, and plain shaded pieces, dark ones above all.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from wepdtof_pose.geometry import rotated_box_corners

MOST = 24
"""Pieces that a view has at most."""
SIZES = (10, 110)
"""Least and largest size of a piece in pixels of the view: about the root of its area."""
HIDDEN = 0.3
"""Share of a person's box that clutter may cover."""
_NEW_HEAP, _HEAP = 0.3, 25.0
"""Probability that a piece starts another heap, and how far, in pixels, a heap spreads."""
_CUT_OUT, _DARK = 0.6, 0.6
"""Probabilities that a piece is cut out of another view, and that a plain one is dark."""
_TRIES = 4
_DOWN, _ACROSS, _AWRY = (0.1, 0.15), 0.1, 20.0
"""Where a held thing is: mean and standard deviation of how far below the middle of the person's
box, as a share of its height; standard deviations of how far aside, as a share of its width, and of
the degrees by which it is turned against the box."""
_OPEN, _KEYS = 0.5, 0.6
"""Probabilities that a held thing is an open one, of two leaves, and that a leaf has a field."""


def cluttered(
    view: np.ndarray,
    boxes: np.ndarray,
    donors: Sequence[tuple[np.ndarray, np.ndarray]],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return a view (S, S, 3) uint8 with a random number of pieces of clutter on it.

    Args:
        view: the picture.
        boxes: (n, 5) rotated boxes of its people; no more than `HIDDEN` of each is covered.
        donors: other pictures (S, S, 3) and their people's boxes, outside of which they are cut.
        rng: draws everything.
    """
    result = view.copy()
    side = len(view)
    seen = box_masks(boxes, side)
    left = seen.sum(axis=(1, 2))
    least = (1 - HIDDEN) * left
    taken = [255 * box_masks(each, side).any(axis=0).astype(np.uint8) for _, each in donors]
    heap = rng.uniform(0, side, 2)
    for _ in range(int(MOST * rng.random() ** 2)):
        if rng.random() < _NEW_HEAP:
            heap = rng.uniform(0, side, 2)
        place = heap + rng.normal(0, _HEAP, 2)
        size = float(np.exp(rng.uniform(*np.log(SIZES))))
        covered = _covered(_outline(size, rng) + place, side)
        if covered is None:
            continue
        mask, window = covered
        here = seen[:, window[0], window[1]]
        hidden = here & (mask > 0)
        lost = hidden.sum(axis=(1, 2))
        if (left - lost < least).any():
            continue
        here &= ~hidden
        left = left - lost
        piece = None
        if donors and rng.random() < _CUT_OUT:
            chosen = int(rng.integers(len(donors)))
            corner = window[1].start, window[0].start
            piece = _cut_out(donors[chosen][0], taken[chosen], mask, place - corner, rng)
        if piece is None:
            piece = _plain(mask, size, rng)
        share = mask[:, :, None] / 255
        under = result[window]
        result[window] = (under + share * (piece - under)).clip(0, 255)
    return result


def with_held_things(
    view: np.ndarray, boxes: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a view (S, S, 3) uint8 with things held before, or lying on, some of its people.

    Laptops, papers, bags: a thing across a body hides where one half of it goes on in the other.

    Args:
        view: the picture.
        boxes: (n, 5) rotated boxes of its people.
        share: probability that a person holds something.
        rng: draws everything.
    """
    result = view.copy()
    for box in boxes:
        if rng.random() < share:
            for leaf in _leaves(box, rng):
                _lay(result, leaf, rng)
    return result


def _leaves(box: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the outlines (points, 2) of the one or two leaves of a thing that a person holds."""
    cx, cy, w, h, angle = box
    turn = _turn(np.deg2rad(angle))
    middle = np.array([cx, cy]) + turn @ [rng.normal(0, _ACROSS) * w, rng.normal(*_DOWN) * h]
    turn = _turn(np.deg2rad(angle + rng.normal(0, _AWRY)))
    width = w * rng.uniform(0.35, 0.9)
    heights = width * rng.uniform(0.35, 0.9, 2)
    top, bottom = width / 2 * np.exp(rng.normal(0, 0.12, 2))
    edge = np.array([[-bottom, 0.0], [bottom, 0.0]])
    near = np.array([[top, heights[0]], [-top, heights[0]]])
    leaves = [np.concatenate([edge, near])]
    if rng.random() < _OPEN:
        leaves.append(np.concatenate([edge, near * [1, -heights[1] / heights[0]]]))
    across = np.array([0, heights[0] / 2])
    return [(leaf - across) @ turn.T + middle for leaf in leaves]


def _lay(picture: np.ndarray, leaf: np.ndarray, rng: np.random.Generator) -> None:
    """Draw one leaf (4, 2) into a picture, with a field of another shade on it or without."""
    inset = leaf.mean(axis=0) + (leaf - leaf.mean(axis=0)) * rng.uniform(0.6, 0.9)
    for outline in [leaf, inset] if rng.random() < _KEYS else [leaf]:
        covered = _covered(outline, len(picture))
        if covered is None:
            continue
        mask, window = covered
        under = picture[window]
        share = mask[:, :, None] / 255
        piece = _plain(mask, float(max(mask.shape)), rng)
        under[:] = (under + share * (piece - under)).clip(0, 255)


def _covered(outline: np.ndarray, side: int) -> tuple[np.ndarray, tuple[slice, slice]] | None:
    """Return how a polygon (n, 2) covers a square view, 0..255, and in which window of it.

    None where it lies outside the view.
    """
    corner = np.floor(outline.min(axis=0)).clip(0, side).astype(int)
    width, height = np.ceil(outline.max(axis=0) + 1).clip(0, side).astype(int) - corner
    if width <= 0 or height <= 0:
        return None
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [(outline - corner).round().astype(np.int32)], 255, cv2.LINE_AA)
    return mask, (slice(corner[1], corner[1] + height), slice(corner[0], corner[0] + width))


def box_masks(boxes: np.ndarray, side: int) -> np.ndarray:
    """Return (n, side, side) bool: where on a square view each rotated box (n, 5) is."""
    masks = np.zeros((len(boxes), side, side), np.uint8)
    for mask, corners in zip(masks, rotated_box_corners(boxes), strict=True):
        cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1)
    return masks.astype(bool)


def _outline(size: float, rng: np.random.Generator) -> np.ndarray:
    """Return the outline (points, 2) of a cable, a rectangle or a blob around the origin."""
    kind, angle = rng.random(), rng.uniform(0, 2 * np.pi)
    if kind < 0.2:
        steps = angle + np.cumsum(rng.normal(0, 0.35, 24))
        path = np.cumsum(np.stack([np.cos(steps), np.sin(steps)], axis=1), axis=0) * size / 8
        path -= path.mean(axis=0)
        across = np.stack([-np.sin(steps), np.cos(steps)], axis=1) * rng.uniform(0.5, 2.5)
        return np.concatenate([path + across, (path - across)[::-1]])
    if kind < 0.5:
        points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 + rng.normal(0, 0.05, (4, 2))
    else:
        around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radius = np.ones(40)
        for waves in range(2, 6):
            swing, start = rng.normal(0, 0.6 / waves), rng.uniform(0, 2 * np.pi)
            radius += swing * np.cos(waves * around + start)
        points = np.stack([np.cos(around), np.sin(around)], axis=1) * radius.clip(0.2)[:, None] / 2
    longer = np.exp(rng.uniform(0, 0.6))
    return (points * size * [longer, 1 / longer]) @ _turn(angle).T


def _cut_out(
    donor: np.ndarray,
    taken: np.ndarray,
    mask: np.ndarray,
    place: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Return a piece (h, w, 3) of a donor that shows nobody under the mask, None if no try does.

    Args:
        donor: the picture.
        taken: (S, S) uint8, 255 where somebody is on it.
        mask: (h, w) uint8 of the piece.
        place: x and y, in the piece, of the point about which it is turned.
        rng: draws the place in the donor, the turn, the zoom and the light.
    """
    size = mask.shape[::-1]
    for _ in range(_TRIES):
        linear = np.exp(rng.uniform(-1.2, 0.4)) * _turn(rng.uniform(0, 2 * np.pi))
        matrix = np.column_stack([linear, place - linear @ rng.uniform(0, len(donor), 2)])
        somebody = cv2.warpAffine(taken, matrix, size, borderMode=cv2.BORDER_REFLECT)
        if not somebody[mask > 0].any():
            piece = cv2.warpAffine(donor, matrix, size, borderMode=cv2.BORDER_REFLECT)
            return piece * np.exp(rng.normal(-0.2, 0.4) + rng.normal(0, 0.15, 3))
    return None


def _plain(mask: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Return a piece (h, w, 3) of one colour, lighter towards one side, with a coarse grain."""
    height, width = mask.shape
    level = rng.uniform(5, 70) if rng.random() < _DARK else rng.uniform(60, 240)
    colour = level * np.exp(rng.normal(0, 0.25, 3))
    along = rng.normal(0, 0.5, 2) / size
    y, x = np.mgrid[:height, :width]
    light = ((x - width / 2) * along[0] + (y - height / 2) * along[1]).clip(-0.8, 0.8)
    grains = rng.normal(0, 0.25, (-(-height // 6), -(-width // 6)))
    grain = cv2.resize(grains, (width, height), interpolation=cv2.INTER_LINEAR) * rng.random()
    return colour * (1 + light + grain)[:, :, None]


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
