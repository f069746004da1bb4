"""AI Challenger (human keypoint track): its own JSON, and copies of it in COCO's form.

The original is a list of `{image_id, human_annotations: {human1: [x1, y1, x2, y2]},
keypoint_annotations: {human1: [x, y, v, ...]}}`; the image is `<image_id>.jpg`. Its v is 1 for
visible, 2 for hidden, 3 for absent: 2, 1 and 0 here. Sizes come from the images. There is no area:
each person gets 0.53 of the box. Nor are there crowd regions: they are left out on writing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, require_inside
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.coco_category import keypoint_category, require_joints
from wepdtof_pose.formats.fields import (
    other_fields,
    repeated,
    require_file_name,
    require_numbers,
    rows,
    shown,
)
from wepdtof_pose.formats.layout import (
    IMAGE_SUFFIXES,
    WHOLE,
    Layout,
    Reading,
    by_longest_end,
    decimal,
    first_root,
    image_places,
    names_below,
    not_held,
    of_each_file,
    people_of_frames,
    split_folder,
    without_crowds,
)
from wepdtof_pose.images import image_file, image_size
from wepdtof_pose.keypoints import get_keypoint_set

_FIELDS = frozenset({"image_id", "human_annotations", "keypoint_annotations"})
_VISIBILITY = np.array([np.nan, 2, 1, 0])
"""Ours by theirs; the table is its own inverse, but for the first entry."""


@of_each_file
def read(path: Path, *, images: Path | None = None) -> Reading:
    """Return the people of an AI Challenger file, in its original form or COCO's.

    Raises:
        InputError: the file is not usable, names other joints, or an image that gives a size is
            missing.
    """
    content = read_json(path)
    if isinstance(content, dict):
        joints = get_keypoint_set("aic-14")
        category = keypoint_category(content, str(path), required=False)
        if category is not None:
            require_joints(category, str(path), joints)
        dataset = coco.of_file(content, path, keypoint_set=joints, images=images)
        return Reading({WHOLE: dataset}, [path], dataset.left_out)
    source = str(path)
    entries = rows(content, source, "images with human_annotations and keypoint_annotations")
    for position, entry in enumerate(entries):
        require_file_name(entry.get("image_id"), f"{source}: [{position}]", key="image_id")
    names = [file_name(entry["image_id"]) for entry in entries]
    there = names_below(names, [images])[1] if images else {name: name for name in names}
    require_inside(there.values(), source)
    root = images or find_images(path, names)
    sizes = [image_size(image_file(root, there[name])) for name in names]
    dataset = replace(from_entries(entries, sizes, source=source), root=root)
    if images:
        dataset = by_longest_end(dataset, [images])
    return Reading({WHOLE: dataset}, [path], dataset.left_out)


def find_images(path: Path, names: list[str]) -> Path:
    """Return the folder of the images: beside the file, as the archives have it or as COCO's."""
    folders = sorted(p for p in path.parent.glob("*image*") if p.is_dir())
    split = path.stem.split("_")[-1]
    places = [*(folder / split for folder in folders), *folders, path.parent]
    return first_root(places, names, path.parent / "images")


def file_name(image_id: str) -> str:
    """Return the name of an image's file; some copies of the data have its suffix in the id."""
    return image_id if image_id.lower().endswith(IMAGE_SUFFIXES) else f"{image_id}.jpg"


def from_entries(
    entries: list[dict[str, Any]], sizes: list[tuple[int, int]], *, source: str
) -> PoseDataset:
    """Return the data set of parsed entries on images of these sizes (width, height)."""
    people: list[dict[str, Any]] = []
    for position, entry in enumerate(entries):
        people += _people(entry, f"{source}: [{position}] ({entry['image_id']})")
    numbers = np.array([person["keypoints"] for person in people]).reshape(-1, 14, 3)
    visibility = _VISIBILITY[numbers[..., 2].astype(int)]
    keypoints = np.concatenate([numbers[..., :2], visibility[..., None]], axis=-1)
    boxes = np.array([person["box"] for person in people], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    ids = [entry["image_id"] for entry in entries]
    if twice := repeated(ids):
        raise InputError(f"{source}: image_id {shown(twice[0])} is used twice")
    return PoseDataset(
        frames=make_frames(
            id=ids,
            file_name=[file_name(name) for name in ids],
            sizes=sizes,
            extra=[other_fields(entry, _FIELDS) for entry in entries],
        ),
        people=make_people(
            id=np.arange(len(people)) + 1,
            frame_id=np.array([person["image_id"] for person in people], dtype=object),
            boxes=boxes,
            extra=[{"human": person["human"]} for person in people],
        ),
        keypoints=keypoints.astype(np.float32),
        keypoint_set=get_keypoint_set("aic-14"),
        root=Path(source).parent,
    )


def to_entries(dataset: PoseDataset) -> list[dict[str, Any]]:
    """Return the original JSON of a data set with these joints."""
    entries = []
    people = dataset.people.to_dict("records")
    of_frame, humans = people_of_frames(dataset), _humans(dataset)
    for position, file_name in enumerate(dataset.frames["file_name"]):
        boxes, joints = {}, {}
        for row in of_frame[position]:
            person, human = people[row], humans[row]
            x, y, w, h = (person[key] for key in "xywh")
            boxes[human] = [decimal(v) for v in (x, y, x + w, y + h)]
            joints[human] = [
                value
                for x, y, visibility in dataset.keypoints[row]
                for value in (decimal(x), decimal(y), 3 - int(visibility))
            ]
        entry = {"image_id": Path(file_name).with_suffix("").as_posix()}
        extra = other_fields(dataset.frames["extra"].iloc[position] or {}, _FIELDS) or {}
        entries.append(
            {**entry, **extra, "human_annotations": boxes, "keypoint_annotations": joints}
        )
    return entries


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder of original files of data sets with AI Challenger's joints.

    Raises:
        InputError: the joints are others, or an image is no .jpg.
    """
    target = get_keypoint_set("aic-14")
    layout = Layout()
    for split, everybody in datasets.items():
        dataset, crowds = without_crowds(everybody)
        if dataset.keypoint_set.joints != target.joints:
            raise InputError("ai_challenger holds its 14 joints only: add --keypoints aic-14")
        other = [n for n in dataset.frames["file_name"] if not n.endswith(".jpg")]
        if other:
            raise InputError(
                f"ai_challenger names images without .jpg, but {shown(other[0])} is none"
            )
        name = "keypoint_annotations.json" if split == WHOLE else f"keypoint_{split}.json"
        layout.files[name] = to_entries(dataset)
        layout.images.update(image_places(dataset, split_folder("images", split)))
        held = [
            "positions of joints that are not labelled",
            "hidden joints (written as visible)",
            "other fields of images",
        ]
        if dataset.frames["id"].tolist() == [entry["image_id"] for entry in layout.files[name]]:
            held.append("image ids")
        if dataset.keypoint_set == target:
            held.append("name, sigmas or skeleton of the keypoint set")
        layout.count_lost(crowds, not_held(dataset, held, fields=["human"]))
        pairs = zip(_names_read(dataset), _humans(dataset), strict=True)
        layout.count_lost(
            {"names of people": sum(read not in (None, name) for read, name in pairs)}
        )
    return layout


def _humans(dataset: PoseDataset) -> list[str]:
    """Return people's names, as read where each of an image has one, else human1, human2, ..."""
    read = _names_read(dataset)
    names = [""] * len(dataset)
    for of_frame in people_of_frames(dataset):
        own = {read[row] for row in of_frame}
        usable = len(own) == len(of_frame) and all(isinstance(name, str) for name in own)
        for number, row in enumerate(of_frame, start=1):
            names[row] = str(read[row]) if usable else f"human{number}"
    return names


def _names_read(dataset: PoseDataset) -> list[Any]:
    names = [(extra or {}).get("human") for extra in dataset.people["extra"]]
    return [name if isinstance(name, str) else None for name in names]


def _people(entry: dict[str, Any], where: str) -> list[dict[str, Any]]:
    boxes, joints = entry.get("human_annotations"), entry.get("keypoint_annotations")
    if not isinstance(boxes, dict) or not isinstance(joints, dict):
        raise InputError(f"{where}: no objects 'human_annotations' and 'keypoint_annotations'")
    if boxes.keys() != joints.keys():
        other = min(boxes.keys() ^ joints.keys())
        raise InputError(f"{where}: {shown(other)} has a box or keypoints, but not both")
    people = []
    for human, box in boxes.items():
        require_numbers(box, 4, f"{where}: box of {shown(human)}")
        require_numbers(joints[human], 42, f"{where}: keypoints of {shown(human)}")
        if not set(joints[human][2::3]) <= {1, 2, 3}:
            raise InputError(f"{where}: visibilities of {shown(human)} are not all 1, 2 or 3")
        people.append(
            {
                "image_id": entry["image_id"],
                "human": human,
                "box": box,
                "keypoints": [float(value) for value in joints[human]],
            }
        )
    return people
