"""Repairs of annotations: what `validate --fix` changes, and the list of the changes.

Only what follows from the file itself is repaired: ids, counts, areas, numbers that are none, boxes
that the labelled joints give, entries that no reader can use. What a person must look at (left and
right, track ids, joints outside boxes, leaks) is left as it is and listed as remaining.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import AREA_PER_BOX
from wepdtof_pose.formats.fields import LARGEST
from wepdtof_pose.formats.layout import decimal
from wepdtof_pose.validation.findings import Problem
from wepdtof_pose.validation.images import check_image_files, image_root, look_at_image
from wepdtof_pose.validation.raw_file import RawFile
from wepdtof_pose.validation.validate import check_raw

NEAR = 2.0
"""How far outside the image, in pixels, a labelled joint is moved onto the edge."""


def repair(
    content: dict[str, Any], raw: RawFile, image_file: Path | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A repaired copy of the content of a file, and the changes made: code, where, what.

    Args:
        content: parsed annotation file.
        raw: its arrays.
        image_file: the annotation file, to find the images whose sizes are to be taken.
    """
    fixer = _Repair(content, raw)
    problems = check_raw(raw)
    if image_file is not None:
        problems += check_image_files(raw, image_file)
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.code, []).append(problem)
    fixer.run(found, image_file)
    return fixer.result(), fixer.changes


class _Repair:
    def __init__(self, content: dict[str, Any], raw: RawFile) -> None:
        self.raw = raw
        self.content = content
        # Entries are copied when they are changed: a large file is in memory once.
        self.images: list[Any] = list(content["images"])
        self.annotations: list[Any] = list(content["annotations"])
        self.changes: list[dict[str, Any]] = []
        self.joints = raw.keypoints.shape[1]
        self.row_of = {int(row): i for i, row in enumerate(raw.rows)}

    def run(self, found: dict[str, list[Problem]], image_file: Path | None) -> None:
        """Apply the repairs in an order in which later ones see what earlier ones made."""
        for problem in found.get("structure", []):
            for i, row in enumerate(problem.rows):
                self._drop("structure", problem.table, int(row), problem.describe(i))
        for problem in found.get("image-id-repeated", []):
            self._drop_equal_images(problem.rows)
        for problem in found.get("image-unknown", []):
            for i, row in enumerate(problem.rows):
                self._drop("image-unknown", "annotations", int(row), problem.describe(i))
        self._drop_copies()
        for code in ("person-id-missing", "person-id-zero", "person-id-repeated"):
            self._number_anew(code, found.get(code, []))
        if image_file is not None:
            for problem in found.get("image-size", []):
                self._take_sizes(problem.rows, image_file)
        touched = {
            int(row)
            for code in (
                *("not-finite", "keypoint-count", "visibility", "box-empty", "box-outside"),
                *("joint-outside-image", "num-keypoints", "area-missing", "area-not-positive"),
                "rotated-box",
            )
            for problem in found.get(code, [])
            for row in problem.rows
        }
        for row in sorted(touched):
            if self.annotations[row] is not None:
                self._repair_person(row)

    def result(self) -> dict[str, Any]:
        """The repaired content."""
        lists = {"images": self.images, "annotations": self.annotations}
        kept = {name: [e for e in entries if e is not None] for name, entries in lists.items()}
        return {**self.content, **kept}

    def _note(self, code: str, table: str, row: int, what: str) -> None:
        self.changes.append({"code": code, "where": self.raw.where(table, row), "change": what})

    def _drop(self, code: str, table: str, row: int, why: str) -> None:
        entries = self.images if table == "images" else self.annotations
        if entries[row] is not None:
            entries[row] = None
            self._note(code, table, row, f"dropped: {why}")

    def _drop_equal_images(self, rows: Iterable[int]) -> None:
        for row in rows:
            same = (
                self.raw.images[r]
                for r in self.raw.image_rows
                if r < row and self.raw.images[r]["id"] == self.raw.images[row]["id"]
            )
            if self.raw.images[row] == next(same, None):
                self._drop("image-id-repeated", "images", int(row), "a copy of an earlier entry")

    def _drop_copies(self) -> None:
        """Drop people whose fields, but for the id, are all those of an earlier one."""
        seen: set[str] = set()
        boxes = np.where(np.isfinite(self.raw.boxes), self.raw.boxes, 0)
        keys = np.column_stack([self.raw.image_of, boxes])
        order = np.lexsort(keys.T)
        same = (np.diff(keys[order], axis=0) == 0).all(axis=1)
        near = np.zeros(len(keys), dtype=bool)
        near[order[1:]] |= same
        near[order[:-1]] |= same
        for i in np.flatnonzero(near):
            row = int(self.raw.rows[i])
            entry = self.annotations[row]
            if entry is None:
                continue
            key = repr(sorted((k, repr(v)) for k, v in entry.items() if k != "id"))
            if key in seen:
                self._drop("box-repeated", "annotations", row, "an exact copy of a person")
            seen.add(key)

    def _number_anew(self, code: str, problems: list[Problem]) -> None:
        used = [i for i in self.raw.fields["id"] if isinstance(i, int)]
        known = set(used) | {str(i) for i in self.raw.fields["id"]}
        free = _free_ids(max([0, *used, *self._ids_given()]), known)
        for problem in problems:
            for row in map(int, problem.rows):
                if self.annotations[row] is not None:
                    number = next(free)
                    before = self.annotations[row].get("id")
                    self._edit(row)["id"] = number
                    self._note(code, "annotations", row, f"id {before!r} -> {number}")

    def _ids_given(self) -> Iterator[int]:
        for entry in self.annotations:
            if isinstance(entry, dict) and isinstance(entry.get("id"), int):
                yield entry["id"]

    def _take_sizes(self, rows: Iterable[int], file: Path) -> None:
        root = image_root(file, self.raw.image_column("file_name"))
        for row in map(int, rows):
            size = look_at_image(root / self.raw.images[row]["file_name"]).size
            if size and self.images[row] is not None:
                before = (self.images[row]["width"], self.images[row]["height"])
                self.images[row] = {**self.images[row], "width": size[0], "height": size[1]}
                self._note("image-size", "images", row, f"{before} -> {size}")

    def _edit(self, row: int) -> dict[str, Any]:
        if self.annotations[row] is self.raw.annotations[row]:
            self.annotations[row] = copy.copy(self.raw.annotations[row])
        return self.annotations[row]

    def _repair_person(self, row: int) -> None:
        i, person = self.row_of[row], self._edit(row)
        crowd = bool(self.raw.crowds[i])
        width, height = self.raw.sizes_of_people[i]
        joints = self._repair_joints(row, person, (width, height), crowd)
        labelled = joints[joints[:, 2] > 0]
        if not self._repair_box(row, person, labelled, (width, height), crowd):
            return
        count: Any = person.get("num_keypoints")
        area: Any = person.get("area")
        if _missing(count) or (count != len(labelled) and not crowd):
            person["num_keypoints"] = len(labelled)
            change = f"num_keypoints {count} -> {len(labelled)}"
            self._note("num-keypoints", "annotations", row, change)
        if _missing(area) or (not 0 < area < LARGEST and not crowd):
            person["area"] = AREA_PER_BOX * person["bbox"][2] * person["bbox"][3]
            person["area_from_box"] = True
            code = "area-missing" if _missing(area) else "area-not-positive"
            self._note(code, "annotations", row, f"area {area} -> {person['area']:.6g}, of the box")
        self._repair_rotated_box(row, person)

    def _repair_joints(
        self, row: int, person: dict[str, Any], size: tuple[float, float], crowd: bool
    ) -> np.ndarray:
        """The person's joints (joints, 3) after repair, which are put into the person."""
        joints = self.raw.keypoints[self.row_of[row]].copy()
        number = int(self.raw.keypoint_numbers[self.row_of[row]])
        if number not in (0, 3 * self.joints):
            self._note("keypoint-count", "annotations", row, f"{number} numbers -> not labelled")
            person["keypoints"] = [0] * (3 * self.joints)
            return joints
        before = joints.copy()
        infinite = ~np.isfinite(joints).all(axis=1)
        joints[infinite] = 0
        odd = ~np.isin(joints[:, 2], (0, 1, 2))
        joints[odd, 2] = np.where(joints[odd, 2] > 0, 2, 0)
        beyond = np.zeros(len(joints))
        if np.isfinite(size).all() and not crowd:
            limit = np.array(size) - 1
            low, high = -0.5 - joints[:, :2], joints[:, :2] - limit - 0.5
            beyond = np.where(joints[:, 2] > 0, np.maximum(low, high).max(axis=1), 0)
            near = (beyond > 0) & (beyond <= NEAR)
            joints[near, :2] = joints[near, :2].clip(0, limit)
            joints[beyond > NEAR] = 0
        codes = {"not-finite": infinite, "visibility": odd, "joint-outside-image": beyond > 0}
        for code, mask in codes.items():
            for joint in np.flatnonzero(mask):
                old, new = (_plain(values[joint]) for values in (before, joints))
                self._note(
                    code, "annotations", row, f"{self.raw.joint_names[joint]} {old} -> {new}"
                )
        if any(mask.any() for mask in codes.values()):
            person["keypoints"] = [value for joint in joints for value in _plain(joint)]
        return joints

    def _repair_box(
        self,
        row: int,
        person: dict[str, Any],
        labelled: np.ndarray,
        size: tuple[float, float],
        crowd: bool,
    ) -> bool:
        """Whether the person has a usable box now; else it was dropped."""
        box = self.raw.boxes[self.row_of[row]]
        finite = bool(np.isfinite(box).all())
        if crowd and finite:
            return True
        code = None if finite else "not-finite"
        if finite and not (box[2:] > 0).all():
            code = "box-empty"
        elif finite and ((box[:2] + box[2:] <= 0).any() or (box[:2] >= size).any()):
            code = "box-outside"
        if code is None:
            return True
        extent = np.ptp(labelled[:, :2], axis=0) if len(labelled) > 1 else np.zeros(2)
        if not (extent > 0).all():
            self._drop(code, "annotations", row, f"box {_plain(box)}, and no joints to make one of")
            return False
        made = _plain(np.concatenate([labelled[:, :2].min(axis=0), extent]))
        person["bbox"] = made
        self._note(code, "annotations", row, f"box {_plain(box)} -> {made}, of the joints")
        return True

    def _repair_rotated_box(self, row: int, person: dict[str, Any]) -> None:
        box = self.raw.rotated[self.row_of[row]]
        if person.get("rotated_box") is None:
            return
        if not np.isfinite(box).all():
            person["rotated_box"] = None
            self._note("not-finite", "annotations", row, "rotated box dropped")
            return
        cx, cy, w, h, angle = box.tolist()
        if w > h:
            w, h, angle = h, w, angle + 90
        angle = (angle + 90) % 180 - 90
        if [w, h, angle] != box[2:].tolist():
            person["rotated_box"] = [cx, cy, w, h, angle]
            self._note(
                "rotated-box", "annotations", row, f"{_plain(box)} -> {w:g} x {h:g}, {angle:g}"
            )


def _free_ids(start: int, known: set[Any]) -> Iterator[int]:
    number = start
    while True:
        number += 1
        if number not in known and str(number) not in known:
            yield number


def _missing(value: Any) -> bool:
    """Whether a number is null, not there or NaN."""
    return value is None or value != value


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers for JSON: whole ones without a point; those that are none as text."""
    return [decimal(v) if np.isfinite(v) else str(v) for v in map(float, values)]
