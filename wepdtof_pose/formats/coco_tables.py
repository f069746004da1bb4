"""The tables of a PoseDataset out of the images and annotations of a parsed COCO keypoint file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import BOX_COLUMNS, ROTATED_BOX_COLUMNS, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import (
    other_fields,
    require_file_name,
    require_id,
    require_numbers,
    require_size,
    require_whole,
    shown,
)
from wepdtof_pose.keypoints import KeypointSet

FRAME_FIELDS = frozenset({"id", "file_name", "width", "height", "scene"})
PERSON_FIELDS = frozenset(
    {
        "id",
        "image_id",
        "category_id",
        "bbox",
        "area",
        "area_from_box",
        "iscrowd",
        "keypoints",
        "num_keypoints",
        "track_id",
        "rotated_box",
    }
)


def frames_table(images: list[dict[str, Any]], source: str) -> pd.DataFrame:
    """The frames of the file's images."""
    for position, image in enumerate(images):
        where = f"{source}: images[{position}]"
        for key in ("id", "file_name", "width", "height"):
            if key not in image:
                raise InputError(f"{where} has no {key!r}")
        require_file_name(image["file_name"], where)
        require_id(image["id"], f"{where}: 'id'")
        if image.get("scene") is not None:
            require_id(image["scene"], f"{where}: 'scene'")
        for key in ("width", "height"):
            require_size(image[key], f"{where}: {key!r}")
    frames = make_frames(
        id=pd.Series([image["id"] for image in images], dtype=object).infer_objects(),
        file_name=pd.Series([image["file_name"] for image in images], dtype=object),
        width=[image["width"] for image in images],
        height=[image["height"] for image in images],
        scene=[image.get("scene") for image in images],
        extra=[other_fields(image, FRAME_FIELDS) for image in images],
    )
    repeated = frames["id"][frames["id"].duplicated()].tolist()
    if repeated:
        raise InputError(f"{source}: image id {shown(repeated[0])} is used twice")
    return frames


def people_table(
    annotations: list[dict[str, Any]], frames: pd.DataFrame, source: str
) -> pd.DataFrame:
    """The people of the file's annotations."""
    for position, annotation in enumerate(annotations):
        _check_person(annotation, position, source)
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    nothing = [math.nan] * 5
    rotated = np.array(
        [a.get("rotated_box") or nothing for a in annotations], dtype=np.float64
    ).reshape(-1, 5)
    people = make_people(
        id=pd.Series(
            [a.get("id", i + 1) for i, a in enumerate(annotations)], dtype=object
        ).infer_objects(),
        frame_id=pd.Series([a["image_id"] for a in annotations], dtype=object).infer_objects(),
        **dict(zip(BOX_COLUMNS, boxes.T, strict=True)),
        area=[math.nan if a.get("area") is None else a["area"] for a in annotations],
        area_from_box=np.array(
            [bool(a.get("area_from_box", False)) for a in annotations], dtype=bool
        ),
        iscrowd=[int(a.get("iscrowd") or 0) for a in annotations],
        track_id=[pd.NA if a.get("track_id") is None else int(a["track_id"]) for a in annotations],
        **dict(zip(ROTATED_BOX_COLUMNS, rotated.T, strict=True)),
        extra=[other_fields(a, PERSON_FIELDS) for a in annotations],
    )
    lost = ~people["frame_id"].isin(frames["id"]).to_numpy()
    if lost.any():
        person, frame = (people[lost][name].tolist()[0] for name in ("id", "frame_id"))
        raise InputError(
            f"{source}: annotation {shown(person)} belongs to image {shown(frame)}, "
            "which 'images' does not list"
        )
    return people


def keypoint_array(
    annotations: list[dict[str, Any]], keypoint_set: KeypointSet, source: str
) -> np.ndarray:
    """Keypoints (people, joints, 3) float32; a person without them has all visibilities 0."""
    count = 3 * len(keypoint_set)
    for position, annotation in enumerate(annotations):
        if annotation.get("keypoints") is not None:
            where = f"{_where(source, annotation, position)}: 'keypoints' of {keypoint_set.name}"
            require_numbers(annotation["keypoints"], count, where)
    nothing = [0.0] * count
    rows = [nothing if a.get("keypoints") is None else a["keypoints"] for a in annotations]
    keypoints = np.array(rows, dtype=np.float32).reshape(-1, len(keypoint_set), 3)
    wrong = ~np.isin(keypoints[..., 2], (0, 1, 2)).all(axis=1)
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{_where(source, annotations[position], position)}: "
            f"visibilities {sorted(set(keypoints[position, :, 2].tolist()))} are not all 0, 1 or 2"
        )
    return keypoints


def _check_person(annotation: dict[str, Any], position: int, source: str) -> None:
    if "image_id" not in annotation:
        raise InputError(f"{source}: annotations[{position}] has no 'image_id'")
    for key in ("id", "image_id"):
        require_id(annotation.get(key, 0), f"{source}: annotations[{position}]: {key!r}")
    where = _where(source, annotation, position)
    require_numbers(annotation.get("bbox"), 4, f"{where}: 'bbox'")
    if annotation.get("rotated_box") is not None:
        require_numbers(annotation["rotated_box"], 5, f"{where}: 'rotated_box'")
    if annotation.get("area") is not None:
        require_numbers([annotation["area"]], 1, f"{where}: 'area'")
    for key in ("iscrowd", "track_id"):
        value = annotation.get(key)
        # PoseTrack writes true and false for iscrowd.
        if value is not None and not (key == "iscrowd" and isinstance(value, bool)):
            require_whole(value, f"{where}: {key!r}")


def _where(source: str, annotation: dict[str, Any], position: int) -> str:
    return f"{source}: annotations[{position}] (id {annotation.get('id', 'none')})"
