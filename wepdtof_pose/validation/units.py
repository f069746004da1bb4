"""Conventions and units that only the whole file shows: shares, corners, radians, mirrored angles.

One person may lie anywhere and be turned in any way; where all people of a file look wrong in the
same way, the file is in another convention than ours. Each check names it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wepdtof_pose.fisheye.angles import are_radians, other_angles
from wepdtof_pose.formats.coco import SMALLEST_SIDE
from wepdtof_pose.validation.findings import Problem
from wepdtof_pose.validation.raw_file import RawFile

UNITS = frozenset(
    {
        *("units-shares", "units-per-cent", "units-corners", "units-multiplied"),
        *("units-boxes", "units-joints", "units-visibility"),
        *("angles-radians", "angles-mirrored", "units-rotated"),
    }
)
"""The codes of this module: if one is found, some places in the file cannot be trusted."""
OF_ANGLES = frozenset({"angles-radians", "angles-mirrored", "units-rotated"})
"""Codes of rotated boxes alone: joints and upright boxes can be trusted."""

NEARLY_ALL = 0.95
"""Share of the people who must show a convention; the others may have faults of their own."""

_LARGE = 200
"""Least side, in pixels, of a large image: in smaller ones, people in the middle may well lie
within the first 100 pixels."""

_SEVERAL = 5
"""Least number of people for whom it is no chance that all lie in one corner of their images."""

_FILLED = 0.5
"""Share of a box's sides that the labelled joints of its person span, at least."""


def check_units(raw: RawFile) -> Iterator[Problem]:
    """Find coordinates that are shares or per cent of the image, corners, or multiplied pixels."""
    if message := _no_visibilities(raw):
        yield _of_file("units-visibility", message)
    for code, message in (
        ("units-shares", _shares(raw)),
        ("units-per-cent", _per_cent(raw)),
        ("units-multiplied", _multiplied(raw)),
        ("units-corners", _corners(raw)),
    ):
        if message:
            yield _of_file(code, message)
            return
    for code, message in (
        ("units-boxes", _other_boxes(raw)),
        ("units-joints", _other_joints(raw)),
        ("units-per-cent", _per_mille(raw)),
        ("units-rotated", _rotated_elsewhere(raw)),
    ):
        if message:
            yield _of_file(code, message)
            return


def check_angles(raw: RawFile) -> Iterator[Problem]:
    """Find angles of rotated boxes in radians, and those that count otherwise than ours."""
    boxes = raw.rotated
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:4] > 0).all(axis=1) & ~raw.crowds
    angles = boxes[usable, 4]
    if are_radians(angles):
        degrees = ", ".join(f"{angle:g}" for angle in np.rad2deg(angles[:2]).round(2))
        yield _of_file(
            "angles-radians",
            f"all {len(angles)} angles lie within +-{np.abs(angles).max():.3g}: radians? "
            f"(the first would be {degrees} degrees)",
        )
    elif message := other_angles(boxes[usable], raw.sizes_of_people[usable]):
        yield _of_file("angles-mirrored", message)


def _rotated_elsewhere(raw: RawFile) -> str:
    """Describe rotated boxes that are elsewhere than the plain boxes of the same people.

    A plain box around a few joints may lie at one end of the rotated one; boxes at the edge of the
    image are not compared, since they may be cut.
    """
    boxes, sizes = raw.boxes, raw.sizes_of_people
    centres, sides = raw.rotated[:, :2], raw.rotated[:, 2:4]
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    whole = ((boxes[:, :2] > 1) & (boxes[:, :2] + boxes[:, 2:] < sizes - 1)).all(axis=1)
    longest = np.maximum(boxes[:, 2:], sides).max(axis=1)
    off = np.asarray(np.hypot(*(centres - middles).T) > 0.5 * longest)
    counted = _with_box(raw) & np.isfinite(raw.rotated).all(axis=1) & whole
    if counted.sum() < _SEVERAL:
        return ""
    for words, meant in {
        "begin with a corner, not the centre": centres + sides / 2,
        "begin with the corner of the plain boxes, not the centre": centres + boxes[:, 2:] / 2,
        "are two corners": (centres + sides) / 2,
    }.items():
        if _all((np.abs(middles - meant) < 0.2 * boxes[:, 2:]).all(axis=1), counted):
            return f"rotated boxes {words}, as the plain boxes of the same people show"
    if not _all(off, counted):
        return ""
    return "rotated boxes are not where the plain boxes of the same people are"


def are_corners(boxes: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether boxes (n, 4) fit images (n, 2) as x1, y1, x2, y2, and many by far not as x, y, w, h.

    Boxes x, y, w, h that detectors do not cut at the edge reach a little over it.
    """
    if len(boxes) < _SEVERAL:
        return False
    fit = ((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes + 1)).all(axis=1)
    over = (boxes[:, :2] + boxes[:, 2:] > 1.1 * sizes).any(axis=1)
    return bool(fit.mean() >= NEARLY_ALL and over.mean() >= 0.25)


def _no_visibilities(raw: RawFile) -> str:
    """Describe joints whose third number is neither a visibility nor a score, but z, x or y."""
    people = ~raw.crowds & (raw.keypoint_numbers == 3 * raw.keypoints.shape[1])
    third = raw.keypoints[people, :, 2]
    third = third[np.isfinite(third)]
    odd = ~((third == -1) | ((third >= 0) & (third <= 3)))
    if odd.sum() < 2 * _SEVERAL or odd.mean() < 0.25:
        return ""
    return (
        f"the third numbers of the joints lie between {third.min():.6g} and {third.max():.6g}: z, "
        "per cent, or x or y in another order?"
    )


def _of_file(code: str, message: str) -> Problem:
    return Problem(code, "", [0], lambda _: message)


def _counted(raw: RawFile) -> np.ndarray:
    """Return which people (people,) are on images of known size, large enough to tell units."""
    return (raw.sizes_of_people >= SMALLEST_SIDE).all(axis=1) & ~raw.crowds


def _with_box(raw: RawFile) -> np.ndarray:
    boxes = raw.boxes
    return np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1) & _counted(raw)


def _shares(raw: RawFile) -> str:
    boxes = np.asarray(((raw.boxes >= -0.05) & (raw.boxes <= 1.05)).all(axis=1))
    found = ["boxes"] if _all(boxes, _with_box(raw)) else []
    labelled = raw.labelled & _counted(raw)[:, None]
    some = labelled.sum(axis=1) > 1
    within = (raw.keypoints[..., :2] >= -0.05) & (raw.keypoints[..., :2] <= 1.05)
    joints = (within.all(axis=2) | ~labelled).all(axis=1)
    if _all(joints, some) and (raw.keypoints[labelled][:, :2] % 1 != 0).any():
        found.append("joints")
    if not found or (found == ["joints"] and _are_shares_of_boxes(raw)):
        return ""
    return (
        f"all coordinates of the {' and '.join(found)} are below 1: shares of the image, not pixels"
    )


def _are_shares_of_boxes(raw: RawFile) -> bool:
    """Whether joints from 0 to 1 leave their boxes if they are taken as shares of the image."""
    whole = raw.keypoints.copy()
    whole[..., :2] *= raw.sizes_of_people[:, None]
    filled = raw.keypoints.copy()
    filled[..., :2] = raw.boxes[:, None, :2] + filled[..., :2] * raw.boxes[:, None, 2:]
    return not _are_of_boxes(raw, raw.boxes, whole) and _are_of_boxes(raw, raw.boxes, filled)


def _per_cent(raw: RawFile) -> str:
    """Describe boxes, or boxes and joints, that are in per cent of their images.

    If the joints are in pixels, the boxes fit them once they are multiplied out. If the joints are
    in per cent too, all people are in the upper left corner of large images, and all over it.
    """
    counted, boxes, sizes = _with_box(raw), raw.boxes, raw.sizes_of_people
    labelled = raw.labelled & counted[:, None]
    jointed = labelled.sum(axis=1) > 2
    within = ((boxes[:, :2] >= -1) & (boxes[:, :2] + boxes[:, 2:] <= 101)).all(axis=1)
    large = counted & (sizes >= _LARGE).all(axis=1)
    whole = boxes * np.concatenate([sizes, sizes], axis=1) / 100
    points = raw.keypoints[..., :2]
    near = ((points >= -1) & (points <= 101)).all(axis=2) | ~labelled
    corner = large & within
    all_in = _all(within & near.all(axis=1), large)
    if all_in and _all_over(boxes[corner]) and _is_no_chance(sizes[corner]):
        return (
            f"all {large.sum()} people in images of {_LARGE} pixels and more a side lie in the "
            "first 100 x 100 pixels, and all over these: per cent of the image, not pixels"
        )
    if not _all(within, jointed):
        return ""
    as_they_are = _holds_joints(boxes, raw.keypoints, labelled)
    multiplied = _holds_joints(whole, raw.keypoints, labelled)
    if as_they_are[jointed].mean() > 1 - NEARLY_ALL or not _all(multiplied, jointed):
        return ""
    return "boxes lie within 0 to 100 and off their joints, and as per cent of the image on them"


def _per_mille(raw: RawFile) -> str:
    """Describe boxes, and joints if there are, in thousandths of their images.

    Taken for pixels, several people lie wholly outside images of less than 1,000 pixels. That all
    fit images on their side says that it is the images whose width and height are exchanged.
    """
    counted, boxes, sizes = _with_box(raw), raw.boxes, raw.sizes_of_people
    ends = boxes[:, :2] + boxes[:, 2:]
    if _all((ends <= sizes[:, ::-1] + 1).all(axis=1), counted):
        return ""
    within = ((boxes[:, :2] >= -1) & (ends <= 1001)).all(axis=1)
    outside = (boxes[:, :2] + boxes[:, 2:] / 2 > sizes).any(axis=1) & counted
    if outside.sum() < _SEVERAL or outside.sum() < 0.1 * counted.sum():
        return ""
    if not _all(within, counted) or _hold_joints(raw, boxes, raw.keypoints) <= 0.5:
        return ""
    return (
        f"{outside.sum()} of {counted.sum()} people lie outside their images, and nobody beyond "
        "1,000: thousandths of the image, or pixels of larger pictures?"
    )


def _is_no_chance(sizes: np.ndarray) -> bool:
    """Whether too many people are in the first 100 x 100 pixels of images of sizes (people, 2).

    Too many are as many as _SEVERAL in images of 300 x 300 pixels.
    """
    return bool(np.log(sizes / 100).sum() >= _SEVERAL * np.log(9) - 1e-9)


def _all_over(boxes: np.ndarray) -> bool:
    """Whether these boxes are spread over the first 100 x 100 pixels, not all in one place."""
    if len(boxes) < _SEVERAL:
        return False
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    ends = boxes[:, :2] + boxes[:, 2:]
    return bool((np.ptp(centres, axis=0) >= 30).all() and (ends.max(axis=0) >= 60).all())


def _holds_joints(boxes: np.ndarray, keypoints: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Return whether each box (people, 4) holds its labelled joints, give or take a tenth of it."""
    slack = 0.1 * boxes[:, None, 2:]
    near, far = boxes[:, None, :2] - slack, boxes[:, None, :2] + boxes[:, None, 2:] + slack
    inside = (keypoints[..., :2] >= near) & (keypoints[..., :2] <= far)
    return np.asarray((inside.all(axis=2) | ~labelled).all(axis=1))


def _multiplied(raw: RawFile) -> str:
    counted, sizes = _with_box(raw), raw.sizes_of_people
    times: np.ndarray = (raw.boxes / np.concatenate([sizes, sizes], axis=1)).max(axis=1)
    if not _all(times > 2, counted) or np.median(times[counted]) < 4:
        return ""
    return (
        f"boxes reach {np.median(times[counted]):.0f} times beyond their images: pixels that were "
        "taken for shares and multiplied by the image size, or people of other images"
    )


def _corners(raw: RawFile) -> str:
    """Describe boxes x1, y1, x2, y2, which fit the joints or the images only if read so."""
    counted, boxes, sizes = _with_box(raw), raw.boxes, raw.sizes_of_people
    modes = [raw.annotations[row].get("bbox_mode") for row in raw.rows[counted]]
    if modes and all(type(mode) is int and mode == 0 for mode in modes):
        return (
            "'bbox_mode' is 0 throughout: Detectron2's corners x1, y1, x2, y2, not width and height"
        )
    corners = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes + 1)
    if not _all(np.asarray(corners.all(axis=1)), counted):
        return ""
    labelled = raw.labelled & counted[:, None]
    jointed = labelled.sum(axis=1) > 2
    if not jointed.any():
        text = "all boxes fit their images, and as x, y, width, height many do not"
        found = are_corners(boxes[counted], sizes[counted])
        return f"read as corners x1, y1, x2, y2 {text}" if found else ""
    # Of people without joints any box does.
    points = raw.keypoints[..., :2]
    slack = 0.1 * (boxes[:, 2:] - boxes[:, :2])[:, None]
    near, far = boxes[:, None, :2] - slack, boxes[:, None, 2:] + slack
    fits = ((points >= near) & (points <= far)).all(axis=2) | ~labelled
    larger = boxes[:, 2:].prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    ends = np.where(labelled[..., None], points, -np.inf).max(axis=1)
    starts = np.where(labelled[..., None], points, np.inf).min(axis=1)
    gaps = np.maximum(np.abs(boxes[:, 2:] - ends), np.abs(starts - boxes[:, :2]))
    gaps /= boxes[:, 2:] - boxes[:, :2]
    if not _all(fits.all(axis=1), jointed) or np.median(larger[jointed]) < 1.5:
        return ""
    if (np.median(gaps[jointed], axis=0) > 0.25).any():
        return ""
    return (
        "in all people the joints end at (bbox[2], bbox[3]): corners x1, y1, x2, y2, not width "
        "and height"
    )


def _other_boxes(raw: RawFile) -> str:
    """Describe boxes of another form, which hold their joints only if read in that form."""
    x, y, w, h = raw.boxes.T
    readings = {
        "centre x, centre y, width, height": (x - w / 2, y - h / 2, w, h),
        "y, x, height, width, unless the joints are y, x": (y, x, h, w),
        "two corners y1, x1, y2, x2": (y, x, h - y, w - x),
        # What a reader of YOLO's labels, which are of centres, makes of labels of another form.
        "corners x1, y1, x2, y2 that were read as centre and size": (
            x + w / 2,
            y + h / 2,
            w / 2 - x,
            h / 2 - y,
        ),
        "upper left corner and size that were read as centre and size": (
            x + w / 2,
            y + h / 2,
            w,
            h,
        ),
    }
    fit = _hold_joints(raw, raw.boxes, raw.keypoints) > 0.5
    if not fit:
        below = "x, y, w, h with y from the lower edge of the image, unless that of the joints is"
        readings[below] = (x, raw.sizes_of_people[:, 1] - y - h, w, h)
        readings["x, y, height, width"] = (x, y, h, w)
    across, down = _larger(raw)
    # Boxes that hold joints of the upper body alone would do for those of a flatter picture.
    if not fit and (not 0.8 < across < 1.25 or not 0.8 < down < 1.25):
        words = f"x, y, w, h of pictures {1 / across:.3g} x {1 / down:.3g} times as large"
        readings[words] = (x * across, y * down, w * across, h * down)
    # Of few people it may be by chance that boxes which hold their joints are large.
    loose = _jointed(raw).sum() >= _SEVERAL and not _are_filled(raw, raw.boxes, raw.keypoints)
    if not fit or loose:
        beyond = raw.keypoints[..., :2] > raw.sizes_of_people[:, None] + 1
        if (beyond.any(axis=2) & raw.labelled)[_jointed(raw)].any():
            readings = {words: r for words, r in readings.items() if "joints" not in words}
        for words, reading in readings.items():
            if _are_of_boxes(raw, np.stack(reading, axis=1), raw.keypoints):
                return f"boxes hold the joints of their people as {words}, and not as x, y, w, h"
    return _centres_without_joints(raw)


def _larger(raw: RawFile) -> tuple[float, float]:
    """Return the median factors that bring the middles of boxes onto those of their joints.

    They are 1 and 1 if few people tell.
    """
    jointed = _jointed(raw)
    middles = raw.boxes[jointed, :2] + raw.boxes[jointed, 2:] / 2
    near, far = _extents(raw, raw.keypoints)
    tell = (middles > 0).all(axis=1)
    if tell.sum() < _SEVERAL:
        return 1.0, 1.0
    across, down = np.median((near + far)[tell] / 2 / middles[tell], axis=0)
    return (across, down) if across > 0 and down > 0 else (1.0, 1.0)


def _extents(raw: RawFile, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and largest x and y of the labelled joints of the people of `_jointed`."""
    jointed = _jointed(raw)
    seen, points = raw.labelled[jointed][..., None], keypoints[jointed][..., :2]
    far = np.where(seen, points, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(seen, points, np.inf).min(axis=1, initial=np.inf), far


def _centres_without_joints(raw: RawFile) -> str:
    """Describe boxes by their centres where there are no joints: by the edges of the images."""
    counted, boxes, sizes = _with_box(raw), raw.boxes, raw.sizes_of_people
    if counted.sum() < 2 * _SEVERAL or (raw.labelled & counted[:, None]).any():
        return ""
    over = (boxes[:, :2] + boxes[:, 2:] > sizes + 1).any(axis=1)
    half = boxes[:, 2:] / 2
    fits = ((boxes[:, :2] >= half - 1) & (boxes[:, :2] + half <= sizes + 1)).all(axis=1)
    if over[counted].mean() < 0.25 or not _all(np.asarray(fits), counted):
        return ""
    return (
        "boxes fit their images as centre x, centre y, width, height, and as x, y, w, h many do not"
    )


def _other_joints(raw: RawFile) -> str:
    """Describe joints in another frame than the image, which lie in their boxes only if moved."""
    if _hold_joints(raw, raw.boxes, raw.keypoints) > 0.5:
        return ""
    near, sides = raw.boxes[:, None, :2], raw.boxes[:, None, 2:]
    points = raw.keypoints[..., :2]
    for words, moved in {
        "y, x": points[..., ::-1],
        "x, y with y from the lower edge of the image": _from_below(raw),
        "places from the corner of the box": points + near,
        "shares of the box": near + points * sides,
    }.items():
        keypoints = np.concatenate([moved, raw.keypoints[..., 2:]], axis=2)
        if _are_of_boxes(raw, raw.boxes, keypoints):
            return f"joints lie in the boxes of their people as {words}, and not as x, y"
    return ""


def _from_below(raw: RawFile) -> np.ndarray:
    """Return the places of joints (people, joints, 2) with y counted the other way."""
    x, y = raw.keypoints[..., 0], raw.keypoints[..., 1]
    return np.stack([x, raw.sizes_of_people[:, 1:] - y], axis=-1)


def _jointed(raw: RawFile) -> np.ndarray:
    """Return the mask (people,) of those whose joints tell where their box is."""
    return _with_box(raw) & (raw.labelled.sum(axis=1) > 3)


def _hold_joints(raw: RawFile, boxes: np.ndarray, keypoints: np.ndarray) -> float:
    """Return the share of the people whose joints all lie in these boxes; 1 where nobody tells."""
    jointed = _jointed(raw)
    if not jointed.any():
        return 1.0
    return float(_holds_joints(boxes, keypoints, raw.labelled)[jointed].mean())


def _are_of_boxes(raw: RawFile, boxes: np.ndarray, keypoints: np.ndarray) -> bool:
    """Whether boxes (people, 4) hold joints (people, joints, 3), and no more than these need."""
    if not _jointed(raw).any() or _hold_joints(raw, boxes, keypoints) < NEARLY_ALL:
        return False
    return _are_filled(raw, boxes, keypoints)


def _are_filled(raw: RawFile, boxes: np.ndarray, keypoints: np.ndarray) -> bool:
    """Whether joints reach over most of the width and height of these boxes, in the median."""
    jointed = _jointed(raw)
    if not jointed.any():
        return True
    near, far = _extents(raw, keypoints)
    filled = np.median((far - near) / boxes[jointed, 2:], axis=0)
    return bool((filled >= _FILLED).all())


def _all(mask: np.ndarray, of: np.ndarray) -> bool:
    """Return whether the mask holds for nearly all of those, and there is one."""
    return bool(of.any()) and float(mask[of].mean()) >= NEARLY_ALL
