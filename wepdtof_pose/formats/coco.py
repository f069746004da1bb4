"""COCO keypoint JSON: reader and writer.

What the tables of a PoseDataset do not hold travels in `extra` and `meta`, so that writing what
was read gives the same content back. Numbers of keypoints are float32 in memory and are written
as the shortest decimal that gives that float32 again: up to 7 significant digits survive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from wepdtof_pose.dataset import BOX_COLUMNS, ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, require_inside, write_json
from wepdtof_pose.formats.coco_category import category_of, keypoint_category, keypoint_set_of
from wepdtof_pose.formats.coco_tables import (
    FRAME_FIELDS,
    PERSON_FIELDS,
    Chunked,
    frames_table,
    people_table,
)
from wepdtof_pose.formats.fields import objects, other_fields
from wepdtof_pose.formats.json_lists import LongLists, long_lists
from wepdtof_pose.formats.layout import decimal, first_root, name_forms
from wepdtof_pose.keypoints import KeypointSet

LISTS = ("images", "annotations")
"""What is long in such a file."""


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
    with long_lists(path, LISTS) as lists:
        if lists is None:
            return of_file(read_json(path), path, keypoint_set=keypoint_set, root=root)
        dataset = _of_chunks(
            lists.members,
            *(Chunked(_objects(lists, key), lists.lengths[key]) for key in LISTS),
            source=str(path),
            keypoint_set=keypoint_set,
            root=path.parent,
        )
    return _with_root(dataset, path, root)


def of_file(
    content: Any, path: Path, *, keypoint_set: KeypointSet | None = None, root: Path | None = None
) -> PoseDataset:
    """The data set of the parsed content of a file; see `read`."""
    dataset = from_dict(content, source=str(path), keypoint_set=keypoint_set, root=path.parent)
    return _with_root(dataset, path, root)


def write(dataset: PoseDataset, path: Path) -> None:
    """Write the data set as a COCO keypoint file; it appears whole or not at all."""
    write_json(path, to_dict(dataset))


def from_dict(
    content: Any, *, source: str, keypoint_set: KeypointSet | None = None, root: Path
) -> PoseDataset:
    """The data set of a parsed COCO keypoint file; `source` names it in errors."""
    if not isinstance(content, dict):
        raise InputError(
            f"{source}: expected a JSON object with 'images' and 'annotations'; other "
            "formats: wepdtof-pose convert first"
        )
    return _of_chunks(
        {key: value for key, value in content.items() if key not in LISTS},
        *(Chunked([rows], len(rows)) for rows in (objects(content, k, source) for k in LISTS)),
        source=source,
        keypoint_set=keypoint_set,
        root=root,
    )


def left_out(content: dict[str, Any]) -> dict[str, int]:
    """How many annotations of a content that `from_dict` takes are of other categories."""
    category = keypoint_category(content, "", required=False)
    others = sum(not _is_of(annotation, category) for annotation in content["annotations"])
    return {"annotations of categories without keypoints": others}


def to_dict(dataset: PoseDataset) -> dict[str, Any]:
    """The data set as the content of a COCO keypoint file (skeleton 1-based)."""
    meta = {key: value for key, value in dataset.meta.items() if key != "category"}
    category = dict(dataset.meta.get("category") or category_of(dataset.keypoint_set))
    return {
        "info": meta.pop("info", {}),
        **meta,
        "images": [_image(row) for row in dataset.frames.to_dict("records")],
        "annotations": _annotations(dataset, category["id"]),
        "categories": [category],
    }


def hidden_fields(dataset: PoseDataset) -> dict[str, int]:
    """How many images and people have other fields that are not written: they have COCO's names."""
    pairs = ((dataset.frames, FRAME_FIELDS), (dataset.people, PERSON_FIELDS))
    hidden = (bool(known & set(extra or ())) for table, known in pairs for extra in table["extra"])
    return {"other fields with names of COCO's own": sum(hidden)}


def find_image_root(
    annotation_file: Path,
    file_names: Sequence[str],
    *,
    others: Iterable[Path] = (),
    forms: Callable[[str], Iterable[str]] = name_forms,
) -> Path:
    """The folder under which one of these images lies (see `first_root`), out of the usual layouts.

    Beside an annotation file `<root>/annotations/person_keypoints_train2017.json` these are
    `<root>/images/train2017`, `<root>/images`, `<root>/train2017`, `<root>` and the file's own
    folder, then `others`. With no image found it is `<root>/images`.
    """
    parent = annotation_file.resolve().parent
    base = parent.parent if parent.name == "annotations" else parent
    split = annotation_file.stem.split("_")[-1]
    places = [base / "images" / split, base / "images", base / split, base, parent, *others]
    return first_root(places, file_names, base / "images", forms=forms)


def _of_chunks(
    members: dict[str, Any],
    images: Chunked,
    annotations: Chunked,
    *,
    source: str,
    keypoint_set: KeypointSet | None,
    root: Path,
) -> PoseDataset:
    """The data set of a file's images and annotations, some at a time, and its other members."""
    category = keypoint_category(members, source, required=keypoint_set is None)
    meta = {key: value for key, value in members.items() if key != "categories"}
    if keypoint_set is None:
        assert category is not None
        keypoint_set = keypoint_set_of(category, source)
        meta["category"] = category
    frames = frames_table(images, source)
    require_inside(frames["file_name"], source)
    people, keypoints = people_table(
        Chunked(_of_category(annotations.chunks, category), annotations.rows),
        frames,
        keypoint_set,
        source,
    )
    return PoseDataset(
        frames=frames,
        people=people,
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        root=root,
        meta=meta,
    )


def _objects(lists: LongLists, key: str) -> Iterator[list[dict[str, Any]]]:
    return (objects({key: items}, key, str(lists.path)) for items in lists.chunks(key))


def _of_category(
    annotations: Iterable[list[dict[str, Any]]], category: dict[str, Any] | None
) -> Iterator[dict[int, dict[str, Any]]]:
    """The annotations of the category by their positions in the file."""
    first = 0
    for chunk in annotations:
        yield {first + row: one for row, one in enumerate(chunk) if _is_of(one, category)}
        first += len(chunk)


def _with_root(dataset: PoseDataset, path: Path, root: Path | None) -> PoseDataset:
    if root is None:
        root = find_image_root(path, dataset.frames["file_name"].tolist())
    return replace(dataset, root=root)


def _is_of(annotation: dict[str, Any], category: dict[str, Any] | None) -> bool:
    return category is None or annotation.get("category_id", category["id"]) == category["id"]


def _image(row: dict[Any, Any]) -> dict[str, Any]:
    image = {key: row[key] for key in ("id", "file_name", "width", "height")}
    if row["scene"] is not None:
        image["scene"] = row["scene"]
    return {**image, **(other_fields(row["extra"] or {}, FRAME_FIELDS) or {})}


def _annotations(dataset: PoseDataset, category_id: Any) -> list[dict[str, Any]]:
    labelled = (dataset.keypoints[..., 2] > 0).sum(axis=1)
    flat = dataset.keypoints.reshape(len(dataset), 3 * len(dataset.keypoint_set))
    annotations = []
    for row, values, count in zip(dataset.people.to_dict("records"), flat, labelled, strict=True):
        annotation = {
            "id": row["id"],
            "image_id": row["frame_id"],
            "category_id": category_id,
            "bbox": [decimal(row[name]) for name in BOX_COLUMNS],
            "area": decimal(row["area"]),
            "iscrowd": row["iscrowd"],
            "keypoints": [decimal(value) for value in values],
            "num_keypoints": int(count),
        }
        if row["area_from_box"]:
            annotation["area_from_box"] = True
        if not pd.isna(row["track_id"]):
            annotation["track_id"] = int(row["track_id"])
        if not math.isnan(row["rotated_cx"]):
            annotation["rotated_box"] = [decimal(row[name]) for name in ROTATED_BOX_COLUMNS]
        others = other_fields(row["extra"] or {}, PERSON_FIELDS) or {}
        annotations.append({**annotation, **others})
    return annotations
