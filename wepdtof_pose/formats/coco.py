"""COCO keypoint JSON: reader and writer.

What the tables of a PoseDataset do not hold travels in `extra` and `meta`, so that writing what
was read gives the same content back. Numbers of keypoints are float32 in memory and are written
as the shortest decimal that gives that float32 again: up to 7 significant digits survive.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import (
    BOX_COLUMNS,
    ROTATED_BOX_COLUMNS,
    PoseDataset,
    make_frames,
    make_people,
)
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.keypoints import (
    KeypointSet,
    get_keypoint_set,
    keypoint_set_from_names,
    keypoint_set_names,
)

_FRAME_FIELDS = frozenset({"id", "file_name", "width", "height", "scene"})
_PERSON_FIELDS = frozenset(
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


def read(
    path: Path, *, keypoint_set: KeypointSet | None = None, root: Path | None = None
) -> PoseDataset:
    """The data set of a COCO keypoint file.

    Args:
        path: the JSON file.
        keypoint_set: its joints, where the file's category does not name them (or to overrule it).
        root: folder of the images; by default the first of the usual places that has them.

    Raises:
        InputError: the file is missing, is not such a file, or breaks the format; the message
            names the field and the annotation.
    """
    content = read_json(path)
    dataset = from_dict(content, source=str(path), keypoint_set=keypoint_set, root=path.parent)
    if root is None:
        root = find_image_root(path, list(dataset.frames["file_name"][:1]))
    return PoseDataset(
        frames=dataset.frames,
        people=dataset.people,
        keypoints=dataset.keypoints,
        keypoint_set=dataset.keypoint_set,
        root=root,
        meta=dataset.meta,
    )


def write(dataset: PoseDataset, path: Path) -> None:
    """Write the data set as a COCO keypoint file; it appears whole or not at all."""
    write_json(path, to_dict(dataset))


def from_dict(
    content: Any, *, source: str, keypoint_set: KeypointSet | None = None, root: Path
) -> PoseDataset:
    """The data set of a parsed COCO keypoint file; `source` names it in errors."""
    if not isinstance(content, dict):
        raise InputError(f"{source}: expected a JSON object with 'images' and 'annotations'")
    images = _list_of_objects(content, "images", source)
    annotations = _list_of_objects(content, "annotations", source)
    category = _keypoint_category(content, source, required=keypoint_set is None)
    keypoints = keypoint_set or _keypoint_set_of(category, source)
    if category is not None:
        annotations = [
            a for a in annotations if a.get("category_id", category["id"]) == category["id"]
        ]
    frames = _frames(images, source)
    people = _people(annotations, frames, source)
    meta = {k: v for k, v in content.items() if k not in ("images", "annotations", "categories")}
    if category is not None and keypoint_set is None:
        meta["category"] = category
    return PoseDataset(
        frames=frames,
        people=people,
        keypoints=_keypoint_array(annotations, keypoints, source),
        keypoint_set=keypoints,
        root=root,
        meta=meta,
    )


def to_dict(dataset: PoseDataset) -> dict[str, Any]:
    """The data set as the content of a COCO keypoint file (skeleton 1-based)."""
    meta = {key: value for key, value in dataset.meta.items() if key != "category"}
    category = _category(dataset)
    return {
        "info": meta.pop("info", {}),
        **meta,
        "images": [_image(row) for row in dataset.frames.to_dict("records")],
        "annotations": _annotations(dataset, category["id"]),
        "categories": [category],
    }


def find_image_root(annotation_file: Path, file_names: list[str]) -> Path:
    """The folder under which the first of these images lies, out of the usual layouts.

    Beside an annotation file `<root>/annotations/person_keypoints_train2017.json` these are
    `<root>/images/train2017`, `<root>/images`, `<root>/train2017`, `<root>` and the file's own
    folder. With no image found it is `<root>/images`.
    """
    parent = annotation_file.resolve().parent
    base = parent.parent if parent.name == "annotations" else parent
    split = annotation_file.stem.split("_")[-1]
    places = [base / "images" / split, base / "images", base / split, base, parent]
    for place in places:
        if file_names and (place / file_names[0]).is_file():
            return place
    return base / "images"


def _list_of_objects(content: dict[str, Any], key: str, source: str) -> list[dict[str, Any]]:
    rows = content.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{source}: {key!r} is missing or is not a list of objects")
    return rows


def _keypoint_category(
    content: dict[str, Any], source: str, *, required: bool
) -> dict[str, Any] | None:
    categories = content.get("categories")
    rows = categories if isinstance(categories, list) else []
    found = [row for row in rows if isinstance(row, dict) and row.get("keypoints") and "id" in row]
    if len(found) == 1:
        return found[0]
    if not required:
        return None
    if not found:
        raise InputError(
            f"{source}: no category names its keypoints: add 'keypoints', the list of joint "
            "names, to the category"
        )
    names = ", ".join(str(row.get("name", row["id"])) for row in found)
    raise InputError(f"{source}: several categories have keypoints ({names}); keep one of them")


def _keypoint_set_of(category: dict[str, Any] | None, source: str) -> KeypointSet:
    assert category is not None
    names, edges = category["keypoints"], category.get("skeleton") or []
    try:
        skeleton = [(int(a) - 1, int(b) - 1) for a, b in edges]
        # CrowdPose ships the 17-joint skeleton of COCO, others count from 0: edges are for drawing
        # only, so wrong ones are no reason to refuse the file.
        if any(not 0 <= joint < len(names) for edge in skeleton for joint in edge):
            skeleton = []
        found = keypoint_set_from_names(
            [str(name) for name in names], skeleton=skeleton, sigmas=category.get("sigmas")
        )
        declared = category.get("keypoint_set")
        if declared not in keypoint_set_names() or declared == found.name:
            return found
        known = get_keypoint_set(declared)
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: category {category.get('name')!r}: {error}") from error
    if known.joints != found.joints:
        raise InputError(f"{source}: the category's keypoints are not those of {declared!r}")
    return KeypointSet(known.name, known.joints, known.flip_pairs, found.skeleton, known.sigmas)


def _frames(images: list[dict[str, Any]], source: str) -> pd.DataFrame:
    for position, image in enumerate(images):
        for key in ("id", "file_name", "width", "height"):
            if key not in image:
                raise InputError(f"{source}: images[{position}] has no {key!r}")
        where = f"{source}: images[{position}]"
        _require_file_name(image["file_name"], where)
        _require_id(image["id"], f"{where}: 'id'")
        if image.get("scene") is not None:
            _require_id(image["scene"], f"{where}: 'scene'")
        for key in ("width", "height"):
            if not isinstance(image[key], int) or not 0 < image[key] < 2**31:
                raise InputError(
                    f"{where}: {key!r} is {image[key]!r}, not a positive whole number of pixels"
                )
    frames = make_frames(
        id=pd.Series([image["id"] for image in images], dtype=object).infer_objects(),
        file_name=pd.Series([image["file_name"] for image in images], dtype=object),
        width=[image["width"] for image in images],
        height=[image["height"] for image in images],
        scene=[image.get("scene") for image in images],
        extra=[_extra(image, _FRAME_FIELDS) for image in images],
    )
    repeated = frames["id"][frames["id"].duplicated()].tolist()
    if repeated:
        raise InputError(f"{source}: image id {repeated[0]!r} is used twice")
    return frames


def _people(annotations: list[dict[str, Any]], frames: pd.DataFrame, source: str) -> pd.DataFrame:
    for position, annotation in enumerate(annotations):
        if "image_id" not in annotation:
            raise InputError(f"{source}: annotations[{position}] has no 'image_id'")
        for key in ("id", "image_id"):
            _require_id(annotation.get(key, 0), f"{source}: annotations[{position}]: {key!r}")
        for key, count in (("bbox", 4), ("rotated_box", 5)):
            if key == "bbox" or annotation.get(key) is not None:
                _require_numbers(
                    annotation.get(key), count, f"{_where(source, annotation, position)}: {key!r}"
                )
        for key in ("area", "iscrowd", "track_id"):
            # PoseTrack writes true and false for iscrowd.
            if annotation.get(key) is not None and not (
                key == "iscrowd" and isinstance(annotation[key], bool)
            ):
                _require_numbers(
                    [annotation[key]], 1, f"{_where(source, annotation, position)}: {key!r}"
                )
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    nothing = [math.nan] * 5
    rotated = np.array([a.get("rotated_box") or nothing for a in annotations]).reshape(-1, 5)
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
        extra=[_extra(a, _PERSON_FIELDS) for a in annotations],
    )
    lost = ~people["frame_id"].isin(frames["id"]).to_numpy()
    if lost.any():
        person, frame = (people[lost][name].tolist()[0] for name in ("id", "frame_id"))
        raise InputError(
            f"{source}: annotation {person!r} belongs to image {frame!r}, "
            "which 'images' does not list"
        )
    return people


def _keypoint_array(
    annotations: list[dict[str, Any]], keypoint_set: KeypointSet, source: str
) -> np.ndarray:
    count = 3 * len(keypoint_set)
    for position, annotation in enumerate(annotations):
        values = annotation.get("keypoints")
        if values is not None:
            _require_numbers(
                values,
                count,
                f"{_where(source, annotation, position)}: 'keypoints' of {keypoint_set.name}",
            )
    nothing = [0.0] * count
    rows = [a.get("keypoints") or nothing for a in annotations]
    keypoints = np.array(rows, dtype=np.float32).reshape(-1, len(keypoint_set), 3)
    wrong = ~np.isin(keypoints[..., 2], (0, 1, 2)).all(axis=1)
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{_where(source, annotations[position], position)}: "
            f"visibilities {sorted(set(keypoints[position, :, 2].tolist()))} are not all 0, 1 or 2"
        )
    return keypoints


def _where(source: str, annotation: dict[str, Any], position: int) -> str:
    return f"{source}: annotations[{position}] (id {annotation.get('id', 'none')})"


def _require_id(value: Any, what: str) -> None:
    if not isinstance(value, (int, str)):
        raise InputError(f"{what} is neither a whole number nor a text")


def _require_file_name(name: Any, where: str) -> None:
    usable = isinstance(name, str) and name and name.isprintable()
    # No file system here or elsewhere takes longer names.
    if not usable or any(len(part.encode()) > 255 for part in name.split("/")):
        raise InputError(f"{where}: 'file_name' is not a usable file name")


def _require_numbers(values: Any, count: int, what: str) -> None:
    if not isinstance(values, list):
        raise InputError(f"{what} is missing or is not a list")
    if len(values) != count:
        raise InputError(f"{what} has {len(values)} numbers instead of {count}")
    for value in values:
        # The float32 limit: a larger number could not be kept.
        if type(value) not in (int, float) or not abs(value) < 3.4e38:
            raise InputError(f"{what} holds {value!r}, which is not a finite number")


def _extra(row: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    extra = {key: value for key, value in row.items() if key not in known}
    return extra or None


def _category(dataset: PoseDataset) -> dict[str, Any]:
    if "category" in dataset.meta:
        return dict(dataset.meta["category"])
    keypoint_set = dataset.keypoint_set
    category: dict[str, Any] = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(keypoint_set.joints),
        "skeleton": [[a + 1, b + 1] for a, b in keypoint_set.skeleton],
        "keypoint_set": keypoint_set.name,
    }
    known = keypoint_set.name in keypoint_set_names()
    if not known and keypoint_set.sigmas is not None:
        category["sigmas"] = list(keypoint_set.sigmas)
    return category


def _image(row: dict[Any, Any]) -> dict[str, Any]:
    image = {key: row[key] for key in ("id", "file_name", "width", "height")}
    if row["scene"] is not None:
        image["scene"] = row["scene"]
    return {**image, **(row["extra"] or {})}


def _annotations(dataset: PoseDataset, category_id: Any) -> list[dict[str, Any]]:
    labelled = (dataset.keypoints[..., 2] > 0).sum(axis=1)
    # str() of a float32 is its shortest decimal; float() of that is what belongs in the file.
    flat = dataset.keypoints.reshape(len(dataset), 3 * len(dataset.keypoint_set))
    annotations = []
    for row, values, count in zip(dataset.people.to_dict("records"), flat, labelled, strict=True):
        annotation = {
            "id": row["id"],
            "image_id": row["frame_id"],
            "category_id": category_id,
            "bbox": [_plain(row[name]) for name in BOX_COLUMNS],
            "area": _plain(row["area"]),
            "iscrowd": row["iscrowd"],
            "keypoints": [_plain(float(str(value))) for value in values],
            "num_keypoints": int(count),
        }
        if row["area_from_box"]:
            annotation["area_from_box"] = True
        if not pd.isna(row["track_id"]):
            annotation["track_id"] = int(row["track_id"])
        if not math.isnan(row["rotated_cx"]):
            annotation["rotated_box"] = [_plain(row[name]) for name in ROTATED_BOX_COLUMNS]
        annotations.append({**annotation, **(row["extra"] or {})})
    return annotations


def _plain(value: float) -> float | int:
    """Whole numbers without a decimal point: smaller files that a person can read."""
    return int(value) if value == int(value) else value
