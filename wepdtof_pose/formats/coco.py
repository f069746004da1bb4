"""COCO keypoint JSON: reader and writer.

What the tables of a PoseDataset do not hold travels in `extra` and `meta`, so that writing what
was read gives the same content back. Numbers of keypoints are float32 in memory and are written
as the shortest decimal that gives that float32 again: up to 7 significant digits survive.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import UNSET

from wepdtof_pose.dataset import BOX_COLUMNS, ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, require_inside, write_json
from wepdtof_pose.formats.categories import CATEGORY_OPTION
from wepdtof_pose.formats.coco_category import (
    categories_of,
    category_of,
    ids_of_people,
    key_of,
    keypoint_category,
    keypoint_set_of,
    lost_edges,
)
from wepdtof_pose.formats.coco_tables import (
    FIX,
    FRAME_FIELDS,
    PERSON_FIELDS,
    Blocks,
    count_categories,
    frames_table,
    long_lists,
    people_table,
)
from wepdtof_pose.formats.fields import are_shares, objects, other_fields, shown
from wepdtof_pose.formats.foreign import instead_of
from wepdtof_pose.formats.layout import (
    BOXES_OF_JOINTS,
    add_counts,
    by_longest_end,
    count_in_words,
    decimal,
    first_root,
    name_forms,
)
from wepdtof_pose.keypoints import KeypointSet

_UNLISTED = "which 'categories' does not list"
_ANGLES = ("angle", "rotation", "theta", "rotation_angle")
_AS_ROTATED = "write rotated_box: cx, cy, w, h, degrees clockwise"
LISTS = ("images", "annotations")
"""What is long in such a file."""

SMALLEST_SIDE = 16
"""Pixels a side of images from which on shares are told from pixels."""


def read(
    path: Path,
    *,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
    images: Sequence[Path] = (),
) -> PoseDataset:
    """Return the data set of a COCO keypoint file; its `left_out` counts what is not in it.

    A person without a box gets the extent of the labelled joints.

    Args:
        path: the JSON file.
        keypoint_set: its joints, where the file's category does not name them (or to overrule it).
        category: name of the category of people, where the file has several with joints (with
            commas, of several of the same joints).
        images: folders that may hold the images; by default the usual places. In the folders given
            here an image is found by the longest end of its name that is there.

    Raises:
        InputError: the file is missing, is not such a file, breaks the format, has annotations but
            no people, or names images outside the data set; the message names the field and the
            annotation.
    """
    options: dict[str, Any] = {
        "keypoint_set": keypoint_set,
        "category": category,
        "root": path.parent,
    }
    if (found := long_lists(path, LISTS)) is None:
        dataset = _of_content(read_json(path), source=str(path), **options)
    else:
        members, lists = found
        blocks = {key: Blocks(key, str(path), lists[key]) for key in LISTS}
        dataset = _of_blocks(members, blocks, **options)
    if images:
        dataset = by_longest_end(dataset, images)
    require_inside(dataset.frames["file_name"], path)
    if images:
        return dataset
    return replace(dataset, root=find_image_root(path, dataset.frames["file_name"].tolist()))


def of_file(
    content: Any,
    path: Path,
    *,
    keypoint_set: KeypointSet | None = None,
    images: Path | None = None,
) -> PoseDataset:
    """Return the data set of the parsed content of a file; see `read`.

    In the folder `images`, if it is given, images are found by the longest end of their names.
    """
    if images is not None:
        dataset = _of_content(
            content, source=str(path), keypoint_set=keypoint_set, category=None, root=path.parent
        )
        dataset = by_longest_end(dataset, [images / path.stem.split("_")[-1], images])
        require_inside(dataset.frames["file_name"], path)
        return dataset
    dataset = from_dict(content, source=str(path), keypoint_set=keypoint_set, root=path.parent)
    return replace(dataset, root=find_image_root(path, dataset.frames["file_name"].tolist()))


def write(dataset: PoseDataset, path: Path) -> None:
    """Write the data set as a COCO keypoint file; it appears whole or not at all."""
    write_json(path, to_dict(dataset))


def from_dict(
    content: Any,
    *,
    source: str,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
    root: Path,
) -> PoseDataset:
    """Return the data set of a parsed COCO keypoint file; `source` names it in errors."""
    dataset = _of_content(
        content, source=source, keypoint_set=keypoint_set, category=category, root=root
    )
    require_inside(dataset.frames["file_name"], source)
    return dataset


def to_dict(dataset: PoseDataset) -> dict[str, Any]:
    """Return the data set as the content of a COCO keypoint file (skeleton 1-based)."""
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
    """Return how many images and people have fields that are not written, by COCO's names."""
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
    """Return the folder under which one of these images lies (see `first_root`), of the usual ones.

    Beside an annotation file `<root>/annotations/person_keypoints_train2017.json` these are
    `<root>/images/train2017`, `<root>/images`, `<root>/train2017`, `<root>`, the file's own folder
    and `<root>/data` of FiftyOne, then `others`. With no image found it is `<root>/images`.
    """
    parent = annotation_file.resolve().parent
    base = parent.parent if parent.name == "annotations" else parent
    split = annotation_file.stem.split("_")[-1]
    places = [base / "images" / split, base / "images", base / split, base, parent, base / "data"]
    return first_root([*places, *others], file_names, base / "images", forms=forms)


def require_pixels(
    people: pd.DataFrame, keypoints: np.ndarray, frames: pd.DataFrame, source: str
) -> None:
    """Refuse a file whose boxes, or joints, are all shares of the image or of the box."""
    single = (people["iscrowd"] == 0).to_numpy()
    # In a picture of a few pixels shares and pixels look alike.
    if not single.any() or frames[["width", "height"]].min(axis=None) < SMALLEST_SIDE:
        return
    boxes = people.loc[single, list(BOX_COLUMNS)].to_numpy(dtype=np.float64)
    boxes = boxes[(boxes[:, 2:] > 0).all(axis=1)]
    labelled = keypoints[..., 2] > 0
    joints = keypoints[labelled & (single & (labelled.sum(axis=1) > 1))[:, None], :2]
    found = {"boxes": are_shares(boxes), "joints": are_shares(joints)}
    if any(found.values()):
        what = " and ".join(name for name, shares in found.items() if shares)
        raise InputError(
            f"{source}: all {what} lie between 0 and 1: they are shares of the image, not pixels; "
            "multiply x and width by the width of the image, y and height by its height (joints "
            "may be shares of their box: wepdtof-pose validate tells which)"
        )


def angle_beside(fields: Mapping[str, Any]) -> str | None:
    """Return the name of an angle other than 0 among the fields of a person; None if none is there.

    CVAT writes it among the attributes of a box that it turns.

    >>> angle_beside({"attributes": {"rotation": 30.0, "occluded": False}})
    'rotation'
    """
    inner = fields.get("attributes")
    named = {**inner, **fields} if isinstance(inner, dict) else fields
    for name in _ANGLES:
        angle = named.get(name)
        if type(angle) in (int, float) and angle:
            return name
    return None


def _of_content(content: Any, *, source: str, **options: Any) -> PoseDataset:
    if not isinstance(content, dict):
        otherwise = (
            "expected a JSON object with 'images' and 'annotations'; other formats: wepdtof-pose "
            "convert first"
        )
        raise InputError(f"{source}: {instead_of(content, otherwise)}")
    members = {key: value for key, value in content.items() if key not in LISTS}
    lists = {key: Blocks(key, source, objects(content, key, source)) for key in LISTS}
    return _of_blocks(members, lists, **options)


def _of_blocks(
    members: dict[str, Any],
    lists: dict[str, Blocks],
    *,
    keypoint_set: KeypointSet | None,
    category: str | None,
    root: Path,
) -> PoseDataset:
    """Return the data set of a file's images and annotations, read in blocks, and other members."""
    annotations = lists["annotations"]
    source = annotations.source
    counts = cache(partial(count_categories, annotations))
    chosen = keypoint_category(
        members, source, required=keypoint_set is None, name=category, used=counts
    )
    meta = {key: value for key, value in members.items() if key != "categories"}
    edges = 0
    if keypoint_set is None:
        assert chosen is not None
        keypoint_set = keypoint_set_of(chosen, source)
        meta["category"] = chosen
        edges = lost_edges(chosen)
    ids = () if chosen is None else ids_of_people(members, chosen, category)
    alike = len(ids) - 1 if ids and category is None else 0
    frames = frames_table(lists["images"])
    people, keypoints, from_joints = people_table(
        annotations, frames, keypoint_set, category_ids=ids
    )
    require_pixels(people, keypoints, frames, source)
    others: dict[str, int] = {}
    if len(people) < len(annotations.rows):
        others = _others(counts(), ids, members)
    if others and not len(people):
        listed = ", ".join(count_in_words(count, what) for what, count in others.items())
        raise InputError(
            f"{source}: nobody is left: {listed}; none is of category "
            f"{shown(chosen and chosen.get('name', ids[0]))}, whose joints are read: "
            f"{_unlisted_hint(others)}{CATEGORY_OPTION} chooses another (wepdtof-pose convert "
            "--source-keypoints SET says its joints where it names none)"
        )
    return PoseDataset(
        frames=frames,
        people=people,
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        root=root,
        meta=meta,
        left_out=add_counts(
            others,
            {
                BOXES_OF_JOINTS: from_joints,
                "categories of one name and the same joints (taken for one)": alike,
                "edges of the skeleton that name no joints (not drawn)": edges,
                f"angles beside boxes (not read: {_AS_ROTATED})": _lone_angles(people),
            },
        ),
    )


def _lone_angles(people: pd.DataFrame) -> int:
    """Return how many people have an angle other than 0, but no rotated box that holds it."""
    unturned = people[ROTATED_BOX_COLUMNS[0]].isna().to_numpy()
    return sum(angle_beside(extra or {}) is not None for extra in people["extra"][unturned])


def _others(counts: Counter[Any], ids: tuple[Any, ...], members: dict[str, Any]) -> dict[str, int]:
    """Return how many annotations are of other categories than these, by their names."""
    names = {key_of(row["id"]): row.get("name", row["id"]) for row in categories_of(members)}
    others: Counter[str] = Counter()
    for one, count in counts.items():
        if one in names:
            what = f"annotations of category {shown(names[one])}"
        else:
            what = f"annotations of category {shown(one)}, {_UNLISTED}"
        others[what] += 0 if one in (UNSET, *ids) else count
    return {what: count for what, count in others.items() if count}


def _unlisted_hint(others: dict[str, int]) -> str:
    unlisted = any(what.endswith(_UNLISTED) for what in others)
    return f"{FIX} (such as '1' for 1); " if unlisted else ""


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
