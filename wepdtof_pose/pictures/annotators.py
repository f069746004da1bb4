"""Small annotators that draw on an image: skeleton, boxes, labels, captions, grids of pictures.

An annotator draws on the image that it is given, (height, width, 3) uint8 BGR, in place; points are
image pixels with integers at pixel centres. Sizes are numbers of pixels: take `line_width` of a
picture so that they grow with it.

Colours come from the colour-blind safe palette of Okabe and Ito: a person's right is warm
(vermilion), the left is cool (blue), the middle is white.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from wepdtof_pose.fisheye.lenses import Lens
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.palette import GREEN, INK, PURPLE, SKY, VERMILION, WHITE, YELLOW, bgr

Color = tuple[int, int, int]

RIGHT: Color = bgr(VERMILION)
LEFT: Color = bgr(SKY)
MIDDLE: Color = bgr(WHITE)
OUTLINE: Color = bgr(INK)
BOX: Color = bgr(YELLOW)
ROTATED_BOX: Color = bgr(GREEN)
RING: Color = bgr(PURPLE)

_SHIFT = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def line_width(width: float, height: float) -> float:
    """Return the line width in pixels for a picture, or a person, of that extent.

    One 150th of the shorter side, at least 1.
    """
    return max(1.0, min(width, height) / 150)


def person_width(image: np.ndarray, box: np.ndarray) -> float:
    """Return the line width for a person with this box (4,): thin on a small one."""
    person = line_width(*[2.0 * box[2:].max()] * 2)
    return min(person, line_width(*image.shape[1::-1]))


def draw_poses(
    image: np.ndarray,
    keypoints: np.ndarray,
    boxes: np.ndarray,
    rotated: np.ndarray,
    tracks: Sequence[Any],
    keypoint_set: KeypointSet,
) -> None:
    """Draw people: boxes, rotated ones where known, then skeletons, then track numbers.

    A box that is the whole image is left out.

    Args:
        image: drawn on.
        keypoints: (people, joints, 3), see `draw_skeleton`.
        boxes: (people, 4) x, y, w, h.
        rotated: (people, 5) cx, cy, w, h, angle; NaN where it is not known.
        tracks: a number for each person; what is no int is not drawn.
        keypoint_set: see `draw_skeleton`.
    """
    widths = [person_width(image, box) for box in boxes]
    for box, turned, width in zip(boxes, rotated, widths, strict=True):
        if np.isfinite(turned).all():
            draw_rotated_box(image, turned, width=0.6 * width)
        elif (box[2:] < image.shape[1::-1]).any():
            draw_box(image, box, width=0.6 * width)
    for pose, width in zip(keypoints, widths, strict=True):
        draw_skeleton(image, pose, keypoint_set, width=width)
    for box, turned, track, width in zip(boxes, rotated, tracks, widths, strict=True):
        if isinstance(track, int):
            # The upper left corner of the upright box lies far outside a rotated one.
            corners = rotated_box_corners(turned) if np.isfinite(turned).all() else box[None, :2]
            place = corners[np.argmin(corners[:, 1])]
            draw_label(image, str(track), place, size=max(9.0, 5 * width))


def joint_color(joint: str) -> Color:
    """Return RIGHT, LEFT or MIDDLE, by the joint's canonical name."""
    if joint.startswith("right_"):
        return RIGHT
    return LEFT if joint.startswith("left_") else MIDDLE


def draw_skeleton(
    image: np.ndarray, keypoints: np.ndarray, keypoint_set: KeypointSet, *, width: float
) -> None:
    """Draw a person's limbs and joints; hidden joints are rings and their limbs dashed.

    Args:
        image: drawn on.
        keypoints: (joints, 3) x, y, visibility; 0 is not drawn, 1 as hidden, 2 as visible.
        keypoint_set: gives the limbs and, by joint name, the sides.
        width: line width in pixels.
    """
    points, visibility = keypoints[:, :2], keypoints[:, 2]
    colors = [joint_color(joint) for joint in keypoint_set.joints]
    edges = [(a, b) for a, b in keypoint_set.skeleton if visibility[a] > 0 and visibility[b] > 0]
    for outline in (True, False):
        for a, b in edges:
            sided = colors[a] if colors[a] != MIDDLE else colors[b]
            across = MIDDLE not in (colors[a], colors[b]) and colors[a] != colors[b]
            color = OUTLINE if outline else MIDDLE if across else sided
            stroke = width + (max(2.0, 0.7 * width) if outline else 0)
            hidden = visibility[a] == 1 or visibility[b] == 1
            _line(image, points[a], points[b], color, stroke, dash=3 * width if hidden else 0)
    for joint in np.flatnonzero(visibility > 0):
        hidden = visibility[joint] == 1
        radius = (2.1 if hidden else 1.7) * width
        _disc(image, points[joint], radius + max(1.0, 0.35 * width), OUTLINE)
        _disc(image, points[joint], radius, colors[joint])
        if hidden:
            _disc(image, points[joint], radius - max(1.0, 0.8 * width), OUTLINE)


def draw_box(image: np.ndarray, box: np.ndarray, *, width: float) -> None:
    """Draw a box (4,) x, y, w, h in pixels."""
    x, y, w, h = box
    _polygon(image, np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]), BOX, width)


def draw_rotated_box(
    image: np.ndarray, box: np.ndarray, *, width: float, color: Color = ROTATED_BOX
) -> None:
    """Draw a rotated box (5,) cx, cy, w, h, angle, with a tick on the side it points to.

    The angle is in degrees, clockwise from the vertical that points up.
    """
    corners = rotated_box_corners(np.asarray(box, dtype=np.float64))
    _polygon(image, corners, color, width)
    top = corners[:2].mean(axis=0)
    _line(image, top, top + 0.12 * (top - np.asarray(box[:2])), color, width)


def draw_label(
    image: np.ndarray, text: str, point: np.ndarray, *, size: float, color: Color = MIDDLE
) -> None:
    """Draw a text on a dark plate, its lower left corner at `point`, moved to lie in the image.

    `size` is the height of capital letters in pixels. The font has ASCII only: others become "?".
    """
    (across, up), down, scale, stroke = _text_extent(text, size)
    margin = max(2, round(size / 3))
    plate = np.array([across + 2 * margin, up + down + 2 * margin])
    corner = np.round(np.asarray(point)) - (0, plate[1])
    x, y = corner.clip(0, np.maximum(np.array(image.shape[1::-1]) - plate, 0)).astype(int).tolist()
    cv2.rectangle(image, (x, y), (x + int(plate[0]), y + int(plate[1])), OUTLINE, -1)
    origin = (x + margin, y + margin + up)
    cv2.putText(image, text, origin, _FONT, scale, color, stroke, cv2.LINE_AA)


def with_caption(image: np.ndarray, text: str, *, size: float) -> np.ndarray:
    """Return the image with a caption under it; a text too long for the image is drawn smaller."""
    (across, _), _, _, _ = _text_extent(text, size)
    room = image.shape[1] - size
    (_, up), _, scale, stroke = _text_extent(text, size * min(1.0, room / max(across, 1)))
    strip = np.full((round(2.2 * size), image.shape[1], 3), 255, dtype=np.uint8)
    origin = (round(size / 2), (len(strip) + up) // 2)
    cv2.putText(strip, text, origin, _FONT, scale, OUTLINE, stroke, cv2.LINE_AA)
    return np.concatenate([image, strip])


def grid(images: Sequence[np.ndarray], *, columns: int, gap: int) -> np.ndarray:
    """Return the images in rows on white, `gap` pixels apart; cells are as large as the largest."""
    height = max(image.shape[0] for image in images) + gap
    width = max(image.shape[1] for image in images) + gap
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    page = np.full((rows * height + gap, columns * width + gap, 3), 255, dtype=np.uint8)
    for position, image in enumerate(images):
        y = position // columns * height + gap
        x = position % columns * width + gap
        page[y : y + image.shape[0], x : x + image.shape[1]] = image
    return page


def draw_rings(image: np.ndarray, lens: Lens, *, width: float) -> None:
    """Draw the circle of a fisheye image and, dashed, a ring for every 15 degrees from the axis.

    Every second ring is labelled with its angle, on the side where the picture has most room.
    """
    center = np.array([lens.cx, lens.cy])
    full = np.rad2deg(lens.max_angle)
    for degrees in np.arange(15, full + 0.5, 15):
        reach = float(lens.radius_at(np.deg2rad(degrees)))
        _circle(image, center, reach, RING, width, dashed=True)
    _circle(image, center, lens.radius, RING, 1.6 * width, dashed=False)
    for arm in (np.array([4 * width, 0]), np.array([0, 4 * width])):
        _line(image, center - arm, center + arm, RING, width)
    for degrees in np.arange(30, full + 0.5, 30):
        reach = float(lens.radius_at(np.deg2rad(degrees)))
        # At 45 degrees the corners of the picture are farthest away.
        place = center + reach * np.sqrt(0.5) * np.array([1, -1])
        draw_label(image, f"{degrees:.0f} deg", place, size=6 * width, color=RING)


def draw_heatmaps(image: np.ndarray, heatmaps: np.ndarray, keypoint_set: KeypointSet) -> None:
    """Draw heatmaps (joints, h, w) of 0 to 1 over an image, each joint in the colour of its side.

    The heatmaps cover the image; where several overlap, the strongest is seen.
    """
    height, width = image.shape[:2]
    strength = np.zeros((height, width, 1), dtype=np.float32)
    ink = np.zeros((height, width, 3), dtype=np.float32)
    for heatmap, joint in zip(heatmaps, keypoint_set.joints, strict=True):
        large = cv2.resize(heatmap.astype(np.float32), (width, height))[..., None].clip(0, 1)
        stronger = large > strength
        ink = np.where(stronger, np.array(joint_color(joint), dtype=np.float32), ink)
        strength = np.where(stronger, large, strength)
    # The picture is darkened a little, so that a white heatmap is seen on a white shirt.
    weight = 0.9 * strength
    image[:] = ((0.7 * image) * (1 - weight) + ink * weight).round().astype(np.uint8)


def _line(
    image: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    color: Color,
    width: float,
    *,
    dash: float = 0,
) -> None:
    pieces = 1
    if dash:
        # An odd number of pieces, every other one drawn, so that both ends are drawn.
        pieces = int(np.linalg.norm(end - start) / dash) // 2 * 2 + 1
    stops = start + np.linspace(0, 1, pieces + 1)[:, None] * (end - start)
    for piece in range(0, pieces, 2):
        a, b = _fixed(stops[piece]), _fixed(stops[piece + 1])
        cv2.line(image, a, b, color, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _circle(
    image: np.ndarray,
    center: np.ndarray,
    radius: float,
    color: Color,
    width: float,
    *,
    dashed: bool,
) -> None:
    pieces = max(12, round(radius / 4)) // 2 * 2
    turns = np.linspace(0, 2 * np.pi, pieces + 1)
    stops = center + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    for piece in range(0, pieces, 2 if dashed else 1):
        _line(image, stops[piece], stops[piece + 1], color, width)


def _disc(image: np.ndarray, point: np.ndarray, radius: float, color: Color) -> None:
    if radius > 0:
        size = round(radius * (1 << _SHIFT))
        cv2.circle(image, _fixed(point), size, color, -1, cv2.LINE_AA, _SHIFT)


def _polygon(image: np.ndarray, corners: np.ndarray, color: Color, width: float) -> None:
    for stroke, ink in ((width + 2, OUTLINE), (width, color)):
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            _line(image, start, end, ink, stroke)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    """Return OpenCV's fixed-point form of a point; one far outside is moved in."""
    x, y = np.round(np.clip(point, -1e6, 1e6) * (1 << _SHIFT)).astype(int).tolist()
    return x, y


def _text_extent(text: str, size: float) -> tuple[tuple[int, int], int, float, int]:
    """Return width and height above the line, depth below it, font scale and stroke of a text."""
    stroke = max(1, round(size / 12))
    scale = cv2.getFontScaleFromHeight(_FONT, max(1, round(size)), stroke)
    (across, up), down = cv2.getTextSize(text, _FONT, scale, stroke)
    return (across, up), down, scale, stroke
