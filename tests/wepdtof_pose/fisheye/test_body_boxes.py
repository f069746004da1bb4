import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.fisheye.body_boxes import PADDING, body_boxes
from wepdtof_pose.keypoints import get_keypoint_set

SET = get_keypoint_set("wepdtof-pose-14")


def standing(angle: float) -> np.ndarray:
    """A person 100 long and 40 wide around (200, 300), turned clockwise from up by degrees."""
    joints = np.zeros((14, 3))
    places = {
        "head_top": (0, -50),
        "neck": (0, -36),
        "right_hip": (10, 0),
        "left_hip": (-10, 0),
        "right_wrist": (20, 0),
        "left_wrist": (-20, 0),
        "right_ankle": (8, 50),
        "left_ankle": (-8, 50),
    }
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for name, place in places.items():
        joints[SET.joints.index(name)] = (*(matrix @ place + [200, 300]), 2)
    return joints


@pytest.mark.parametrize("angle", [0, 35, 90, 179, -120])
def test_box_turns_with_the_body(angle: float) -> None:
    cx, cy, w, h, found = body_boxes(standing(angle)[None], SET)[0]
    points = standing(angle)
    seen = points[points[:, 2] > 0]
    pad = PADDING * np.sqrt(np.ptp(seen[:, 0]) * np.ptp(seen[:, 1]))
    assert (cx, cy) == pytest.approx((200, 300))
    assert (w, h) == pytest.approx((40 + 2 * pad, 100 + 2 * pad))
    assert -90 <= found < 90
    assert (found - angle + 90) % 180 - 90 == pytest.approx(0, abs=1e-6)


def test_limbs_turn_the_box_unless_it_is_to_run_along_the_spine() -> None:
    joints = np.zeros((14, 3))
    places = {
        "head_top": (0, -20),
        "neck": (0, -15),
        "left_hip": (0, 0),
        "left_ankle": (80, -80),
        "left_wrist": (-80, 80),
    }
    for name, place in places.items():
        joints[SET.joints.index(name)] = (*place, 2)
    longest, spine = (body_boxes(joints[None], SET, axis=axis)[0] for axis in ("longest", "spine"))
    assert longest[4] == pytest.approx(45, abs=5)
    assert spine[4] % 90 == pytest.approx(0, abs=1e-6)
    assert longest[2] * longest[3] < spine[2] * spine[3] / 2


def test_a_spine_without_hips_begins_in_the_middle_of_all_joints() -> None:
    joints = standing(90)
    for side in ("left", "right"):
        joints[SET.joints.index(f"{side}_hip"), 2] = 0
    assert abs(body_boxes(joints[None], SET, axis="spine")[0, 4]) == pytest.approx(90)


def test_unknown_axis_is_refused() -> None:
    with pytest.raises(InputError, match="unknown axis 'head': choose one of longest, spine"):
        body_boxes(standing(0)[None], SET, axis="head")  # type: ignore[arg-type]


def test_without_a_direction_there_is_no_box() -> None:
    nobody = np.zeros((14, 3))
    legs = standing(0)
    for name in ("head_top", "neck"):
        legs[SET.joints.index(name), 2] = 0
    point = np.zeros((14, 3))
    point[:, 2] = 2
    people = np.stack([nobody, legs, point])
    assert np.isnan(body_boxes(people, SET, axis="spine")).all()
    assert np.isnan(body_boxes(people, SET)).any(axis=1).tolist() == [True, False, True]
