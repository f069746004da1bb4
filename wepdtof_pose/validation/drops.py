"""`--drop`: take out what cannot be repaired, and count the labels that go with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wepdtof_pose.validation.edits import Edits
from wepdtof_pose.validation.label_counts import LabelCounts, count_person
from wepdtof_pose.validation.raw_file import RawFile, read_raw
from wepdtof_pose.validation.schema import entry_check
from wepdtof_pose.validation.units import UNITS
from wepdtof_pose.validation.validate import check_raw

_IMAGES = ("file-name", "image-id-repeated")
_PEOPLE = ("image-unknown", "not-finite", "box-missing", "box-empty", "box-outside")
_NEEDED = ("image_id",)


def drop_unusable(edits: Edits) -> None:
    """Take out what no reader takes, people without a usable box, joints outside, exact copies.

    Fields go before people, and people before nothing else: of a person with one field that cannot
    be read the field is taken out. Where the whole file has other units than ours nobody is dropped
    for a place.
    """
    # What goes may leave others without an image, and so on.
    for _ in range(5):
        taken = len(edits.changes)
        _drop_once(edits)
        if len(edits.changes) == taken:
            break
    raw = read_raw(edits.result(), source=edits.source, category=edits.category)
    _drop_copies(edits, raw, _rows_left(edits))


def _drop_once(edits: Edits) -> None:
    raw = read_raw(edits.content, source=edits.source, category=edits.category)
    problems = check_raw(raw)
    counts = set(raw.keypoint_numbers[raw.keypoint_numbers > 0].tolist())
    # Where all people have one other count, the category is of other joints.
    wrong_category = len(counts) == 1 and len(raw) > 1
    places_believed = not UNITS & {problem.code for problem in problems}
    for problem in problems:
        for i, row in enumerate(map(int, problem.rows)):
            code, table = problem.code, problem.table
            if table == "images" and (code == "structure" or code in _IMAGES):
                for each in _same_id(edits, row) if code == "image-id-repeated" else [row]:
                    edits.take_out(code, "images", each, problem.describe(i))
            elif table != "annotations":
                continue
            elif code == "structure":
                _drop_field(edits, row, problem.describe(i))
            elif code in _PEOPLE and (places_believed or code in ("image-unknown", "box-missing")):
                edits.take_out(code, "annotations", row, problem.describe(i))
            elif code == "keypoint-count" and not wrong_category:
                _drop_joints(edits, row, problem.describe(i))
            elif code == "joint-outside-image" and places_believed:
                _drop_joints_outside(edits, raw, row)


def _same_id(edits: Edits, row: int) -> list[int]:
    """Return the rows of all images of that id: nobody knows on which of them the people are."""
    image = edits.entry("images", row)
    if image is None:
        return []
    return [other for other, entry in edits.entries("images") if entry.get("id") == image["id"]]


def _drop_field(edits: Edits, row: int, why: str) -> None:
    """Take out the field that cannot be read, or the person where it cannot be missing."""
    entry = edits.entry("annotations", row)
    if edits.is_out("annotations", row):
        return
    error = entry_check("annotation")(entry)
    if not isinstance(entry, dict) or error is None or error.field in ("", *_NEEDED):
        edits.take_out("structure", "annotations", row, why)
        return
    _without(edits, "structure", row, error.field, error.message)


def _drop_joints(edits: Edits, row: int, why: str) -> None:
    if edits.is_out("annotations", row):
        return
    _without(edits, "keypoint-count", row, "keypoints", why)


def _without(edits: Edits, code: str, row: int, name: str, why: str) -> None:
    person = edits.edit("annotations", row)
    before = count_person(person)
    value = person.pop(name)
    if name == "keypoints":
        person["num_keypoints"] = 0
    edits.dropped += before - count_person(person)
    edits.note(code, "annotations", row, f"dropped: {name!r} {str(value)[:400]}: {why}")


def _drop_joints_outside(edits: Edits, raw: RawFile, row: int) -> None:
    """Make joints that lie outside the image not labelled."""
    if edits.is_out("annotations", row):
        return
    i = int(np.searchsorted(raw.rows, row))
    points, size = raw.keypoints[i, :, :2], raw.sizes_of_people[i]
    with np.errstate(invalid="ignore"):
        outside = ((points < -0.5) | (points > size - 0.5)).any(axis=1) & raw.labelled[i]
    values: list[Any] = list(edits.entry("annotations", row)["keypoints"])
    for joint in np.flatnonzero(outside):
        values[3 * joint : 3 * joint + 3] = [0, 0, 0]
        where = values[3 * joint : 3 * joint + 2]
        name = raw.joint_names[joint]
        edits.note("joint-outside-image", "annotations", row, f"dropped: {name} at {where}")
    person = edits.edit("annotations", row)
    person["keypoints"] = values
    person["num_keypoints"] = int(raw.labelled[i].sum() - outside.sum())
    edits.dropped += LabelCounts(joints=int(outside.sum()))


def _rows_left(edits: Edits) -> list[int]:
    return [row for row, _ in edits.entries("annotations")]


def _drop_copies(edits: Edits, raw: RawFile, rows: list[int]) -> None:
    """Drop people whose fields, but for the id, are all those of an earlier one."""
    boxes = np.where(np.isfinite(raw.boxes), raw.boxes, 0)
    keys = np.column_stack([raw.image_of, boxes])
    order = np.lexsort(keys.T)
    same = (np.diff(keys[order], axis=0) == 0).all(axis=1)
    near = np.zeros(len(keys), dtype=bool)
    near[order[1:]] |= same
    near[order[:-1]] |= same
    seen: set[str] = set()
    for i in np.flatnonzero(near):
        row = rows[int(raw.rows[i])]
        entry = edits.entry("annotations", row)
        key = repr(sorted((k, repr(v)) for k, v in entry.items() if k != "id"))
        if key in seen:
            edits.take_out("box-repeated", "annotations", row, "an exact copy of a person")
        seen.add(key)
