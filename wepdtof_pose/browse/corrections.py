"""The way back: people as they are now in the FiftyOne data set, as COCO content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.coordinates import (
    DECIMALS,
    changed_box,
    changed_keypoints,
    changed_rotated_box,
)
from wepdtof_pose.browse.documents import own_tags
from wepdtof_pose.browse.storage import find_frames
from wepdtof_pose.dataset import AREA_PER_BOX
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.layout import decimal
from wepdtof_pose.formats.tools.tool_records import boxes_around
from wepdtof_pose.geometry import joint_extents
from wepdtof_pose.validation.codes import CODES

_CORRECTED = (fields.KEYPOINTS, fields.BOXES, fields.ROTATED_BOXES)
"""Fields whose places are read; of the others, copies of parts of the pose, only the tags are."""


@dataclass(frozen=True)
class FrameNow:
    """A frame of the FiftyOne data set, and the file's part that it came from.

    Attributes:
        source: image, rows and annotations, as imported.
        size: (2,) width and height in pixels.
        labels: the labels of each field now.
        tags: the frame's, findings and the split among them.
        split: its name.
    """

    source: dict[str, Any]
    size: np.ndarray
    labels: dict[str, list[dict[str, Any]]]
    tags: list[str]
    split: str


def corrected_content(dataset: Any, split: str) -> dict[str, Any]:
    """Return the COCO content of a split, with the corrections made in the App.

    What was not touched has the numbers of the imported file. Deleted frames, and people whose pose
    and box were deleted, are left out; new people get new ids: a new pose with the only new box
    around it, a pose alone, or a box alone. Tags that a person set, on a box, the pose or a copy of
    its parts, are in "tags" of image and annotation; findings of `validate` and the split are not
    repeated.

    Raises:
        InputError: there is no such split, frames without the field `source`, a pose of another
            number of points, a rotated box without four corners, or a new one, which is nobody's.
    """
    record = dataset.info[fields.INFO]
    if split not in record["files"]:
        raise InputError(f"has no split {split!r}, only {', '.join(record['files'])}")
    meta = json.loads(record["meta"][split])
    category = meta.pop("category")
    frames = list(_frames(dataset, split))
    known = sorted(
        ((row, a) for f in frames for row, a in _people_of(f).items()), key=itemgetter(0)
    )
    annotations = [annotation for _, annotation in known]
    next_id = 1 + int(record["largest_ids"][split])
    added = [person for frame in frames for person in _new_people(frame, category)]
    annotations += [{"id": number, **a} for number, a in enumerate(added, start=next_id)]
    images = [_with_tags(f.source["image"], f.tags, f.split) for f in frames]
    return {
        "info": meta.pop("info", {}),
        **meta,
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }


def corrections(dataset: Any) -> int:
    """Return how many people and frames were corrected, deleted, added or tagged since."""
    record = dataset.info.get(fields.INFO, {})
    count = 0
    for split in record.get("files", {}):
        count += record["frames"][split]
        for frame in _frames(dataset, split):
            count -= 1
            before = dict(zip(frame.source["rows"], frame.source["annotations"], strict=True))
            now = _people_of(frame)
            count += sum(before.get(row) != now.get(row) for row in {*before, *now})
            count += sum(len(_new_labels(frame, name)) for name in _CORRECTED)
            image = frame.source["image"]
            count += _with_tags(image, frame.tags, split) != image
    return count


def tagged_people(dataset: Any, split: str, tag: str) -> list[Any]:
    """Return ids of the people of a split that have a tag, or whose frame has it, in file order."""
    found: list[tuple[float, Any]] = []
    for frame in _frames(dataset, split):
        labels = _by_row(frame)
        for row, annotation in zip(frame.source["rows"], frame.source["annotations"], strict=True):
            if row in labels and (tag in frame.tags or tag in _tags_of(labels[row])):
                found.append((row, annotation["id"]))
    return [person for _, person in sorted(found, key=lambda entry: entry[0])]


def _frames(dataset: Any, split: str) -> Iterator[FrameNow]:
    wanted = ["tags", "metadata", fields.SOURCE, *fields.LABEL_LISTS]
    for document in find_frames(dataset, split, wanted):
        if not document.get(fields.SOURCE):
            raise InputError(
                f"{dataset.name}: a frame has lost its field {fields.SOURCE!r}: import the data "
                "again with --reload"
            )
        size = document["metadata"]
        yield FrameNow(
            source=json.loads(document[fields.SOURCE]),
            size=np.array([size["width"], size["height"]], dtype=np.float64),
            labels={
                name: (document.get(name) or {}).get(items) or []
                for name, items in fields.LABEL_LISTS.items()
            },
            tags=document.get("tags") or [],
            split=split,
        )


def _people_of(frame: FrameNow) -> dict[int, dict[str, Any]]:
    """Return the annotations, by place in the file, of imported people still on the frame."""
    labels = _by_row(frame)
    imported = zip(frame.source["rows"], frame.source["annotations"], strict=True)
    return {row: _corrected(a, labels[row], frame) for row, a in imported if row in labels}


def _new_labels(frame: FrameNow, name: str) -> list[dict[str, Any]]:
    return [label for label in frame.labels[name] if label.get("row") is None]


def _new_people(frame: FrameNow, category: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations, still without ids, of people who were added in the App."""
    joints, where = len(category["keypoints"]), frame.source["image"]["file_name"]
    if _new_labels(frame, fields.ROTATED_BOXES):
        raise InputError(f"{where}: a new rotated box belongs to nobody: delete it in the App")
    for label in frame.labels[fields.KEYPOINTS]:
        if len(label["points"]) != joints:
            raise InputError(
                f"{where}: a pose has {len(label['points'])} points instead of {joints}: "
                "delete it in the App, or draw all"
            )
    people = []
    free = _new_labels(frame, fields.BOXES)
    for label in _new_labels(frame, fields.KEYPOINTS):
        points, _ = _pose(label, joints)
        boxes = np.array([box["bounding_box"] for box in free], dtype=np.float64).reshape(-1, 4)
        around = boxes_around(points[np.isfinite(points).all(axis=1)], boxes)
        box = {fields.BOXES: free.pop(int(around[0]))} if len(around) == 1 else {}
        people.append(_new_person({fields.KEYPOINTS: label, **box}, joints, frame, category["id"]))
    alone = [{fields.BOXES: box} for box in free]
    return people + [_new_person(labels, joints, frame, category["id"]) for labels in alone]


def _by_row(frame: FrameNow) -> dict[int, dict[str, dict[str, Any]]]:
    """Return the labels of each person by field."""
    people: dict[int, dict[str, dict[str, Any]]] = {}
    for name, labels in frame.labels.items():
        for label in labels:
            if label.get("row") is not None:
                people.setdefault(label["row"], {})[name] = label
    # A rotated box or a copy alone is what is left of somebody who was deleted.
    return {
        row: labels
        for row, labels in people.items()
        if {fields.KEYPOINTS, fields.BOXES} & {*labels}
    }


def _corrected(
    annotation: dict[str, Any], labels: dict[str, dict[str, Any]], frame: FrameNow
) -> dict[str, Any]:
    now = dict(annotation)
    before = np.array(annotation["keypoints"], dtype=np.float64).reshape(-1, 3)
    points, visibility = _pose(labels.get(fields.KEYPOINTS), len(before))
    keypoints = changed_keypoints(before, points, visibility, frame.size)
    if not np.array_equal(keypoints, before):
        now["keypoints"] = [decimal(value) for value in keypoints.ravel().tolist()]
        now["num_keypoints"] = int((keypoints[:, 2] > 0).sum())
    if fields.BOXES in labels:
        box = np.array(annotation["bbox"], dtype=np.float64)
        relative = np.array(labels[fields.BOXES]["bounding_box"], dtype=np.float64)
        changed = changed_box(box, relative, frame.size)
        if changed is not box:
            now["bbox"] = [decimal(value) for value in changed.tolist()]
            if annotation.get("area_from_box"):
                now["area"] = AREA_PER_BOX * float(changed[2] * changed[3])
    if "rotated_box" in annotation:
        rotated = _rotated_box(annotation["rotated_box"], labels.get(fields.ROTATED_BOXES), frame)
        now = {k: v for k, v in now.items() if k != "rotated_box"} if rotated is None else now
        if rotated is not None:
            now["rotated_box"] = rotated
    return _with_tags(now, _tags_of(labels))


def _rotated_box(
    imported: list[float], label: dict[str, Any] | None, frame: FrameNow
) -> list[float] | None:
    """Return the rotated box as it is now; None where it was deleted."""
    if label is None:
        return None
    corners = label["points"]
    if [len(line) for line in corners] != [4]:
        count, where = sum(map(len, corners)), frame.source["image"]["file_name"]
        raise InputError(
            f"{where}: a rotated box has {count} corners instead of 4: delete it in the App, or "
            "put the corners right"
        )
    box = np.array(imported, dtype=np.float64)
    turned = changed_rotated_box(box, np.array(corners[0], dtype=np.float64), frame.size)
    return imported if turned is box else [decimal(value) for value in turned.tolist()]


def _new_person(
    labels: dict[str, dict[str, Any]], joints: int, frame: FrameNow, category_id: Any
) -> dict[str, Any]:
    points, visibility = _pose(labels.get(fields.KEYPOINTS), joints)
    keypoints = changed_keypoints(np.zeros((joints, 3)), points, visibility, frame.size)
    box = joint_extents(keypoints[None])[0].tolist()
    if fields.BOXES in labels:
        relative = np.array(labels[fields.BOXES]["bounding_box"], dtype=np.float64)
        box = np.round(relative * np.tile(frame.size, 2), DECIMALS).tolist()
    person = {
        "image_id": frame.source["image"]["id"],
        "category_id": category_id,
        "bbox": [decimal(value) for value in box],
        "area": AREA_PER_BOX * box[2] * box[3],
        "iscrowd": 0,
        "keypoints": [decimal(value) for value in keypoints.ravel().tolist()],
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "area_from_box": True,
    }
    return _with_tags(person, _tags_of(labels))


def _pose(label: dict[str, Any] | None, joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (joints, 2), NaN for none, and visibility (joints,), 0 where not said."""
    if label is None:
        return np.full((joints, 2), np.nan), np.zeros(joints)
    points = np.array(
        [[np.nan if value is None else value for value in point] for point in label["points"]],
        dtype=np.float64,
    ).reshape(-1, 2)
    visibility = np.zeros(joints)
    stated = (label.get("visibility") or [])[:joints]
    visibility[: len(stated)] = [value or 0 for value in stated]
    whole = np.full((joints, 2), np.nan)
    whole[: len(points)] = points[:joints]
    return whole, visibility


def _tags_of(labels: dict[str, dict[str, Any]]) -> list[str]:
    tags = [tag for label in labels.values() for tag in label.get("tags") or []]
    return list(dict.fromkeys(tags))


def _with_tags(entry: dict[str, Any], tags: list[str], split: str | None = None) -> dict[str, Any]:
    """Return the entry with those of these tags that are no findings, and not the split unless the
    file had that too; as it is where they are those that it was imported with."""
    imported = own_tags(entry)
    set_by_people = [tag for tag in tags if tag not in CODES and tag != split]
    if set(set_by_people) == {tag for tag in imported if tag not in CODES and tag != split}:
        return entry
    kept = [tag for tag in imported if tag == split] + set_by_people
    without = {key: value for key, value in entry.items() if key != "tags"}
    return {**without, "tags": kept} if kept else without
