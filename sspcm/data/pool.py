"""The unlabelled pool from another source: a data set, boxes without joint names, or images.

The pool's keypoints are never trained on: as published, they only decide who is in the pool, and
their names define its joints. With `data.unlabelled_boxes`, a box is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sspcm.config import DataConfig
from sspcm.data.detection_forms import require_sides
from sspcm.data.detections import (
    TWICE,
    Detections,
    FrameBoxes,
    frame_boxes,
    read_detections,
    repeated,
)
from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.categories import people_labels
from wepdtof_pose.formats.coco_category import key_of
from wepdtof_pose.formats.fields import objects, shown
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES, add_counts, count_in_words, files_in
from wepdtof_pose.formats.loading import annotation_files, load_dataset
from wepdtof_pose.images import image_size, require_whole
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.scores.frame_lookup import VIDEO_SUFFIXES


class PoolPeople(NamedTuple):
    """Who can be in the pool.

    Attributes:
        people: they.
        left_out: how many others there are, for each reason.
        unread: images that cannot be read, a line each that says why.
    """

    people: PoseDataset
    left_out: dict[str, int]
    unread: list[str]


def unlabelled_people(config: DataConfig, keypoint_set: KeypointSet) -> PoolPeople:
    """Return the people of the unlabelled source who can be in the pool.

    Args:
        config: names the source. `data.unlabelled_boxes` also takes people with only a box, from
            data sets that need not name joints, and whole images of a folder without annotations.
        keypoint_set: the joints of the labelled people, for sources that name none.

    Raises:
        InputError: there are no such data, or nobody there can be in the pool.
    """
    pool, unread = _read(config, keypoint_set)
    usable = pool.boxed() if config.unlabelled_boxes else pool.trainable()
    if not usable.any():
        boxed = int(pool.boxed().sum())
        raise InputError(
            f"{config.unlabelled}: nobody for the unlabelled pool has keypoints, {boxed} have a "
            "box: data.unlabelled_boxes=true takes people with a box alone"
            if boxed and not config.unlabelled_boxes
            else f"{config.unlabelled}: nobody for the unlabelled pool has a box"
            + _of(pool.left_out)
        )
    unusable = left_out(pool, boxes_suffice=config.unlabelled_boxes)
    return PoolPeople(pool.select_people(usable), unusable, unread)


def left_out(dataset: PoseDataset, *, boxes_suffice: bool = False) -> dict[str, int]:
    """Return how many people of a data set cannot be used, for each reason.

    Args:
        dataset: all people.
        boxes_suffice: also use people without labels and without area.
    """
    crowd = (dataset.people["iscrowd"] != 0).to_numpy()
    boxed = dataset.boxed()
    unlabelled = dataset.keypoints.max(axis=(1, 2), initial=0) <= 0
    no_area = ~(dataset.people["area"] > 0).to_numpy()
    people = np.ones(len(dataset), dtype=bool)
    counts: dict[str, int] = {}
    reasons = [("crowds", crowd), ("boxes that are empty in the frame", ~boxed)]
    if not boxes_suffice:
        reasons += [(ONLY_A_BOX, unlabelled), ("area 0", no_area)]
    for reason, mask in reasons:
        counts[reason] = int((people & mask).sum())
        people &= ~mask
    return {reason: count for reason, count in counts.items() if count}


def left_out_line(counts: Mapping[str, int]) -> str:
    """Return who is not used, and why, as one line.

    >>> left_out_line({"crowds": 2, "area 0": 1})
    'people left out: 2 (crowds), 1 (area 0)'
    """
    return f"people left out: {', '.join(f'{count} ({why})' for why, count in counts.items())}"


def _of(counts: Mapping[str, int]) -> str:
    """Return what a reader left out, to go behind that nobody is there."""
    listed = ", ".join(count_in_words(count, what) for what, count in counts.items())
    return listed and f" (left out: {listed})"


ONLY_A_BOX = "a box and no labelled joint"
"""Reason for leaving out people whom `data.unlabelled_boxes` would put into the pool."""


def _read(config: DataConfig, keypoint_set: KeypointSet) -> tuple[PoseDataset, list[str]]:
    """Return the people of the source, and what of it cannot be read."""
    path = Path(config.unlabelled)
    if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
        raise InputError(
            f"{path}: is a video: write its frames into a folder and name that (for example "
            f"ffmpeg -i {path.name} frames/%06d.jpg)"
        )
    if path.is_dir() and not (path / "annotations").is_dir():
        return _images(path, config, keypoint_set)
    files = annotation_files(path)
    file = next(iter(files.values())) if len(files) == 1 else files.get("train")
    if file is None:
        raise InputError(f"{path}: has annotation files for {', '.join(files)}, but none for train")
    category = config.unlabelled_category or None
    if config.unlabelled_boxes:
        content = read_json(file)
        if isinstance(content, dict) and not _names_joints(content):
            return _boxes(content, file, keypoint_set, category), []
    return load_dataset(file, category=category)["all"], []


def _names_joints(content: dict[str, Any]) -> bool:
    categories = content.get("categories")
    return isinstance(categories, list) and any(
        isinstance(row, dict) and row.get("keypoints") for row in categories
    )


def _boxes(
    content: dict[str, Any], file: Path, keypoint_set: KeypointSet, category: str | None
) -> PoseDataset:
    """Return the people of a COCO file whose categories name no joints, as detectors write it."""
    categories = content.get("categories")
    names = {
        row["id"]: str(row.get("name", row["id"]))
        for row in (categories if isinstance(categories, list) else [])
        if isinstance(row, dict) and isinstance(row.get("id"), (int, str))
    }
    people = people_labels(names.values(), category, source=str(file))
    annotations = objects(content, "annotations", str(file))
    others: Counter[str] = Counter()
    if names:
        given, annotations = annotations, []
        for one in given:
            number = key_of(one.get("category_id"))
            # The id of a lone category is of no use: some files count it from 0, some from 1.
            if "category_id" not in one or len(names) == 1 or names.get(number) in people:
                joints = ("keypoints", "num_keypoints")
                annotations.append({key: one[key] for key in one if key not in joints})
            elif number in names:
                others[f"annotations of category {shown(names[number])}"] += 1
            else:
                what = shown(one["category_id"])
                others[f"annotations of category {what}, which 'categories' does not list"] += 1
    content = {**content, "annotations": annotations, "categories": []}
    pool = coco.of_file(content, file, keypoint_set=keypoint_set)
    return replace(pool, left_out=add_counts(pool.left_out, others))


def _images(
    folder: Path, config: DataConfig, keypoint_set: KeypointSet
) -> tuple[PoseDataset, list[str]]:
    """Return the people of a folder of images: detected boxes, or each image as one person.

    The second value says which images cannot be read.
    """
    files = files_in(folder, *IMAGE_SUFFIXES, deep=True)
    if not files:
        raise InputError(
            f"{folder}: has neither annotations/*.json nor images ({', '.join(IMAGE_SUFFIXES)})"
        )
    if not config.unlabelled_boxes:
        raise InputError(
            f"{folder}: has images without annotations: data.unlabelled_boxes=true takes each "
            "whole image as a person, or the boxes of data.unlabelled_detections"
        )
    sizes: list[tuple[int, int]] = []
    names: list[str] = []
    problems: list[str] = []
    for path in files:
        try:
            require_whole(path)
            sizes.append(image_size(path))
            names.append(path.relative_to(folder).as_posix())
        except InputError as error:
            problems.append(str(error))
    if not names:
        raise InputError(f"no image can be read: {problems[0]}")
    frame_ids, people, counts = _people_on_images(config, folder, names, sizes)
    unread = {"images that cannot be read": len(problems)} if problems else {}
    pool = PoseDataset(
        frames=make_frames(id=np.arange(len(names)), file_name=names, sizes=sizes),
        people=make_people(
            id=np.arange(len(people)),
            frame_id=frame_ids,
            boxes=people.boxes,
            rotated=people.rotated,
        ),
        keypoints=np.zeros((len(people), len(keypoint_set), 3), dtype=np.float32),
        keypoint_set=keypoint_set,
        root=folder,
        left_out=unread | counts,
    )
    return pool, problems


def _people_on_images(
    config: DataConfig, folder: Path, names: list[str], sizes: list[tuple[int, int]]
) -> tuple[np.ndarray, FrameBoxes, dict[str, int]]:
    """Return the number of the image of each person, their boxes, and how many boxes are not used.

    Without detections each image is one person.
    """
    if not config.unlabelled_detections:
        if config.upright:
            raise InputError(
                f"{folder}: has images without boxes, and crops that are turned head up cannot be "
                f"cut of whole images: sspcm find {folder} -o boxes.json finds the people, and "
                "data.unlabelled_detections=boxes.json takes them; where each image shows one "
                "person, data.upright=false"
            )
        whole = [(0, 0, width, height) for width, height in sizes]
        return np.arange(len(names)), frame_boxes(whole), {}
    found = read_detections(
        Path(config.unlabelled_detections),
        category=config.unlabelled_category or None,
        angles=config.unlabelled_angles or None,
    )
    frame_ids, rows, counts = _on_images(found, names, config.unlabelled_detections)
    shapes = np.array(sizes, dtype=np.float64)[frame_ids]
    people = found.of_rows(rows, shapes)
    require_sides(people.boxes, people.rotated, shapes, found.source)
    twice = repeated(frame_ids, people)
    if twice.any():
        counts[TWICE] = int(twice.sum())
    return frame_ids[~twice], people.select(~twice), counts


def _on_images(
    found: Detections, names: list[str], file: str
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Match boxes to images; return the images' numbers, the boxes' rows, and counts of the others.

    A box belongs to the image that its `file_name` names, or else to the one whose name without
    folder and suffix is its `image_id`. What two images are called names neither.
    """
    short = Counter(key for name in names for key in _short_forms(Path(name)))
    whole = set(names)
    keys = [
        {name, *(key for key in _short_forms(Path(name)) if short[key] == 1 and key not in whole)}
        for name in names
    ]
    rows = [found.rows_of(own) for own in keys]
    frame_ids = np.repeat(np.arange(len(names)), [len(own) for own in rows])
    if not len(frame_ids):
        raise InputError(f"{file}: none of its {len(found)} boxes is on an image of the pool")
    counts = {"boxes on no image of the pool": len(found) - len(frame_ids), **found.left_out}
    return frame_ids, np.concatenate(rows), {what: n for what, n in counts.items() if n}


def _short_forms(path: Path) -> set[str]:
    stem = path.stem
    number = (stem.lstrip("0") or "0") if stem.isdecimal() else stem
    return {path.name, str(path.with_suffix("")), stem, number}
