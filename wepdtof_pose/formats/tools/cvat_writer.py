"""CVAT for Images XML 1.1: writer. CVAT reads the file into a task with the same images.

`labels.json` defines the labels: paste it into the tab "Raw" of a new project or task, and then
upload the annotations.

Each person is a group: a box with what there is of id, track id, crowd mark and area as attributes,
the rotated box where there is one, and a skeleton where there are joints.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring
from xml.sax.saxutils import quoteattr

import numpy as np

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.formats.layout import (
    WHOLE,
    Layout,
    decimal,
    image_places,
    not_held,
    people_of_frames,
    split_folder,
)
from wepdtof_pose.formats.tools.tool_records import (
    FIELDS,
    PERSON_LABEL,
    ROTATED_LABEL,
    attributes_of,
)
from wepdtof_pose.keypoints import KeypointSet

LABELS = "labels.json"
"""The labels as CVAT's constructor takes them."""

_HELD = (
    "person ids",
    "areas",
    "track ids",
    "rotated boxes",
    "hidden joints (written as visible)",
    "positions of joints that are not labelled",
)


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder of data sets: `annotations[_<split>].xml`, `labels.json` and
    `images/[<split>/]`."""
    layout = Layout()
    for split, dataset in datasets.items():
        name = "annotations.xml" if split == WHOLE else f"annotations_{split}.xml"
        layout.files[name] = to_text(dataset)
        layout.images.update(image_places(dataset, split_folder("images", split)))
        held = [*_HELD, "image ids"] if _whole_ids(dataset) else _HELD
        layout.count_lost(not_held(dataset, held))
    layout.files[LABELS] = label_definitions(next(iter(datasets.values())).keypoint_set)
    return layout


def label_definitions(keypoint_set: KeypointSet) -> list[dict[str, Any]]:
    """Return the labels of a project for these joints: boxes of people, and their skeleton.

    The drawing of the skeleton is what a new one looks like before its joints are moved: a standing
    person, with joints of other names in a row beside.
    """
    attributes = [
        {"name": name, "mutable": False, "input_type": "text", "default_value": "", "values": [""]}
        for name in FIELDS
    ]
    return [
        {"name": PERSON_LABEL, "type": "rectangle", "attributes": attributes},
        {"name": ROTATED_LABEL, "type": "rectangle", "attributes": []},
        {
            "name": f"{PERSON_LABEL}_pose",
            "type": "skeleton",
            "attributes": [],
            "svg": _drawing(keypoint_set),
            "sublabels": [
                {"name": joint, "type": "points", "attributes": []} for joint in keypoint_set.joints
            ],
        },
    ]


def to_text(dataset: PoseDataset) -> str:
    """Return the XML of a data set."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _meta(root, dataset)
    people = dataset.people.to_dict("records")
    own_ids = _whole_ids(dataset)
    frames = zip(dataset.frames.to_dict("records"), people_of_frames(dataset), strict=True)
    for position, (frame, rows) in enumerate(frames):
        image = SubElement(
            root,
            "image",
            id=str(frame["id"] if own_ids else position),
            name=frame["file_name"],
            width=str(frame["width"]),
            height=str(frame["height"]),
        )
        for group, row in enumerate(rows.tolist(), start=1):
            _person(image, people[row], dataset.keypoints[row], dataset.keypoint_set, group)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _meta(root: Element, dataset: PoseDataset) -> None:
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "size").text = str(len(dataset.frames))
    labels = SubElement(task, "labels")
    person = _label(labels, PERSON_LABEL, "any")
    attributes = SubElement(person, "attributes")
    for name in FIELDS:
        attribute = SubElement(attributes, "attribute")
        for key, text in (("name", name), ("mutable", "False"), ("input_type", "text")):
            SubElement(attribute, key).text = text
    _label(labels, ROTATED_LABEL, "rectangle")
    _label(labels, f"{PERSON_LABEL}_pose", "skeleton")
    for joint in dataset.keypoint_set.joints:
        SubElement(_label(labels, joint, "points"), "parent").text = f"{PERSON_LABEL}_pose"


def _drawing(keypoint_set: KeypointSet) -> str:
    """Return the edges and joints of a skeleton, as SVG elements that say which joints they are."""
    places = _standing(keypoint_set.joints)
    edges = [
        f'<line x1="{places[a][0]}" y1="{places[a][1]}" x2="{places[b][0]}" y2="{places[b][1]}" '
        f'data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"></line>'
        for a, b in keypoint_set.skeleton
    ]
    joints = [
        f'<circle r="1.5" cx="{x}" cy="{y}" data-type="element node" data-element-id="{number}" '
        f'data-node-id="{number}" data-label-name={quoteattr(name)}></circle>'
        for number, ((x, y), name) in enumerate(
            zip(places, keypoint_set.joints, strict=True), start=1
        )
    ]
    return "".join(edges + joints)


def _standing(joints: tuple[str, ...]) -> list[tuple[float, float]]:
    """Return where each joint of a person who stands facing us is in a picture of 100 x 100."""
    others = [joint for joint in joints if joint.removeprefix("right_") not in _PLACES]
    others = [joint for joint in others if joint.removeprefix("left_") not in _PLACES]
    found = []
    for joint in joints:
        side = -1 if joint.startswith("right_") else 1
        place = _PLACES.get(joint.removeprefix("right_").removeprefix("left_"))
        if place is None:
            found.append((5.0, round(5 + 90 * others.index(joint) / len(others), 2)))
        else:
            found.append((50.0 + side * place[0], float(place[1])))
    return found


_PLACES = {
    "head_top": (0, 4),
    "head": (0, 8),
    "nose": (0, 11),
    "eye": (3, 9),
    "ear": (6, 10),
    "neck": (0, 18),
    "upper_neck": (0, 18),
    "thorax": (0, 24),
    "shoulder": (12, 22),
    "elbow": (16, 37),
    "wrist": (18, 51),
    "pelvis": (0, 52),
    "hip": (8, 53),
    "knee": (9, 73),
    "ankle": (10, 93),
}
"""Distance from the middle and height of joints."""


def _label(labels: Element, name: str, kind: str) -> Element:
    label = SubElement(labels, "label")
    SubElement(label, "name").text = name
    SubElement(label, "type").text = kind
    return label


def _person(
    image: Element, person: dict[Any, Any], joints: np.ndarray, names: KeypointSet, group: int
) -> None:
    shared = {"source": "manual", "z_order": "0", "group_id": str(group)}
    x, y, w, h = (person[key] for key in "xywh")
    # Sides may be negative, where a box was drawn from another corner.
    corners = (min(x, x + w), min(y, y + h), max(x, x + w), max(y, y + h))
    box = _box(image, PERSON_LABEL, corners, shared)
    for name, text in attributes_of(person).items():
        SubElement(box, "attribute", name=name).text = text
    cx, cy, w, h, angle = (person[name] for name in ROTATED_BOX_COLUMNS)
    if np.isfinite([cx, cy, w, h, angle]).all():
        corners = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        rotated = _box(image, ROTATED_LABEL, corners, shared)
        rotated.set("rotation", _text(angle % 360))
    if not joints.any():
        return
    skeleton = SubElement(image, "skeleton", {"label": f"{PERSON_LABEL}_pose", **shared})
    for name, (px, py, seen) in zip(names.joints, joints, strict=True):
        SubElement(
            skeleton,
            "points",
            label=name,
            source="manual",
            outside=str(int(seen == 0)),
            occluded=str(int(seen == 1)),
            points=f"{_text(px)},{_text(py)}",
        )


def _box(image: Element, label: str, corners: tuple[float, ...], shared: dict[str, str]) -> Element:
    sides = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(_text, corners), strict=True))
    return SubElement(image, "box", {"label": label, "occluded": "0", **sides, **shared})


def _text(value: float) -> str:
    return str(decimal(value))


def _whole_ids(dataset: PoseDataset) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in dataset.frames["id"].tolist())
