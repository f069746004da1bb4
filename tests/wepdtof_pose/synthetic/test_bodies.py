import numpy as np
import pytest

from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.synthetic.bodies import JOINTS, Pose, pose_body
from wepdtof_pose.synthetic.flesh import Build, draw_build
from wepdtof_pose.synthetic.gestures import ARMS, LOW, REACHES, SEATED

BUILD = Build(stature=1.75, girth=1.0, shoulder_width=1.0, hip_width=1.0)


def joint(body, name: str) -> np.ndarray:
    return body.joints[JOINTS.index(name)]


@pytest.mark.parametrize("yaw", [0.0, 1.0, -2.5])
def test_left_is_left_of_the_facing_direction(yaw: float) -> None:
    body = pose_body(BUILD, Pose(), np.array([1.0, -2.0]), yaw)
    forward, left = np.array([-np.sin(yaw), np.cos(yaw)]), np.array([-np.cos(yaw), -np.sin(yaw)])
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        across = (joint(body, f"left_{part}") - joint(body, f"right_{part}"))[:2]
        assert across @ left > 0.08
        assert abs(across @ forward) < 0.05


def test_arms_and_knees_bend_forward() -> None:
    pose = Pose(raise_right=1.2, elbow_left=1.5, hip_right=1.0, knee_right=1.5)
    body = pose_body(BUILD, pose, np.zeros(2), 0.0)
    assert joint(body, "right_elbow")[1] > joint(body, "right_shoulder")[1] + 0.2
    assert joint(body, "left_wrist")[1] > joint(body, "left_elbow")[1] + 0.15
    assert joint(body, "right_knee")[1] > joint(body, "right_hip")[1] + 0.2
    assert joint(body, "right_ankle")[1] < joint(body, "right_knee")[1] - 0.1


def test_standing_body_has_its_stature_and_stands_on_the_floor() -> None:
    body = pose_body(BUILD, Pose(lean=0.0, nod=0.0), np.zeros(2), 0.3)
    assert joint(body, "head_top")[2] == pytest.approx(1.75, abs=0.06)
    assert 0.03 < joint(body, "left_ankle")[2] < 0.12


@pytest.mark.parametrize("name", [*ARMS, *REACHES, *LOW])
def test_no_pose_sinks_into_the_floor(name: str) -> None:
    pose = Pose(**{**ARMS, **REACHES, **LOW}[name])
    body = pose_body(BUILD, pose, np.array([2.0, 1.0]), 0.7)
    assert body.joints[:, 2].min() > 0.02
    ankles = [joint(body, f"{side}_ankle")[:2] for side in ("left", "right")]
    np.testing.assert_allclose(np.mean(ankles, axis=0), [2.0, 1.0], atol=1e-9)


@pytest.mark.parametrize("name", SEATED)
def test_seated_feet_reach_the_floor(name: str) -> None:
    pose = Pose(**SEATED[name], knee_right=np.pi / 2, knee_left=np.pi / 2)
    body = pose_body(BUILD, pose, np.zeros(2), 0.0, seat=0.45)
    assert 0.45 < joint(body, "right_hip")[2] < 0.65
    for side in ("left", "right"):
        assert 0.02 < joint(body, f"{side}_ankle")[2] < 0.15


def test_every_part_is_a_proper_round_cone() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        cones = pose_body(draw_build(rng), Pose(), np.zeros(2), 0.0).cones
        assert (np.abs(cones.r0 - cones.r1) < cones.height).all()
        assert np.isfinite(cones.to_local).all()
        assert (np.linalg.det(cones.to_local) > 0).all()


def test_joints_are_those_of_the_keypoint_set() -> None:
    assert get_keypoint_set("wepdtof-pose-14").joints == JOINTS
