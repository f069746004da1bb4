"""The checks of one annotation file: each a function from its arrays to problems.

They are independent of one another, so that a file that a reader refuses at its first error still
gets all its findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from wepdtof_pose.errors import counted
from wepdtof_pose.files import leads_out
from wepdtof_pose.geometry import clip_boxes
from wepdtof_pose.images import plain_name
from wepdtof_pose.validation.findings import PLACES, Problem
from wepdtof_pose.validation.joints import of_people, short
from wepdtof_pose.validation.raw_file import RawFile, codes_of, numbers_of
from wepdtof_pose.validation.schema import unwritable_fields, writable

EDGE = 1.0
"""How far, in pixels, a box may reach over the edge of its image."""


def check_ids(raw: RawFile) -> Iterator[Problem]:
    """Find ids that are used twice, missing, zero, or that nothing answers to."""
    ids = raw.image_column("id")
    again = _repeats(ids)
    yield _of_images(raw, "image-id-repeated", again, lambda i: f"id {ids[i]!r} again")
    lost = np.flatnonzero(raw.image_of < 0)
    if len(lost):
        # An image whose entry has another fault is listed all the same.
        given = (image.get("id") for image in raw.images if isinstance(image, dict))
        listed = {number for number in given if isinstance(number, (int, float, str))}
        asked = [raw.annotations[row]["image_id"] for row in raw.rows[lost]]
        lost = lost[[number not in listed for number in asked]]
    images = [raw.annotations[row]["image_id"] for row in raw.rows[lost]]
    yield Problem("image-unknown", "annotations", raw.rows[lost], lambda i: f"image {images[i]!r}")
    strange = np.array([not _printable(value) for value in ids], dtype=bool)
    yield _of_images(raw, "structure", strange, lambda i: f"'id' {ids[i]!r} is no printable text")
    scenes = [raw.images[row].get("scene") for row in raw.image_rows]
    strange = np.array([not _printable(scene) for scene in scenes], dtype=bool)
    yield _of_images(
        raw, "structure", strange, lambda i: f"'scene' {scenes[i]!r} is no printable text"
    )
    if raw.boxes_only:
        return
    people = raw.fields["id"]
    strange = np.array([not _printable(value) for value in people], dtype=bool)
    yield of_people(raw, "structure", strange, lambda i: f"'id' {people[i]!r} is no printable text")
    yield of_people(raw, "person-id-missing", _none(people), lambda i: "no 'id'")
    yield of_people(
        raw, "person-id-repeated", _repeats(people), lambda i: f"id {people[i]!r} again"
    )
    zero = np.array([value == 0 for value in people], dtype=bool)
    yield of_people(raw, "person-id-zero", zero, lambda i: "id 0")


def check_categories(raw: RawFile) -> Iterator[Problem]:
    """Find people of categories that are not listed or name no joints, and unusable skeletons."""
    if raw.keypoint_set is None:
        return
    categories = raw.fields["category_id"]
    known = {c["id"] for c in raw.categories}
    alien = np.array([c is not None and c not in known for c in categories], dtype=bool)
    yield of_people(raw, "category-unknown", alien, lambda i: f"category {categories[i]!r}")
    rows = _of_categories_without_joints(raw)
    names = len(raw.keypoint_set)
    shown = [
        f"category {raw.annotations[row]['category_id']!r} names no joints, the one that does "
        f"names {names}"
        for row in rows[:PLACES]
    ]
    yield Problem("category-without-joints", "annotations", rows, lambda i: shown[i])
    category = next((c for c in raw.categories if c.get("keypoints") and c.get("skeleton")), None)
    if category is not None and not usable_skeleton(category["skeleton"], names):
        yield Problem("skeleton", "", [0], lambda _: f"{str(category['skeleton'])[:60]}")


def check_people(raw: RawFile) -> Iterator[Problem]:
    """Find files without a single person: all are of other categories, or crowd regions."""
    others = len(raw.other_rows)
    # Where others have joints, it is their category that is said to be wrong.
    if others and others == len(raw.annotations) and not _of_categories_without_joints(raw):
        yield Problem("nobody", "", [0], lambda _: f"{others} of other categories")
    if len(raw) and raw.crowds.all():
        yield Problem("crowds-alone", "", [0], lambda _: counted(len(raw), "crowd region"))


def _of_categories_without_joints(raw: RawFile) -> list[int]:
    """Return the positions of annotations with joints whose category names none."""
    named = {c["id"] for c in raw.categories if c.get("keypoints")}
    return [
        int(row)
        for row in raw.other_rows
        if raw.annotations[row].get("keypoints")
        and raw.annotations[row]["category_id"] not in named
    ]


def usable_skeleton(skeleton: object, joints: int) -> bool:
    """Return whether it is pairs of whole numbers from 1 to the number of joints."""
    return isinstance(skeleton, list) and all(
        isinstance(edge, list)
        and len(edge) == 2
        and all(type(joint) is int and 1 <= joint <= joints for joint in edge)
        for edge in skeleton
    )


def check_other_fields(raw: RawFile) -> Iterator[Problem]:
    """Find fields that no check looks into, but that converters write again and cannot."""
    for table, kind in (("images", "image"), ("annotations", "annotation")):
        entries = getattr(raw, table)
        found = [row for row, entry in enumerate(entries) if unwritable_fields(entry, kind)]
        yield _unwritable(table, kind, entries, found)
    if names := [name for name, value in raw.members.items() if writable(value) is not value]:
        yield Problem("not-writable", "", [0], lambda _: ", ".join(map(ascii, names)))


def _unwritable(table: str, kind: str, entries: list[object], rows: list[int]) -> Problem:
    def say(i: int) -> str:
        return ", ".join(map(ascii, unwritable_fields(entries[rows[i]], kind)))

    return Problem("not-writable", table, rows, say)


def check_fields(raw: RawFile) -> Iterator[Problem]:
    """Find people without the fields that pycocotools needs and our readers fill in."""
    if raw.boxes_only:
        return
    missing = {name: _none(raw.fields[name]) for name in ("iscrowd", "category_id")}

    def say(i: int) -> str:
        return "no " + " and no ".join(f"{name!r}" for name, mask in missing.items() if mask[i])

    yield of_people(raw, "coco-fields", missing["iscrowd"] | missing["category_id"], say)


def check_file_names(raw: RawFile) -> Iterator[Problem]:
    """Find file names that cannot be, occur twice, or differ only in upper and lower case."""
    names = raw.image_column("file_name")
    bad = np.array([not usable_file_name(name) for name in names], dtype=bool)
    yield _of_images(raw, "file-name", bad, lambda i: f"file name {names[i][:80]!r}")
    plain = np.array([plain_name(name) for name in names], dtype=object)
    repeated = _repeats(plain)
    yield _of_images(raw, "file-name-repeated", repeated, lambda i: f"{names[i]!r} again")
    lower = np.array([name.casefold() for name in plain], dtype=object)
    cased = _repeats(lower) & ~repeated
    yield _of_images(
        raw, "file-name-case", cased, lambda i: f"{names[i]!r} beside one in other case"
    )


def check_boxes(raw: RawFile) -> Iterator[Problem]:
    """Find boxes that are missing, no numbers, empty, outside their image or over its edge."""
    boxes, sizes = raw.boxes, raw.sizes_of_people
    given = np.zeros(len(raw), dtype=bool) if raw.boxes_only else ~raw.without_box
    if not raw.boxes_only:
        yield of_people(raw, "box-missing", raw.without_box, lambda i: "no 'bbox'")
    finite = np.isfinite(boxes).all(axis=1)
    yield of_people(raw, "not-finite", given & ~finite, lambda i: f"box {short(boxes[i])}")
    counted = finite & ~raw.crowds
    empty = counted & ~(boxes[:, 2:] > 0).all(axis=1)
    yield of_people(raw, "box-empty", empty, lambda i: f"box {short(boxes[i])}")
    near, far = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = counted & ~empty & ((far <= 0) | (near >= sizes)).any(axis=1)
    over = np.maximum(-near, far - sizes).max(axis=1, initial=-np.inf)
    small = counted & ~empty & ~outside & np.isfinite(sizes).all(axis=1)
    small &= ~clip_boxes(boxes, sizes)[1]
    edge = counted & ~empty & ~outside & ~small & (over > EDGE)

    def place(i: int) -> str:
        return f"box {short(boxes[i])} in an image of {sizes[i, 0]:.0f} x {sizes[i, 1]:.0f}"

    yield of_people(raw, "box-outside", outside, place)
    yield of_people(raw, "box-small", small, place)
    yield of_people(raw, "box-over-edge", edge, lambda i: f"{place(i)}, by {over[i]:.1f} pixels")


def check_rotated_boxes(raw: RawFile) -> Iterator[Problem]:
    """Find rotated boxes that are no numbers, empty, outside their image, or in another form."""
    rotated, sizes = raw.rotated, raw.sizes_of_people
    given = ~np.isnan(rotated).all(axis=1) | raw.boxes_only
    for i in np.flatnonzero(~given):
        # Five times NaN is a box, too, and one that readers refuse.
        given[i] = bool(raw.annotations[raw.rows[i]].get("rotated_box"))
    finite = np.isfinite(rotated).all(axis=1)

    def say(i: int) -> str:
        return f"rotated box {short(rotated[i])}"

    yield of_people(raw, "not-finite", given & ~finite, say)
    empty = finite & ~(rotated[:, 2:4] > 0).all(axis=1)
    far = finite & ~empty & ((rotated[:, :2] < -0.5) | (rotated[:, :2] >= sizes)).any(axis=1)
    # Published boxes are rounded: equal sides may come out the wrong way round by a trifle.
    form = (rotated[:, 2] > 1.001 * rotated[:, 3]) | (np.abs(rotated[:, 4]) > 180.01)
    yield of_people(raw, "box-empty" if raw.boxes_only else "rotated-box-empty", empty, say)
    if raw.boxes_only:
        yield of_people(raw, "box-outside", far, say)
    yield of_people(raw, "rotated-box", finite & ~empty & form, say)


def check_counts_and_areas(raw: RawFile) -> Iterator[Problem]:
    """Find `num_keypoints` and `area` that are missing or wrong, and say what that does to AP."""
    if raw.boxes_only:
        return
    labelled = raw.labelled.sum(axis=1)
    joints, counted = raw.keypoints.shape[1], numbers_of(raw.fields["num_keypoints"])
    # Lists of a wrong length are a finding of their own; who has none has no joint labelled.
    usual = ~raw.crowds & ((raw.keypoint_numbers == 3 * joints) | (raw.keypoint_numbers == 0))
    # pycocotools reads count and area of crowd regions and of people without joints, too.
    missing = np.isnan(counted)
    wrong = missing | (usual & (counted != labelled))
    if not raw.keypoint_numbers.any():
        # A file of boxes alone is a pool to learn from, and is never scored.
        wrong &= ~missing

    def count(i: int) -> str:
        if np.isnan(counted[i]):
            return f"missing, {labelled[i]} joints are labelled: pycocotools stops with KeyError"
        effect = ": pycocotools ignores the person (AP -1 if it does so with all)"
        return (
            f"{counted[i]:.0f}, but {labelled[i]} joints are labelled"
            f"{effect if counted[i] == 0 else ''}"
        )

    yield of_people(raw, "num-keypoints", wrong, count)
    area, box = numbers_of(raw.fields["area"]), raw.boxes[:, 2:].prod(axis=1)
    people = ~raw.crowds
    missing, bad = np.isnan(area), np.isinf(area)
    yield of_people(raw, "area-missing", missing, lambda i: "no 'area'")
    yield of_people(raw, "not-finite", people & bad, lambda i: "'area' is not finite")
    yield of_people(raw, "area-not-positive", people & (area <= 0), lambda i: f"area {area[i]:g}")
    # Outlines are drawn a little beyond boxes, hence 5 %.
    doubtful = people & (area > 0) & ~bad & (box > 0) & ((area > 1.05 * box) | (area < 0.01 * box))
    yield of_people(
        raw, "area-doubtful", doubtful, lambda i: f"area {area[i]:.6g}, box {box[i]:.6g}"
    )


def usable_file_name(name: str) -> bool:
    """Return whether a file can have that name, relative to the image folder."""
    parts = name.replace("\\", "/").split("/")
    if not name.isprintable() or len(name) > 1024 or leads_out(name):
        return False
    # No file system here or elsewhere takes longer names. Lone surrogates have no bytes.
    return all(len(part.encode(errors="replace")) <= 255 for part in parts)


def _of_images(
    raw: RawFile, code: str, mask: np.ndarray, describe: Callable[[int], str]
) -> Problem:
    found = np.flatnonzero(mask)
    return Problem(code, "images", raw.image_rows[found], lambda i: describe(int(found[i])))


def _none(values: np.ndarray) -> np.ndarray:
    return np.array([value is None for value in values], dtype=bool)


def _printable(value: object) -> bool:
    return not isinstance(value, str) or value.isprintable()


def _repeats(values: np.ndarray) -> np.ndarray:
    """Return the mask (n,) of values that occurred before; None is no value."""
    codes = codes_of(values)
    return pd.Series(codes).duplicated().to_numpy() & (codes >= 0)
