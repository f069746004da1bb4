"""WEPDTOF, CEPDOF and their relatives: people in rotated boxes on overhead-fisheye frames.

Read are the JSON of the two sets (`bbox` is cx, cy, w, h, angle), the list form of trackers
(`img_name, bboxes, scores, id`), and roLabelImg XML (`robndbox`, angle in radians).

* The rotated box is kept; the box is the bounds of the rotated one. The area in these files is that
  of the rotated box, no body's: each person gets 0.53 of it.
* `person_id` becomes the track id. It is unique only within a sequence, and not even within a frame
  (call_center id 33, printing_store frame 1009 id 7): it is no key.
* There are no keypoints: all visibilities are 0. Training takes nobody without any, not even as
  unlabelled, as published: such people are for looking at, and to be labelled.
* The scene of a frame is its sequence, the name of the annotation file.
* The list form has no sizes: they come from the images, and are 0 where these are not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import (
    AREA_PER_BOX,
    BOX_COLUMNS,
    ROTATED_BOX_COLUMNS,
    PoseDataset,
    make_frames,
    make_people,
)
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.datasets.wepdtof_images import find_images
from wepdtof_pose.formats.fields import (
    objects,
    other_fields,
    require_file_name,
    require_id,
    require_numbers,
    require_size,
    require_whole,
    shown,
)
from wepdtof_pose.formats.image_size import image_size
from wepdtof_pose.formats.layout import WHOLE, Reading, add_counts
from wepdtof_pose.formats.tools import rolabelimg
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import get_keypoint_set

_FRAME_FIELDS = frozenset({"id", "file_name", "stem", "width", "height", "scene"})
_PERSON_FIELDS = frozenset(
    {"id", "image_id", "image_name", "bbox", "area", "category_id", "person_id", "iscrowd"}
)


@dataclass(frozen=True)
class Sequence:
    """One annotation file: frames and boxes as its form has them, checked; and other fields."""

    name: str
    frames: list[dict[str, Any]]
    people: list[dict[str, Any]]
    others: int = 0


def read(path: Path, *, images: Path | None = None) -> Reading:
    """The people of one annotation file, or of all in a folder (or its `annotations/`).

    Raises:
        InputError: there is no such file, or one is not usable.
    """
    files = annotation_files(path)
    sequences = [read_sequence(file) for file in files]
    base = files[0].parent
    base = base.parent if base.name == "annotations" else base
    root, names = find_images(base, images, sequences)
    dataset = to_dataset(sequences, names, root)
    people = [person for sequence in sequences for person in sequence.people]
    ids = zip(people, dataset.people["id"], strict=True)
    left_out = {
        "areas of rotated boxes (0.53 of them is written)": sum("area" in p for p in people),
        "person ids (numbered anew)": sum("id" in p and p["id"] != number for p, number in ids),
        "fields of the file": sum(sequence.others for sequence in sequences),
    }
    return Reading({WHOLE: dataset}, files, add_counts(left_out))


def annotation_files(path: Path) -> list[Path]:
    """The annotation files under a path, without the junk of archives."""
    if not path.is_dir():
        return [path]
    for folder in (path / "annotations", path):
        files = sorted(
            file
            for file in folder.glob("*")
            if file.suffix in (".json", ".xml") and not file.name.startswith(".")
        )
        if files:
            return files
    raise InputError(f"{path}: has no annotation files (*.json or *.xml), nor has annotations/")


def read_sequence(file: Path) -> Sequence:
    """The frames and boxes of one annotation file, whichever form it has."""
    if file.suffix == ".xml":
        frame, people = rolabelimg.read(file)
        return Sequence(file.parent.name, [frame], people)
    content = read_json(file)
    parse = from_list if isinstance(content, list) else from_dict
    frames, people = parse(content, str(file))
    ids = [frame["id"] for frame in frames]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise InputError(f"{file}: image {shown(twice)} is listed twice")
    others = set(content) - {"images", "annotations", "categories"} if parse is from_dict else ()
    return Sequence(file.stem, frames, people, len(others))


def from_dict(content: Any, source: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Frames and people of the original form."""
    frames = objects(content, "images", source)
    people = objects(content, "annotations", source)
    for position, frame in enumerate(frames):
        where = f"{source}: images[{position}]"
        require_id(frame.get("id"), f"{where}: 'id'")
        require_file_name(frame.get("file_name"), where)
        require_size(frame.get("width"), f"{where}: 'width'")
        require_size(frame.get("height"), f"{where}: 'height'")
    known = {frame["id"] for frame in frames}
    for position, person in enumerate(people):
        where = f"{source}: annotations[{position}]"
        require_id(person.get("image_id"), f"{where}: 'image_id'")
        if person["image_id"] not in known:
            raise InputError(f"{where}: image {shown(person['image_id'])} is not in 'images'")
        require_numbers(person.get("bbox"), 5, f"{where}: 'bbox' (cx, cy, w, h, angle)")
        for key in ("person_id", "iscrowd"):
            if person.get(key) is not None:
                require_whole(person[key], f"{where}: {key!r}")
    return frames, people


def from_list(content: list[Any], source: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Frames and people of the list form; the images' suffix is not known."""
    frames, people = [], []
    for position, entry in enumerate(content):
        where = f"{source}: [{position}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("bboxes"), list):
            raise InputError(f"{where}: is no object with 'img_name' and a list 'bboxes'")
        name, boxes = entry.get("img_name"), entry["bboxes"]
        require_file_name(name, where, key="img_name")
        tracks = entry.get("id", [None] * len(boxes))
        if not isinstance(tracks, list) or len(tracks) != len(boxes):
            raise InputError(f"{where} ({name}): 'id' is no list as long as 'bboxes'")
        scores = entry.get("scores")
        if scores is not None:
            require_numbers(scores, len(boxes), f"{where} ({name}): 'scores'")
        frames.append({"id": name, "file_name": None, "stem": name})
        for row, (box, track) in enumerate(zip(boxes, tracks, strict=True)):
            require_numbers(box, 5, f"{where} ({name}): 'bboxes'")
            if track is not None:
                require_whole(track, f"{where} ({name}): 'id'")
            score = {} if scores is None else {"score": scores[row]}
            people.append({"image_id": name, "bbox": box, "person_id": track, **score})
    return frames, people


def to_dataset(sequences: list[Sequence], names: dict[Any, str], root: Path) -> PoseDataset:
    """The data set of sequences whose images, by frame id, have these names under `root`."""
    frames = [(frame, sequence.name) for sequence in sequences for frame in sequence.frames]
    people = [person for sequence in sequences for person in sequence.people]
    rotated = np.array([person["bbox"] for person in people], dtype=np.float64).reshape(-1, 5)
    sizes = [_size(frame, root / names[frame["id"]]) for frame, _ in frames]
    joints = get_keypoint_set("wepdtof-pose-14")
    return PoseDataset(
        frames=make_frames(
            id=np.array([frame["id"] for frame, _ in frames], dtype=object),
            file_name=[names[frame["id"]] for frame, _ in frames],
            width=[size[0] for size in sizes],
            height=[size[1] for size in sizes],
            scene=[scene for _, scene in frames],
            extra=[other_fields(frame, _FRAME_FIELDS) for frame, _ in frames],
        ),
        people=make_people(
            id=_ids(people),
            frame_id=np.array([person["image_id"] for person in people], dtype=object),
            **dict(zip(BOX_COLUMNS, bounds(rotated).T, strict=True)),
            area=AREA_PER_BOX * rotated[:, 2] * rotated[:, 3],
            area_from_box=np.ones(len(people), dtype=bool),
            iscrowd=[int(person.get("iscrowd") or 0) for person in people],
            track_id=_track_ids(people),
            **dict(zip(ROTATED_BOX_COLUMNS, rotated.T, strict=True)),
            extra=[_extra(person) for person in people],
        ),
        keypoints=np.zeros((len(people), len(joints), 3), dtype=np.float32),
        keypoint_set=joints,
        root=root,
    )


def bounds(rotated: np.ndarray) -> np.ndarray:
    """Boxes (people, 4) x, y, w, h around rotated boxes (people, 5)."""
    corners = rotated_box_corners(rotated).reshape(-1, 4, 2)
    near = corners.min(axis=1)
    return np.concatenate([near, corners.max(axis=1) - near], axis=1)


def _size(frame: dict[str, Any], image: Path) -> tuple[int, int]:
    if "width" in frame:
        return frame["width"], frame["height"]
    return image_size(image) if image.is_file() else (0, 0)


def _ids(people: list[dict[str, Any]]) -> Iterable[Any]:
    """The annotations' own ids where all have one and no two the same, else 1, 2, ..."""
    ids = [person.get("id") for person in people]
    whole = all(type(value) is int for value in ids)
    return ids if whole and len(set(ids)) == len(ids) else np.arange(len(people)) + 1


def _track_ids(people: list[dict[str, Any]]) -> list[int | None]:
    tracks = [person.get("person_id") for person in people]
    return [None if track is None else int(track) for track in tracks]


def _extra(person: dict[str, Any]) -> dict[str, Any] | None:
    other = other_fields(person, _PERSON_FIELDS) or {}
    return {key: value for key, value in other.items() if value != []} or None
