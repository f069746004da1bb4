"""Label Studio JSON: writer of tasks to import, and of the labelling interface that they need.

Set the project up with `label_config.xml`, add the folder of the images as local storage (or serve
it) and import the tasks. A person is a rectangle and its keypoints are the rectangle's children;
id, track id, crowd mark and area stand in its notes (`meta.text`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.formats.layout import (
    WHOLE,
    Layout,
    image_places,
    not_held,
    people_of_frames,
    split_folder,
)
from wepdtof_pose.formats.tools.label_studio import HIDDEN, INTERFACE
from wepdtof_pose.formats.tools.tool_records import PERSON_LABEL, ROTATED_LABEL, attributes_of
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import KeypointSet

_HELD = (
    "image ids",
    "person ids",
    "scenes",
    "areas",
    "track ids",
    "rotated boxes",
    "hidden joints (written as visible)",
)
_POINT_WIDTH = 0.5


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder of data sets: `tasks*.json`, `label_config.xml`, `images/[<split>/]`."""
    layout = Layout()
    for split, dataset in datasets.items():
        folder = split_folder("images", split)
        name = "tasks.json" if split == WHOLE else f"tasks_{split}.json"
        layout.files[name] = to_tasks(dataset, folder)
        layout.images.update(image_places(dataset, folder))
        layout.count_lost(not_held(dataset, _HELD))
    layout.files[INTERFACE] = interface(next(iter(datasets.values())).keypoint_set)
    return layout


def to_tasks(dataset: PoseDataset, folder: str) -> list[dict[str, Any]]:
    """Return the tasks of a data set whose images will lie in `folder`."""
    people = dataset.people.to_dict("records")
    frames = zip(dataset.frames.to_dict("records"), people_of_frames(dataset), strict=True)
    tasks = []
    for number, (frame, rows) in enumerate(frames, start=1):
        path = quote(f"{folder}/{frame['file_name']}")
        data = {
            "image": f"/data/local-files/?d={path}",
            "frame_id": frame["id"],
            "width": frame["width"],
            "height": frame["height"],
        }
        if frame["scene"] is not None:
            data["scene"] = frame["scene"]
        results: list[dict[str, Any]] = []
        for place, row in enumerate(rows.tolist(), start=1):
            joints = dataset.keypoints[row]
            results += regions(place, people[row], joints, dataset.keypoint_set, frame)
        tasks.append({"id": number, "data": data, "annotations": [{"result": results}]})
    return tasks


def regions(
    number: int,
    person: dict[Any, Any],
    joints: np.ndarray,
    names: KeypointSet,
    frame: dict[Any, Any],
) -> list[dict[str, Any]]:
    """Return the regions of a person, the rectangle first; `number` is of use in their ids."""
    size = np.array([frame["width"], frame["height"]], dtype=np.float64)
    key = f"person_{number}"
    box = np.array([person[side] for side in "xywh"], dtype=np.float64)
    notes = [f"{name}={text}" for name, text in attributes_of(person).items()]
    rectangle = _rectangle(key, PERSON_LABEL, box, 0.0, size)
    found = [{**rectangle, "meta": {"text": notes}}]
    turned = np.array([person[name] for name in ROTATED_BOX_COLUMNS], dtype=np.float64)
    if np.isfinite(turned).all():
        corner = rotated_box_corners(turned)[0]
        upright = np.concatenate([corner, turned[2:4]])
        found.append(
            {
                **_rectangle(f"{key}_rotated", ROTATED_LABEL, upright, float(turned[4]), size),
                "parentID": key,
            }
        )
    for name, (x, y, seen) in zip(names.joints, joints.astype(np.float64).tolist(), strict=True):
        if seen > 0:
            region = {**_region(f"{key}_{name}", "keypointlabels", "joints", size), "parentID": key}
            place = {"x": 100 * x / size[0], "y": 100 * y / size[1], "width": _POINT_WIDTH}
            found.append({**region, "value": {**place, "keypointlabels": [name]}})
        if seen == 1:
            choice = _region(f"{key}_{name}", "choices", "visibility", size)
            found.append({**choice, "value": {**place, "choices": [HIDDEN]}})
    return found


def interface(keypoint_set: KeypointSet) -> str:
    """Return the labelling interface of a project for these joints."""
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image")
    boxes = SubElement(view, "RectangleLabels", name="boxes", toName="image", canRotate="true")
    for label in (PERSON_LABEL, ROTATED_LABEL):
        SubElement(boxes, "Label", value=label)
    points = SubElement(view, "KeyPointLabels", name="joints", toName="image")
    for joint in keypoint_set.joints:
        SubElement(points, "Label", value=joint)
    choices = SubElement(view, "Choices", name="visibility", toName="image", perRegion="true")
    SubElement(choices, "Choice", value=HIDDEN)
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def _rectangle(
    key: str, label: str, box: np.ndarray, rotation: float, size: np.ndarray
) -> dict[str, Any]:
    x, y = (100 * box[:2] / size).tolist()
    width, height = (100 * box[2:] / size).tolist()
    place = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation}
    region = _region(key, "rectanglelabels", "boxes", size)
    return {**region, "value": {**place, "rectanglelabels": [label]}}


def _region(key: str, kind: str, control: str, size: np.ndarray) -> dict[str, Any]:
    return {
        "id": key,
        "type": kind,
        "from_name": control,
        "to_name": "image",
        "original_width": int(size[0]),
        "original_height": int(size[1]),
        "image_rotation": 0,
    }
