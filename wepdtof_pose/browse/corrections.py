"""The way back: people as they are now in the FiftyOne data set, as COCO content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.coordinates import changed_box, changed_keypoints, changed_rotated_box
from wepdtof_pose.browse.storage import find_frames
from wepdtof_pose.dataset import AREA_PER_BOX
from wepdtof_pose.errors import InputError
from wepdtof_pose.finding_codes import CODES


@dataclass(frozen=True)
class FrameNow:
    """A frame of the FiftyOne data set, and the file's part that it came from.

    Attributes:
        source: image, rows and annotations, as imported.
        size: (2,) width and height in pixels.
        labels: the labels of each field now.
        tags: those that a person set on the frame.
    """

    source: dict[str, Any]
    size: np.ndarray
    labels: dict[str, list[dict[str, Any]]]
    tags: list[str]


def corrected_content(dataset: Any, split: str) -> dict[str, Any]:
    """The COCO content of a split, with the corrections made in the App.

    What was not touched has the numbers of the imported file. People whose pose and box were
    deleted are left out, new ones get new ids. Tags that a person set are in "tags" of image and
    annotation; findings of `validate` and the split are not repeated.

    Raises:
        InputError: there is no such split, or frames without the field `source`.
    """
    record = dataset.info[fields.INFO]
    if split not in record["files"]:
        raise InputError(f"has no split {split!r}, only {', '.join(record['files'])}")
    meta = json.loads(record["meta"][split])
    category = meta.pop("category")
    frames = list(_frames(dataset, split))
    people = [person for frame in frames for person in _people_of(frame, category)]
    people.sort(key=lambda person: person[0])
    next_id = 1 + max((a["id"] for _, a in people if isinstance(a.get("id"), int)), default=0)
    annotations = []
    for _, annotation in people:
        if "id" not in annotation:
            annotation = {"id": next_id, **annotation}
            next_id += 1
        annotations.append(annotation)
    images = [_with_tags(frame.source["image"], frame.tags) for frame in frames]
    return {
        "info": meta.pop("info", {}),
        **meta,
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }


def corrections(dataset: Any) -> int:
    """How many people and frames were corrected, deleted, added or tagged since the import."""
    record = dataset.info.get(fields.INFO, {})
    count = 0
    for split in record.get("files", {}):
        category = json.loads(record["meta"][split])["category"]
        for frame in _frames(dataset, split):
            before = dict(zip(frame.source["rows"], frame.source["annotations"], strict=True))
            now = dict(_people_of(frame, category))
            count += sum(before.get(row) != now.get(row) for row in {*before, *now})
            count += _with_tags(frame.source["image"], frame.tags) != frame.source["image"]
    return count


def tagged_people(dataset: Any, split: str, tag: str) -> list[Any]:
    """Ids of the people of a split that have a tag, or whose frame has it, in file order."""
    found: list[tuple[float, Any]] = []
    for frame in _frames(dataset, split):
        labels = _by_row(frame)
        for row, annotation in zip(frame.source["rows"], frame.source["annotations"], strict=True):
            if tag in frame.tags or tag in _tags_of(labels.get(row, {})):
                found.append((row, annotation["id"]))
    return [person for _, person in sorted(found, key=lambda entry: entry[0])]


def _frames(dataset: Any, split: str) -> Iterator[FrameNow]:
    names = (fields.KEYPOINTS, fields.BOXES, fields.ROTATED_BOXES)
    wanted = ["tags", "metadata", fields.SOURCE, *names]
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
                name: (document.get(name) or {}).get(fields.LABEL_LISTS[name]) or []
                for name in names
            },
            tags=[tag for tag in document.get("tags") or [] if tag not in CODES and tag != split],
        )


def _people_of(frame: FrameNow, category: dict[str, Any]) -> list[tuple[float, dict[str, Any]]]:
    """Place in the file and annotation of everybody on the frame; new people come last."""
    labels = _by_row(frame)
    result: list[tuple[float, dict[str, Any]]] = []
    for row, annotation in zip(frame.source["rows"], frame.source["annotations"], strict=True):
        if row in labels:
            result.append((row, _corrected(annotation, labels[row], frame)))
    for label in frame.labels[fields.KEYPOINTS]:
        if label.get("row") is None and len(label["points"]) == len(category["keypoints"]):
            result.append((np.inf, _new_person(label, frame, category["id"])))
    return result


def _by_row(frame: FrameNow) -> dict[int, dict[str, dict[str, Any]]]:
    """The labels of each person by field."""
    people: dict[int, dict[str, dict[str, Any]]] = {}
    for name, labels in frame.labels.items():
        for label in labels:
            if label.get("row") is not None:
                people.setdefault(label["row"], {})[name] = label
    # A rotated box alone is what is left of somebody who was deleted.
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
        now["keypoints"] = [_plain(value) for value in keypoints.ravel().tolist()]
        now["num_keypoints"] = int((keypoints[:, 2] > 0).sum())
    if fields.BOXES in labels:
        box = np.array(annotation["bbox"], dtype=np.float64)
        relative = np.array(labels[fields.BOXES]["bounding_box"], dtype=np.float64)
        changed = changed_box(box, relative, frame.size)
        if changed is not box:
            now["bbox"] = [_plain(value) for value in changed.tolist()]
            if annotation.get("area_from_box"):
                now["area"] = AREA_PER_BOX * float(changed[2] * changed[3])
    if fields.ROTATED_BOXES in labels and "rotated_box" in annotation:
        corners = np.array(labels[fields.ROTATED_BOXES]["points"], dtype=np.float64)
        rotated = np.array(annotation["rotated_box"], dtype=np.float64)
        if corners.shape == (1, 4, 2):
            turned = changed_rotated_box(rotated, corners[0], frame.size)
            if turned is not rotated:
                now["rotated_box"] = [_plain(value) for value in turned.tolist()]
    return _with_tags(now, _tags_of(labels))


def _new_person(label: dict[str, Any], frame: FrameNow, category_id: Any) -> dict[str, Any]:
    """The annotation, still without an id, of somebody who was added in the App."""
    joints = len(label["points"])
    points, visibility = _pose(label, joints)
    keypoints = changed_keypoints(np.zeros((joints, 3)), points, visibility, frame.size)
    there = keypoints[keypoints[:, 2] > 0, :2]
    corner = there.min(axis=0) if len(there) else np.zeros(2)
    extent = np.ptp(there, axis=0) if len(there) else np.zeros(2)
    person = {
        "image_id": frame.source["image"]["id"],
        "category_id": category_id,
        "bbox": [_plain(value) for value in [*corner.tolist(), *extent.tolist()]],
        "area": AREA_PER_BOX * float(extent[0] * extent[1]),
        "iscrowd": 0,
        "keypoints": [_plain(value) for value in keypoints.ravel().tolist()],
        "num_keypoints": len(there),
        "area_from_box": True,
    }
    return _with_tags(person, _tags_of({fields.KEYPOINTS: label}))


def _pose(label: dict[str, Any] | None, joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (joints, 2), NaN where there is none, and visibility (joints,), 0 where not said."""
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
    return [tag for tag in dict.fromkeys(tags) if tag not in CODES]


def _with_tags(entry: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    """The entry with these tags; as it is where they are those that it was imported with."""
    own = entry.get("tags")
    imported = [tag for tag in own if isinstance(tag, str)] if isinstance(own, list) else []
    if set(tags) == {tag for tag in imported if tag not in CODES}:
        return entry
    without = {key: value for key, value in entry.items() if key != "tags"}
    return {**without, "tags": tags} if tags else without


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
