"""The tables of a PoseDataset out of the images and annotations of a parsed COCO keypoint file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Chunked:
    """Rows of a file that come some at a time.

    Attributes:
        chunks: the rows: images in lists, annotations in dicts by their positions in the file.
        rows: how many there are at most.
    """

    chunks: Iterable[Any]
    rows: int


def frames_table(images: Chunked, source: str) -> pd.DataFrame:
    """The frames of the file's images."""
    parts = _Parts(images.rows)
    for chunk in images.chunks:
        parts.add(_frames(chunk, parts.count, source))
    frames = parts.table()
    repeated = frames["id"][frames["id"].duplicated()].tolist()
    if repeated:
        raise InputError(f"{source}: image id {shown(repeated[0])} is used twice")
    return frames


def people_table(
    annotations: Chunked, frames: pd.DataFrame, keypoint_set: KeypointSet, source: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """The people of the file's annotations, and their keypoints (people, joints, 3) float32."""
    parts = _Parts(annotations.rows)
    keypoints = np.empty((annotations.rows, len(keypoint_set), 3), dtype=np.float32)
    for chunk in annotations.chunks:
        first = parts.count
        parts.add(_people(chunk, first, source))
        keypoints[first : parts.count] = _keypoints(chunk, keypoint_set, source)
    people = parts.table()
    lost = ~people["frame_id"].isin(frames["id"]).to_numpy()
    if lost.any():
        person, frame = (people[lost][name].tolist()[0] for name in ("id", "frame_id"))
        raise InputError(
            f"{source}: annotation {shown(person)} belongs to image {shown(frame)}, "
            "which 'images' does not list"
        )
    return people, keypoints[: len(people)]


def _keypoints(
    annotations: dict[int, dict[str, Any]], keypoint_set: KeypointSet, source: str
) -> np.ndarray:
    """Keypoints (people, joints, 3) float32; a person without them has all visibilities 0."""
    count = 3 * len(keypoint_set)
    for position, annotation in annotations.items():
        if annotation.get("keypoints") is not None:
            where = f"{_where(source, annotation, position)}: 'keypoints' of {keypoint_set.name}"
            require_numbers(annotation["keypoints"], count, where)
    nothing = [0.0] * count
    found = [a.get("keypoints") for a in annotations.values()]
    rows = [nothing if row is None else row for row in found]
    keypoints = np.array(rows, dtype=np.float32).reshape(-1, len(keypoint_set), 3)
    wrong = ~np.isin(keypoints[..., 2], (0, 1, 2)).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        position, annotation = list(annotations.items())[row]
        raise InputError(
            f"{_where(source, annotation, position)}: "
            f"visibilities {sorted(set(keypoints[row, :, 2].tolist()))} are not all 0, 1 or 2"
        )
    return keypoints


def _frames(images: list[dict[str, Any]], first: int, source: str) -> pd.DataFrame:
    for position, image in enumerate(images, start=first):
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
    return make_frames(
        id=pd.Series([image["id"] for image in images], dtype=object).infer_objects(),
        file_name=pd.Series([image["file_name"] for image in images], dtype=object),
        width=[image["width"] for image in images],
        height=[image["height"] for image in images],
        scene=[image.get("scene") for image in images],
        extra=[other_fields(image, FRAME_FIELDS) for image in images],
    )


def _people(annotations: dict[int, dict[str, Any]], first: int, source: str) -> pd.DataFrame:
    for position, annotation in annotations.items():
        _check_person(annotation, position, source)
    rows = annotations.values()
    boxes = np.array([a["bbox"] for a in rows], dtype=np.float64).reshape(-1, 4)
    nothing = [math.nan] * 5
    rotated = np.array([a.get("rotated_box") or nothing for a in rows], dtype=np.float64)
    ids = [a.get("id", number) for number, a in enumerate(rows, start=first + 1)]
    return make_people(
        id=pd.Series(ids, dtype=object).infer_objects(),
        frame_id=pd.Series([a["image_id"] for a in rows], dtype=object).infer_objects(),
        **dict(zip(BOX_COLUMNS, boxes.T, strict=True)),
        area=[math.nan if a.get("area") is None else a["area"] for a in rows],
        area_from_box=np.array([bool(a.get("area_from_box", False)) for a in rows], dtype=bool),
        iscrowd=[int(a.get("iscrowd") or 0) for a in rows],
        track_id=[pd.NA if a.get("track_id") is None else int(a["track_id"]) for a in rows],
        **dict(zip(ROTATED_BOX_COLUMNS, rotated.reshape(-1, 5).T, strict=True)),
        extra=[other_fields(a, PERSON_FIELDS) for a in rows],
    )


class _Parts:
    """A table put together from parts, into memory that is taken once.

    Columns of many parts that are joined at the end take twice the memory, and leave holes.
    """

    def __init__(self, rows: int) -> None:
        self.count = 0
        self._rows = rows
        self._columns: dict[Any, Any] = {}

    def add(self, part: pd.DataFrame) -> None:
        place = slice(self.count, self.count + len(part))
        self.count += len(part)
        for name, values in part.items():
            if name not in self._columns:
                self._columns[name] = self._empty(values.dtype)
            column = self._columns[name]
            if column.dtype != values.dtype and len(part):
                # Ids: whole numbers, larger ones and texts have no type in common but this.
                column = self._columns[name] = column.astype(object, copy=False)
                values = values.astype(object)
            column[place] = values.array

    def table(self) -> pd.DataFrame:
        """All parts, with the types that the columns would have had at once."""
        columns = {
            name: pd.Series(values[: self.count], dtype=values.dtype, copy=False)
            for name, values in self._columns.items()
        }
        for name in columns.keys() & {"id", "frame_id"}:
            columns[name] = columns[name].infer_objects()
        return pd.DataFrame(columns, copy=False)

    def _empty(self, dtype: Any) -> Any:
        if isinstance(dtype, pd.Int64Dtype):
            blank = np.zeros(self._rows, np.int64), np.ones(self._rows, bool)
            return pd.arrays.IntegerArray(*blank)
        return np.empty(self._rows, dtype if isinstance(dtype, np.dtype) else object)


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
