"""Frames and people as annotation tools have them: joints by name, boxes apart, free attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset, id_column, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import parse_number, require_id, require_whole, shown
from wepdtof_pose.formats.layout import (
    BOXES_OF_JOINTS,
    NUMBERED_ANEW,
    TRACKS_NUMBERED,
    TWICE,
    area_follows_from_box,
    count_in_words,
)
from wepdtof_pose.geometry import enclosing_boxes, joint_extents
from wepdtof_pose.keypoints import KeypointSet, canonical_joint_name, keypoint_set_from_names

PERSON_LABEL = "person"
ROTATED_LABEL = "rotated_box"
"""Label of the box that holds a person's rotated box beside the upright one."""

_CHECKED = {"true": "1", "false": "0", "yes": "1", "no": "0"}
"""What CVAT exports for check boxes, and what people call their values."""

FIELDS = ("person_id", "track_id", "iscrowd", "area", "area_from_box")


@dataclass
class Person:
    """A person as a tool has it; `joints` are x, y, visibility by canonical name."""

    frame: int
    box: list[float] | None = None
    rotated: list[float] | None = None
    joints: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


def attributes_of(person: dict[Any, Any]) -> dict[str, str]:
    """Return what a row of the people table has beside boxes and joints, as texts."""
    texts = {"person_id": json.dumps(person["id"], ensure_ascii=False)}
    if not pd.isna(person["track_id"]):
        texts["track_id"] = str(person["track_id"])
    if person["iscrowd"]:
        texts["iscrowd"] = str(person["iscrowd"])
    if not area_follows_from_box(person):
        texts["area"] = repr(float(person["area"]))
        if person["area_from_box"]:
            texts["area_from_box"] = "1"
    return texts


def dataset_of(
    frames: list[dict[str, Any]],
    people: list[Person],
    keypoint_set: KeypointSet,
    *,
    root: Path,
    source: str,
) -> tuple[PoseDataset, dict[str, int]]:
    """Return the data set of a tool's frames (id, file_name, width, height, scene) and people.

    A person without a box gets the bounds of the rotated box, or the extent of the joints; who has
    neither box nor labelled joint is nobody, and is counted. So is who is drawn a second time with
    the same box and joints. Ids that are missing or not unique become 1, 2, ..., and so do track
    ids where one is no number.

    Raises:
        InputError: a joint is not in the set, or an attribute is not usable.
    """
    drawn = [p for p in people if p.box or p.rotated or any(v > 0 for *_, v in p.joints.values())]
    nobody, people = len(people) - len(drawn), _each_once(drawn)
    keypoints = keypoint_array(people, keypoint_set, source)
    fields = [
        _typed(person.fields, f"{source}: image {shown(frames[person.frame]['file_name'])}")
        for person in people
    ]
    renamed = _number_tracks(fields)
    nothing = [np.nan] * 5
    rotated = np.array([person.rotated or nothing for person in people]).reshape(-1, 5)
    drawn_boxes = np.array([person.box or nothing[:4] for person in people]).reshape(-1, 4)
    boxes = np.where(np.isnan(drawn_boxes), enclosing_boxes(rotated), drawn_boxes)
    neither = np.isnan(boxes[:, 0])
    boxes[neither] = joint_extents(keypoints[neither])
    own_ids = [frame.get("id") for frame in frames], [f.get("person_id") for f in fields]
    frame_ids, person_ids = map(_unique, own_ids)
    dataset = PoseDataset(
        frames=make_frames(
            id=id_column(frame_ids),
            file_name=np.array([frame["file_name"] for frame in frames], dtype=object),
            width=[frame["width"] for frame in frames],
            height=[frame["height"] for frame in frames],
            scene=[frame.get("scene") for frame in frames],
        ),
        people=make_people(
            id=id_column(person_ids),
            frame_id=id_column([frame_ids[person.frame] for person in people]),
            boxes=boxes,
            area=[f.get("area", np.nan) for f in fields],
            area_from_box=np.array([f.get("area_from_box", 0) != 0 for f in fields], dtype=bool),
            iscrowd=[f.get("iscrowd", 0) for f in fields],
            track_id=[f.get("track_id") for f in fields],
            rotated=rotated,
            extra=[f.get("extra") for f in fields],
        ),
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        root=root,
    )
    pairs = [*zip(own_ids[0], frame_ids, strict=True), *zip(own_ids[1], person_ids, strict=True)]
    return dataset, {
        BOXES_OF_JOINTS: int(neither.sum()),
        TRACKS_NUMBERED: renamed,
        "people without a box or a labelled joint": nobody,
        TWICE: len(drawn) - len(people),
        NUMBERED_ANEW: sum(own not in (None, number) for own, number in pairs),
    }


def keypoint_array(people: list[Person], keypoint_set: KeypointSet, source: str) -> np.ndarray:
    """Return keypoints (people, joints, 3) float32 of people whose joints go by name."""
    index = {name: row for row, name in enumerate(keypoint_set.joints)}
    keypoints = np.zeros((len(people), len(index), 3), dtype=np.float32)
    for row, person in enumerate(people):
        for name, values in person.joints.items():
            if name not in index:
                raise InputError(
                    f"{source}: {shown(name)} is no joint of {keypoint_set.name!r} "
                    f"({', '.join(keypoint_set.joints)})"
                )
            keypoints[row, index[name]] = values
    return keypoints


def joints_named(
    declared: Iterable[str],
    people: list[Person],
    source: str,
    *,
    left_out: Mapping[str, int] | None = None,
) -> KeypointSet:
    """Return the keypoint set of declared joint names, or of those that people have, in order.

    Raises:
        InputError: there are none; the message says what was `left_out`, which may be why.
    """
    names = list(dict.fromkeys(canonical_joint_name(name) for name in declared))
    names = names or list(dict.fromkeys(name for person in people for name in person.joints))
    if not names:
        reasons = ", ".join(count_in_words(count, what) for what, count in (left_out or {}).items())
        if reasons and not people:
            raise InputError(f"{source}: holds no people (left out: {reasons})")
        what = "names no joints of people" if people else "holds no people, and names no joints"
        raise InputError(
            f"{source}: {what}: say which set they have with --source-keypoints"
            + (f" (left out: {reasons})" if reasons else "")
        )
    if not all(name.isprintable() for name in names):
        raise InputError(f"{source}: a joint name has characters that cannot be printed")
    return keypoint_set_from_names(names)


def join_boxes(people: list[Person]) -> list[Person]:
    """Return the people of a frame; who has no box gets the only free one around all joints."""
    free = [p for p in _each_once(people) if p.box is not None and not p.joints]
    joined: list[Person] = []
    owners: dict[str, Person] = {}
    for person in people:
        if person.joints and person.box is None and person.rotated is None:
            drawn = repr(sorted(person.joints.items()))
            if drawn in owners:  # a copy, and so of the same box
                person.box = owners[drawn].box
                joined.append(person)
                continue
            points = np.array([(x, y) for x, y, v in person.joints.values() if v > 0])
            boxes = np.array([p.box for p in free], dtype=np.float64).reshape(-1, 4)
            around = boxes_around(points.reshape(-1, 2), boxes)
            if len(around) == 1:
                owner = free.pop(int(around[0]))
                owner.joints = person.joints
                owner.fields = {**person.fields, **owner.fields}
                owners[drawn] = owner
                continue
        joined.append(person)
    return joined


def boxes_around(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the rows of the boxes (n, 4) x, y, w, h that hold all points (m, 2), in pixels."""
    if not len(points) or not len(boxes):
        return np.zeros(0, dtype=np.int64)
    near = boxes[:, None, :2] - 1e-6
    far = boxes[:, None, :2] + boxes[:, None, 2:] + 1e-6
    return np.flatnonzero(((points >= near) & (points <= far)).all(axis=(1, 2)))


def _each_once(people: list[Person]) -> list[Person]:
    """Return the people without those who are at the very place of one before, whatever else is
    said of them, and without boxes alone that are those of somebody with joints: a shape that was
    pasted twice is one person."""

    def place(person: Person, joints: dict) -> str:
        crowd = person.fields.get("iscrowd")
        return repr((person.frame, person.box, person.rotated, sorted(joints.items()), crowd))

    boxes = {place(person, {}) for person in people if person.joints}
    places: dict[str, Person] = {}
    for person in people:
        own = place(person, person.joints)
        if own not in boxes:
            places.setdefault(own, person)
    return list(places.values())


def _typed(texts: dict[str, str], source: str) -> dict[str, Any]:
    """Return the values of attributes that somebody set; unknown ones are "extra"."""
    values: dict[str, Any] = {}
    extra = {name: text for name, text in texts.items() if name not in FIELDS and text}
    if extra:
        values["extra"] = extra
    for name in FIELDS:
        text = texts.get(name, "").strip()
        if not text:
            continue
        if name == "person_id":
            values[name] = _id(text)
            require_id(values[name], f"{source}: {name}")
            continue
        if name == "track_id" and not re.fullmatch(r"-?\d{1,15}(\.0+)?", text):
            values[name] = text
            continue
        text = _CHECKED.get(text.lower(), text) if name in ("iscrowd", "area_from_box") else text
        number = parse_number(text, f"{source}: {name}")
        if name != "area":
            require_whole(number, f"{source}: {name}")
        values[name] = number if name == "area" else int(number)
    return values


def _number_tracks(people: list[dict[str, Any]]) -> int:
    """Number the track ids anew, in their order, where one is no number; return how many people
    have one then."""
    tracks = [person["track_id"] for person in people if "track_id" in person]
    if all(isinstance(track, int) for track in tracks):
        return 0
    numbers = {track: number for number, track in enumerate(dict.fromkeys(tracks), start=1)}
    for person in people:
        if "track_id" in person:
            person["track_id"] = numbers[person["track_id"]]
    return len(tracks)


def _id(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (int, str)) else text


def _unique(ids: list[Any]) -> list[Any]:
    known = None not in ids and len(set(ids)) == len(ids)
    return ids if known else list(range(1, len(ids) + 1))
