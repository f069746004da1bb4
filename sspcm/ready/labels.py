"""Labels of drawn people as annotators would give them: boxes along bodies, and joints.

What is drawn knows its skeleton and hugs what is seen of a body. People who label pictures of real
ones set boxes and joints elsewhere, and networks that are meant for real people learn from theirs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.fisheye.body_boxes import Axis, body_boxes
from wepdtof_pose.formats import coco
from wepdtof_pose.keypoints import KeypointSet

HIPS_LOWER, HIPS_APART = 0.1, 1.2
"""How much lower annotated hips are, as a share of the trunk, and how much further apart: where a
leg leaves the body, not where its bone turns."""
NECK_LOWER = 0.05
"""The same of the neck."""
HEAD_TURNED = 0.3
"""How far the way from the neck to the top of the head is turned towards that of the trunk. It ends
where the head's outline does, and not at the crown of a head that is bent."""


def along_bodies(annotations: Path, axis: Axis = "longest") -> Path:
    """Write the data set again with boxes along the bodies, as finders and annotators give them.

    The drawn boxes hug what is seen and lie along the image radius; crops of such boxes would be
    tighter than those of any box that a network will be given.
    """
    out = annotations.with_name(f"along_{axis}.json")
    if not out.is_file():
        dataset = coco.read(annotations)
        boxes = body_boxes(dataset.keypoints, dataset.keypoint_set, axis=axis)
        known = ~np.isnan(boxes).any(axis=1)
        people = dataset.people.copy()
        people.loc[known, list(ROTATED_BOX_COLUMNS)] = boxes[known]
        coco.write(replace(dataset, people=people), out)
    return out


def in_two_boxes(annotations: Path) -> Path:
    """Write the data set again with each person twice: `along_bodies`, and in the drawn box.

    The one holds hidden parts, too, and the other what is seen of a body: people who draw boxes do
    as the one or as the other.
    """
    out = annotations.with_name("two_boxes.json")
    if not out.is_file():
        content, seen = read_json(along_bodies(annotations)), read_json(annotations)
        people = content["annotations"]
        last = max(person["id"] for person in people)
        people += [person | {"id": person["id"] + last} for person in seen["annotations"]]
        write_json(out, content)
    return out


def as_annotated(annotations: Path) -> Path:
    """Write the data set again with joints where annotators set them (`annotated_joints`)."""
    out = annotations.with_name(f"{annotations.stem}_annotated.json")
    if not out.is_file():
        dataset = coco.read(annotations)
        joints = annotated_joints(dataset.keypoints, dataset.keypoint_set)
        coco.write(replace(dataset, keypoints=joints), out)
    return out


def annotated_joints(
    keypoints: NDArray[np.float32], keypoint_set: KeypointSet
) -> NDArray[np.float32]:
    """Return the joints (people, joints, 3) of drawn people where annotators set them.

    Hips, neck and the top of the head are moved by shares of the trunk, which is the way from
    between the shoulders to between the hips; a person of whom one of these four is unlabelled is
    left alone. The shares are round numbers: on two sets of real people, of four cameras and
    labelled by different annotators, the joints that a network of the drawn ones predicted were off
    alike.

    Args:
        keypoints: x and y in pixels, and the visibility; 0 is unlabelled.
        keypoint_set: has the joints' names.

    >>> from wepdtof_pose.keypoints import get_keypoint_set
    >>> joints = np.ones((1, 14, 3), np.float32)
    >>> joints[0, [0, 3, 6, 9], :2] = [(40, 0), (60, 0), (45, 100), (55, 100)]
    >>> annotated_joints(joints, get_keypoint_set("wepdtof-pose-14"))[0, [6, 9], :2].tolist()
    [[44.0, 110.0], [56.0, 110.0]]
    """
    at = {name: number for number, name in enumerate(keypoint_set.joints)}
    shoulders = [at["right_shoulder"], at["left_shoulder"]]
    hips = [at["right_hip"], at["left_hip"]]
    neck, top = at["neck"], at["head_top"]
    places = keypoints[:, :, :2].astype(np.float64)
    middle = places[:, hips].mean(axis=1)
    trunk = middle - places[:, shoulders].mean(axis=1)
    moved = places.copy()
    moved[:, hips] += HIPS_LOWER * trunk[:, None]
    moved[:, hips] += (HIPS_APART - 1) * (places[:, hips] - middle[:, None])
    moved[:, neck] += NECK_LOWER * trunk
    both = keypoints[:, [neck, top], 2].min(axis=1) > 0
    moved[both, top] -= HEAD_TURNED * (trunk + places[:, top] - places[:, neck])[both]
    usable = keypoints[:, shoulders + hips, 2].min(axis=1) > 0
    labelled = keypoints[:, :, 2:] > 0
    result = keypoints.copy()
    result[:, :, :2] = np.where(usable[:, None, None] & labelled, moved, places)
    return result
