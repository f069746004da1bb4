"""Repairs of annotations: what `validate --fix` changes, and the list of the changes.

A repair changes only what has one right answer: a form that can be read in one way, ids, counts,
areas, numbers that are none, boxes that the labelled joints give, sizes that the picture gives.
Nothing that holds a label is taken out unless the user says so. What a person must look at (left
and right, track ids, joints outside boxes, leaks, units) is left as it is and listed as remaining.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import AREA_PER_BOX
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import LARGEST
from wepdtof_pose.formats.layout import decimal
from wepdtof_pose.validation.edits import Edits
from wepdtof_pose.validation.findings import Problem
from wepdtof_pose.validation.forms import read_forms
from wepdtof_pose.validation.joints import of_ai_challenger
from wepdtof_pose.validation.label_counts import (
    LabelCounts,
    count_frames,
    count_labels,
    count_person,
    extent_of_joints,
    rows_of_pairs,
)
from wepdtof_pose.validation.picture_sizes import fill_sizes, move_along
from wepdtof_pose.validation.raw_file import RawFile, joints_of_file, read_raw
from wepdtof_pose.validation.schema import entry_check
from wepdtof_pose.validation.units import OF_ANGLES, UNITS
from wepdtof_pose.validation.validate import check_raw

NEAR = 2.0
"""How far outside the image, in pixels, a labelled joint is moved onto the edge."""

_OF_A_PERSON = (
    *("not-finite", "visibility", "box-missing", "box-empty", "box-outside", "joint-outside-image"),
    *("num-keypoints", "area-missing", "area-not-positive", "rotated-box", "coco-fields"),
)

_DROPPED_IMAGES = ("file-name", "image-id-repeated")
_DROPPED_PEOPLE = ("image-unknown", "not-finite", "box-missing", "box-empty", "box-outside")
_WITHOUT_PLACE = ("image-unknown", "box-missing")
"""Faults that are none of a place: dropped also where the units of places are not believed."""
_OUTSIDE = ("box-outside", "joint-outside-image")
_NEEDED = ("image_id",)


@dataclass(frozen=True)
class Repaired:
    """The content of a file after repair, and what was done.

    Attributes:
        content: the repaired file.
        changes: code, where and what of each change.
        before, after: its labels.
        dropped: those that were taken out because the user said so.
    """

    content: dict[str, Any]
    changes: list[dict[str, str]]
    before: LabelCounts
    after: LabelCounts
    dropped: LabelCounts


@np.errstate(all="ignore")  # as of `check_raw`
def repair(
    content: dict[str, Any],
    source: str,
    *,
    file: Path | None = None,
    images: bool = False,
    drop: bool = False,
    category: str | None = None,
) -> Repaired:
    """Return a repaired copy of the content of a file, and the changes made.

    Args:
        content: parsed annotation file; it is not changed.
        source: its name, for messages.
        file: its path, to find the pictures whose sizes the file does not say.
        images: read all pictures, and move labels along with those that were resized or turned.
        drop: take out what no reader takes and what cannot be repaired.
        category: name of the category of people, where several have joints.

    Raises:
        InputError: it is nothing like an annotation file, or has boxes without joints.
    """
    raw = read_raw(content, source=source, category=category)
    if raw.boxes_only:
        raise InputError(f"{source}: boxes without joints cannot be repaired: convert first")
    before = count_labels(content, in_pairs=rows_of_pairs(content, category))
    edits = Edits(content, source, category=category)
    read_forms(edits)
    unsettled: frozenset[str] = frozenset()
    if file is not None:
        fill_sizes(edits, file)
        if images:
            unsettled = move_along(edits, file)
    _Repair(edits, unsettled).run()
    if drop:
        _drop_unusable(edits, unsettled)
    # Entries that are alike once they are repaired were one frame from the beginning.
    alike = count_frames(edits.all_entries("images"))
    before = before._replace(frames=min(before.frames, alike))
    after = count_labels(edits.result(), in_pairs=rows_of_pairs(edits.result(), category))
    lost = before - edits.dropped - after
    if max(lost) > 0:
        raise InputError(
            f"{source}: the repair would lose labels ({before} before, {after} after), so nothing "
            "was written: please report this file"
        )
    return Repaired(edits.result(), edits.changes, before, after, edits.dropped)


class _Repair:
    """The repairs that the arrays of a file show, once its forms are read.

    On the images `unsettled` (see `move_along`) no label is moved for lying outside.
    """

    def __init__(self, edits: Edits, unsettled: frozenset[str]) -> None:
        self.edits = edits
        self.unsettled = unsettled
        self.raw: RawFile = read_raw(edits.content, source=edits.source, category=edits.category)
        self.joints = self.raw.keypoints.shape[1]
        self.row_of = {int(row): i for i, row in enumerate(self.raw.rows)}
        self.category, _ = joints_of_file(edits.content, edits.category)
        self.units: frozenset[str] = frozenset()
        self.absent_is_3 = False
        self.found: dict[str, list[Problem]] = defaultdict(list)

    def run(self) -> None:
        """Apply the repairs in an order in which later ones see what earlier ones made."""
        for problem in check_raw(self.raw):
            self.found[problem.code].append(problem)
        self.units = UNITS & set(self.found)
        self._number_images()
        for code in ("person-id-missing", "person-id-zero", "person-id-repeated"):
            self._number_people(code)
        rows = {
            int(row)
            for code in _OF_A_PERSON
            for problem in self.found[code]
            for row in problem.rows
        }
        self.absent_is_3 = of_ai_challenger(self.raw)
        if self.absent_is_3:
            rows |= {int(row) for row in self.raw.rows}
        for row in sorted(rows):
            self._repair_person(row)

    def _number_images(self) -> None:
        """Take out copies of an image entry, and number anew those on which nobody is."""
        asked = {self.raw.annotations[row]["image_id"] for row in self.raw.rows}
        asked |= {
            a["image_id"]
            for _, a in self.edits.entries("annotations")
            if isinstance(a.get("image_id"), (int, str))
        }
        rows = [int(row) for problem in self.found["image-id-repeated"] for row in problem.rows]
        if not rows:
            return
        known = {self.raw.images[row]["id"] for row in self.raw.image_rows}
        free = _free_ids([n for n in known if isinstance(n, int)], known)
        first: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row in self.raw.image_rows:
            first[self.raw.images[row]["id"]].append(self.raw.images[row])
        for row in rows:
            image = self.raw.images[row]
            others = [one for one in first[image["id"]] if one is not image]
            if image == first[image["id"]][0]:
                why = "a copy of an earlier entry"
                self.edits.take_out("image-id-repeated", "images", row, why, labels=False)
            elif image["id"] not in asked and others:
                self.edits.set("image-id-repeated", "images", row, "id", next(free))

    def _number_people(self, code: str) -> None:
        ids = [a.get("id") for _, a in self.edits.entries("annotations")]
        known = {one for one in ids if isinstance(one, (int, str))}
        free = _free_ids([one for one in known if isinstance(one, int)], known)
        for problem in self.found[code]:
            for row in map(int, problem.rows):
                self.edits.set(code, "annotations", row, "id", next(free))

    def _repair_person(self, row: int) -> None:
        i = self.row_of[row]
        crowd = bool(self.raw.crowds[i])
        person = self.edits.entry("annotations", row)
        readable = "units-visibility" not in self.units
        if readable and int(self.raw.keypoint_numbers[i]) in (0, 3 * self.joints):
            labelled = self._repair_joints(row, crowd)
            self._repair_box(row, crowd)
            count = person.get("num_keypoints")
            # Joints that somebody counted may have lost their visibility, and are not denied.
            lost = not labelled and not _missing(count) and count > 0
            if _missing(count) or (count != labelled and not crowd and not lost):
                self.edits.set("num-keypoints", "annotations", row, "num_keypoints", labelled)
        self._repair_area(row, crowd)
        self._repair_rotated_box(row)
        person = self.edits.entry("annotations", row)
        if person.get("iscrowd") is None:
            self.edits.set("coco-fields", "annotations", row, "iscrowd", 0)
        if person.get("category_id") is None and self.category is not None:
            number = self.category["id"]
            self.edits.set("coco-fields", "annotations", row, "category_id", number)

    def _repair_joints(self, row: int, crowd: bool) -> int:
        """Repair the numbers of the joints, and return how many are labelled then."""
        before = self.raw.keypoints[self.row_of[row]]
        joints = before.copy()
        nowhere = ~np.isfinite(joints[:, :2]).all(axis=1)
        joints[nowhere] = 0
        unknown = ~np.isfinite(joints[:, 2])
        joints[unknown, 2] = 0
        odd = ~np.isin(joints[:, 2], (0, 1, 2))
        # At 0, 0 no visibility but 1 and 2 says that there is a joint.
        placed = (joints[:, :2] != 0).any(axis=1)
        joints[odd, 2] = np.where((joints[odd, 2] > 0) & placed[odd], 2, 0)
        if self.absent_is_3 and not crowd:
            odd = np.ones(len(joints), dtype=bool)
            joints[:, 2] = 3 - before[:, 2]
        near = np.zeros(len(joints), dtype=bool)
        size = self.raw.sizes_of_people[self.row_of[row]]
        sized = np.isfinite(size).all() and not _is_on(self.edits, row, self.unsettled)
        if sized and not crowd and not self.units - OF_ANGLES:
            beyond = np.maximum(-0.5 - joints[:, :2], joints[:, :2] - size + 0.5).max(axis=1)
            near = (joints[:, 2] > 0) & (beyond > 0) & (beyond <= NEAR)
            joints[near, :2] = joints[near, :2].clip(0, size - 1)
        codes = {"not-finite": nowhere | unknown, "visibility": odd, "joint-outside-image": near}
        changed = np.flatnonzero(nowhere | unknown | odd | near)
        if len(changed):
            values = list(self.edits.entry("annotations", row)["keypoints"])
            for joint in changed:
                values[3 * joint : 3 * joint + 3] = _plain(joints[joint])
            self.edits.edit("annotations", row)["keypoints"] = values
        for code, mask in codes.items():
            for joint in np.flatnonzero(mask):
                old, new = (_plain(numbers[joint]) for numbers in (before, joints))
                name = self.raw.joint_names[joint]
                self.edits.note(code, "annotations", row, f"{name} {old} -> {new}")
        return int((joints[:, 2] > 0).sum())

    def _repair_box(self, row: int, crowd: bool) -> None:
        """Make a box of the joints where there is none that can be used."""
        i = self.row_of[row]
        box, size = self.raw.boxes[i], self.raw.sizes_of_people[i]
        finite = bool(np.isfinite(box).all())
        if (crowd and finite) or self.units - OF_ANGLES:
            return
        code = ""
        if self.raw.without_box[i]:
            code = "box-missing"
        elif not finite:
            code = "not-finite"
        elif not (box[2:] > 0).all():
            code = "box-empty"
        elif ((box[:2] + box[2:] <= 0) | (box[:2] >= size)).any():
            if _is_on(self.edits, row, self.unsettled):
                return
            code = "box-outside"
        made = extent_of_joints(self.edits.entry("annotations", row).get("keypoints"))
        turned = np.append(np.minimum(box[:2], box[:2] + box[2:]), np.abs(box[2:]))
        if code == "box-empty" and _is_drawn(turned, made, size):
            self.edits.set(
                code, "annotations", row, "bbox", _plain(turned), ", from another corner"
            )
            return
        if not code or made is None:
            return
        if code == "box-outside" and (
            made[0] < -NEAR
            or made[1] < -NEAR
            or made[0] + made[2] > size[0] + NEAR
            or made[1] + made[3] > size[1] + NEAR
        ):
            return
        made = [decimal(number) for number in made]
        self.edits.set(code, "annotations", row, "bbox", made, ", of the joints")

    def _repair_area(self, row: int, crowd: bool) -> None:
        person = self.edits.entry("annotations", row)
        area: Any = person.get("area")
        missing, box = _missing(area), person.get("bbox")
        if not (missing or (not 0 < area < LARGEST and not crowd)) or not _is_usable(box, crowd):
            return
        made = AREA_PER_BOX * box[2] * box[3]
        code = "area-missing" if missing else "area-not-positive"
        if not missing and abs(area) >= LARGEST:
            code = "not-finite"
        self.edits.set(code, "annotations", row, "area", made, ", of the box")
        self.edits.edit("annotations", row)["area_from_box"] = True

    def _repair_rotated_box(self, row: int) -> None:
        box = self.raw.rotated[self.row_of[row]]
        person = self.edits.entry("annotations", row)
        if not person.get("rotated_box") or self.units:
            return
        if not np.isfinite(box).all():
            self.edits.put_aside("not-finite", "annotations", row, "rotated_box")
            return
        cx, cy, w, h, angle = box.tolist()
        if not (w > 0 and h > 0):
            return
        # The same box, written with its shorter side first.
        if w > 1.001 * h:
            w, h, angle = h, w, angle % 180 - 90
        # An angle beyond a quarter turn stays: it may say at which end the head is.
        elif abs(angle) > 180.01:
            angle = (angle + 180) % 360 - 180
        if [w, h, angle] != box[2:].tolist():
            made = _plain(np.array([cx, cy, w, h, angle]))
            self.edits.set("rotated-box", "annotations", row, "rotated_box", made)


def _free_ids(numbers: list[int], known: set[Any]) -> Iterator[int]:
    number = max([0, *numbers])
    while True:
        number += 1
        if number not in known and str(number) not in known:
            known.add(number)
            yield number


def _missing(value: Any) -> bool:
    """Return whether a number is null, not there or NaN."""
    return value is None or value != value


def _is_drawn(box: np.ndarray, joints: list[float] | None, size: np.ndarray) -> bool:
    """Return whether a box whose sides were negative was drawn from another corner: of more than a
    pixel, it lies in its image and, where joints are labelled, around them."""
    near, far = box[:2] - NEAR, box[:2] + box[2:] + NEAR
    if (box[2:] <= 1).any() or (near < -2 * NEAR).any() or (far > size + 2 * NEAR).any():
        return False
    extent = np.array([*box[:2], 0, 0] if joints is None else joints)
    return bool((extent[:2] >= near).all() and (extent[:2] + extent[2:] <= far).all())


def _is_usable(box: Any, crowd: bool) -> bool:
    if not box or not all(abs(number) < LARGEST for number in box):
        return False
    return crowd or (box[2] > 0 and box[3] > 0)


def _plain(values: np.ndarray) -> list[Any]:
    """Return numbers for JSON: whole ones without a point; those that are none as text."""
    return [decimal(v) if np.isfinite(v) else str(v) for v in map(float, values)]


def _is_on(edits: Edits, row: int, images: frozenset[str]) -> bool:
    """Return whether a person is on one of these images, which are ids as `repr` writes them."""
    entry = edits.entry("annotations", row)
    return isinstance(entry, dict) and repr(entry.get("image_id")) in images


def _drop_unusable(edits: Edits, unsettled: frozenset[str]) -> None:
    """Take out what no reader takes, people without a usable box, joints outside, exact copies.

    Fields go before people, and people before nothing else: of a person with one field that cannot
    be read the field is taken out. Where the whole file has other units than ours nobody is dropped
    for a place, and on the images `unsettled` (see `move_along`) nobody for lying outside.
    """
    # What goes may leave others without an image, and so on.
    for _ in range(5):
        taken = len(edits.changes)
        _drop_once(edits, unsettled)
        if len(edits.changes) == taken:
            break
    _drop_copies(edits)


def _drop_once(edits: Edits, unsettled: frozenset[str]) -> None:
    raw = read_raw(edits.content, source=edits.source, category=edits.category)
    problems = check_raw(raw)
    counts = set(raw.keypoint_numbers[raw.keypoint_numbers > 0].tolist())
    # Where all people have one other count, the category is of other joints.
    wrong_category = len(counts) == 1 and len(raw) > 1
    places_believed = not UNITS & {problem.code for problem in problems}
    for problem in problems:
        for i, row in enumerate(map(int, problem.rows)):
            code, table = problem.code, problem.table
            if table == "images" and (code == "structure" or code in _DROPPED_IMAGES):
                for each in _same_id(edits, row) if code == "image-id-repeated" else [row]:
                    edits.take_out(code, "images", each, problem.describe(i))
            elif table != "annotations" or (code in _OUTSIDE and _is_on(edits, row, unsettled)):
                continue
            elif code == "structure":
                _drop_field(edits, row, problem.describe(i))
            elif code in _DROPPED_PEOPLE and (places_believed or code in _WITHOUT_PLACE):
                edits.take_out(code, "annotations", row, problem.describe(i))
            elif code == "keypoint-count" and not wrong_category:
                _without(edits, code, row, "keypoints", problem.describe(i))
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


def _without(edits: Edits, code: str, row: int, name: str, why: str) -> None:
    if edits.is_out("annotations", row):
        return
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


def _drop_copies(edits: Edits) -> None:
    """Drop people whose fields, but for the id, are all those of an earlier one."""
    raw = read_raw(edits.result(), source=edits.source, category=edits.category)
    rows = [row for row, _ in edits.entries("annotations")]
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
