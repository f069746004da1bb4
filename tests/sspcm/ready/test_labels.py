from pathlib import Path

import numpy as np

from sspcm.ready import labels
from wepdtof_pose.formats import coco
from wepdtof_pose.keypoints import get_keypoint_set

JOINTS = get_keypoint_set("wepdtof-pose-14")
PLACES = {
    "right_shoulder": (40, 20),
    "left_shoulder": (60, 20),
    "right_hip": (45, 120),
    "left_hip": (55, 120),
    "neck": (50, 10),
    "head_top": (80, -10),
}
"""Of somebody who stands upright and bends the head; the trunk is (0, 100)."""


def somebody(*, unlabelled: tuple[str, ...] = ()) -> np.ndarray:
    joints = np.full((1, 14, 3), 2, dtype=np.float32)
    for name, place in PLACES.items():
        joints[0, JOINTS.joints.index(name), :2] = place
    for name in unlabelled:
        joints[0, JOINTS.joints.index(name)] = 0
    return joints


def place(joints: np.ndarray, name: str) -> list[float]:
    return joints[0, JOINTS.joints.index(name), :2].tolist()


def test_boxes_along_bodies_keep_everything_else(office: Path) -> None:
    before, after = coco.read(office), coco.read(labels.along_bodies(office))
    np.testing.assert_array_equal(before.keypoints, after.keypoints)
    assert (after.people["rotated_w"] <= after.people["rotated_h"]).all()
    assert after.people["rotated_angle"].abs().max() <= 90
    assert not np.allclose(before.people["rotated_angle"], after.people["rotated_angle"])


def test_everybody_has_two_boxes(office: Path) -> None:
    drawn, along = coco.read(office), coco.read(labels.along_bodies(office))
    twice = coco.read(labels.in_two_boxes(office))
    people = len(drawn.people)
    assert len(twice.people) == 2 * people
    assert twice.people["id"].is_unique
    np.testing.assert_array_equal(twice.keypoints[:people], twice.keypoints[people:])
    np.testing.assert_array_equal(twice.rotated_boxes[:people], along.rotated_boxes)
    np.testing.assert_array_equal(twice.rotated_boxes[people:], drawn.rotated_boxes)


def test_joints_are_moved_to_where_annotators_set_them() -> None:
    before = somebody()
    after = labels.annotated_joints(before, JOINTS)
    assert place(after, "right_hip") == [44, 130]
    assert place(after, "left_hip") == [56, 130]
    assert place(after, "neck") == [50, 15]
    # 0.7 of the way from the neck as drawn, and 0.3 of the trunk upwards.
    np.testing.assert_allclose(place(after, "head_top"), [71, -34])
    moved = {"right_hip", "left_hip", "neck", "head_top"}
    others = [number for number, name in enumerate(JOINTS.joints) if name not in moved]
    np.testing.assert_array_equal(after[:, others], before[:, others])
    np.testing.assert_array_equal(after[:, :, 2], before[:, :, 2])
    assert place(before, "right_hip") == [45, 120]


def test_what_is_unlabelled_stays_so_and_moves_nothing() -> None:
    for name in ("left_hip", "right_shoulder"):
        before = somebody(unlabelled=(name,))
        np.testing.assert_array_equal(labels.annotated_joints(before, JOINTS), before)
    after = labels.annotated_joints(somebody(unlabelled=("neck",)), JOINTS)
    assert place(after, "neck") == [0, 0]
    assert place(after, "head_top") == [80, -10]
    assert place(after, "left_hip") == [56, 130]


def test_the_file_with_moved_joints_keeps_everything_else(office: Path) -> None:
    before, after = coco.read(office), coco.read(labels.as_annotated(office))
    expected = labels.annotated_joints(before.keypoints, before.keypoint_set)
    np.testing.assert_allclose(after.keypoints, expected, atol=1e-4)
    assert not np.array_equal(after.keypoints, before.keypoints)
    np.testing.assert_array_equal(after.rotated_boxes, before.rotated_boxes)
    np.testing.assert_array_equal(after.people["area"], before.people["area"])
