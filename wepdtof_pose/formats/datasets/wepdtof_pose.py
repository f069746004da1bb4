"""WEPDTOF-Pose: the release as its released code reads it, and as its users describe it.

The released code reads `coco/annotations/person_keypoints_{train2017,val2017}.json` and
`coco/images/{train2017,val2017}/`: COCO keypoint JSON with category 1, image ids that are list
positions (0, 1, ...), and visibilities of which it keeps 0 and 1 only. The writer writes that; the
reader relies on none of it.

Users report Chinese joint names and file names, in UTF-8 or GBK: joint names go through the alias
table of `annotations/keypoints.json`, and unknown ones are refused. The raw schema has not been
seen; a file whose category names no joints is taken to have the 14 of WEPDTOF-Pose in their order.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.coco_category import keypoint_category
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.formats.layout import (
    WHOLE,
    Layout,
    Reading,
    add_counts,
    image_places,
    name_forms,
    renamed_images,
    with_images,
)
from wepdtof_pose.formats.loading import annotation_files
from wepdtof_pose.keypoints import canonical_joint_name, get_keypoint_set, keypoint_set_names

SPLITS = {"train": "train2017", "val": "val2017"}

_SET = "wepdtof-pose-14"
_ENCODINGS = ("utf-8-sig", "gb18030")


def read(path: Path, *, images: Path | None = None) -> Reading:
    """Return the people of the release folder (or its `coco/`), another folder, or one file.

    Raises:
        InputError: a file is missing or not usable, or names joints that nobody knows.
    """
    files = find_files(path)
    datasets: dict[str, PoseDataset] = {}
    renamed: dict[Path, Path] = {}
    left_out = []
    for split, file in files.items():
        content = read_json(file, encodings=_ENCODINGS)
        dataset = from_dict(content, source=str(file), root=file.parent)
        names = dataset.frames["file_name"].tolist()
        dataset = replace(dataset, root=coco.find_image_root(file, names, forms=names_on_disk))
        dataset = with_images(dataset, images, SPLITS.get(split, split), forms=names_on_disk)
        datasets[split] = dataset
        left_out.append(dataset.left_out)
        renamed |= renamed_images(dataset.root, names, forms=names_on_disk)
    return Reading(datasets, list(files.values()), add_counts(*left_out), renamed)


def find_files(path: Path) -> dict[str, Path]:
    """Return the annotation files by split, where the released code looks or `--data` does."""
    for base in (path / "coco", path):
        places = {
            split: base / "annotations" / f"person_keypoints_{name}.json"
            for split, name in SPLITS.items()
        }
        found = {split: file for split, file in places.items() if file.is_file()}
        if found:
            return found
    return annotation_files(path / "coco" if (path / "coco").is_dir() else path)


def from_dict(content: Any, *, source: str, root: Path) -> PoseDataset:
    """Return the data set of a parsed file, its joint names resolved."""
    category = keypoint_category(content, source, required=False)
    if category is None:
        return coco.from_dict(
            content, source=source, root=root, keypoint_set=get_keypoint_set(_SET)
        )
    named = category["keypoints"]
    unknown = unknown_joints(named) if isinstance(named, list) else []
    if unknown:
        raise InputError(
            f"{source}: unknown joint names: {', '.join(unknown)} "
            "(an alias can be added to annotations/keypoints.json)"
        )
    dataset = coco.from_dict(content, source=source, root=root)
    meta = {key: value for key, value in dataset.meta.items() if key != "category"}
    return replace(dataset, meta=meta)


def unknown_joints(names: list[Any]) -> list[str]:
    """Return those of these joint names that no keypoint set and no alias knows."""
    known = {joint for name in keypoint_set_names() for joint in get_keypoint_set(name).joints}
    return [shown(name) for name in names if canonical_joint_name(str(name)) not in known]


def names_on_disk(name: str) -> tuple[str, ...]:
    """Return the names that an image may have: also in GBK bytes, as old archives unpack."""
    forms = name_forms(name)
    if name.isascii():
        return forms
    return (*forms, *(os.fsdecode(form.encode("gb18030")) for form in forms))


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder that the released code reads; a set without splits is its train split.

    Raises:
        InputError: the joints are not WEPDTOF-Pose's, or there is a split that the release has not.
    """
    target = get_keypoint_set(_SET)
    layout = Layout()
    for split, dataset in datasets.items():
        name = SPLITS.get("train" if split == WHOLE else split)
        if name is None:
            raise InputError(f"wepdtof_pose has the splits train and val, not {split!r}")
        if dataset.keypoint_set.joints != target.joints:
            raise InputError(f"wepdtof_pose holds its 14 joints only: add --keypoints {_SET}")
        layout.files[f"coco/annotations/person_keypoints_{name}.json"] = to_dict(dataset)
        layout.images.update(image_places(dataset, f"coco/images/{name}"))
        positions = np.arange(len(dataset.frames)).tolist()
        layout.count_lost(coco.hidden_fields(dataset))
        layout.count_lost(
            {
                "image ids (list positions are written)": sum(
                    a != b for a, b in zip(dataset.frames["id"], positions, strict=True)
                ),
                "visible joints told from hidden ones (1 is written for both)": int(
                    (dataset.keypoints[..., 2] == 2).sum()
                ),
                "name of the split (train is written)": int(split == WHOLE),
            }
        )
    return layout


def to_dict(dataset: PoseDataset) -> dict[str, Any]:
    """Return the content of a file for the released code: ids are positions, visibility 0 or 1."""
    frames, people = dataset.frames.copy(), dataset.people.copy()
    people["frame_id"] = dataset.frame_rows
    frames["id"] = np.arange(len(frames))
    keypoints = dataset.keypoints.copy()
    keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
    meta = {key: value for key, value in dataset.meta.items() if key != "category"}
    return coco.to_dict(
        replace(
            dataset,
            frames=frames,
            people=people,
            keypoints=keypoints,
            keypoint_set=get_keypoint_set(_SET),
            meta=meta,
        )
    )
