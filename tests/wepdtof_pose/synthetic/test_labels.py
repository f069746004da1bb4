from dataclasses import replace

import cv2
import numpy as np
import pytest

from wepdtof_pose.fisheye.lenses import EquidistantLens
from wepdtof_pose.synthetic.background import render_background
from wepdtof_pose.synthetic.bodies import JOINTS, Pose, pose_body
from wepdtof_pose.synthetic.camera import Camera, look_down
from wepdtof_pose.synthetic.figures import Figure, render_figures
from wepdtof_pose.synthetic.flesh import Build
from wepdtof_pose.synthetic.labels import figure_mask, label_figures, rotated_box
from wepdtof_pose.synthetic.rays import Boxes
from wepdtof_pose.synthetic.rooms import Room, draw_room
from wepdtof_pose.synthetic.wardrobe import paint_person

SIZE = 256
BUILD = Build(stature=1.75, girth=1.0, shoulder_width=1.0, hip_width=1.0)


@pytest.fixture(scope="module")
def room() -> Room:
    room = draw_room(np.random.default_rng(0))
    nothing = Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
    low, high = np.array([-5.0, -5, 0]), np.array([5.0, 5, 3])
    return replace(room, low=low, high=high, boxes=nothing, materials=())


@pytest.fixture(scope="module")
def camera() -> Camera:
    lens = EquidistantLens(127.5, 127.5, 128 / (np.pi / 2))
    return look_down(lens, np.array([0, 0, 2.9]), SIZE)


def figure(x: float, y: float, yaw: float, track: int = 1, **angles: float) -> Figure:
    body = pose_body(BUILD, Pose(**angles), np.array([x, y]), yaw)
    return Figure(body, paint_person(np.random.default_rng(track), BUILD), track)


def label(room: Room, camera: Camera, figures: list[Figure]):
    background = render_background(room, camera, np.random.default_rng(0))
    picture = render_figures(room, camera, background, figures)
    return label_figures(camera, background, figures, picture), picture


def test_camera_sees_a_map_that_is_not_mirrored(camera: Camera) -> None:
    pixels = camera.project(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    np.testing.assert_allclose(pixels[0], [127.5, 127.5], atol=1e-9)
    assert pixels[1, 0] > 140
    assert pixels[1, 1] == pytest.approx(127.5)
    assert pixels[2, 0] == pytest.approx(127.5)
    assert pixels[2, 1] < 115


def test_rays_are_those_of_the_lens(camera: Camera) -> None:
    tilted = look_down(camera.lens, camera.position, SIZE, roll=0.7, tilt=(0.1, -0.05))
    at = np.array([[3, 400], [255, 256], [300, 100]])
    pixels = (at[:, ::-1] + 0.5) / 2 - 0.5
    expected = camera.lens.unproject(pixels) @ tilted.world_to_camera
    found = tilted.directions[:, at[:, 0], at[:, 1]].T
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_facing_image_up_the_left_arm_is_on_the_left(room: Room, camera: Camera) -> None:
    (found,), _ = label(room, camera, [figure(0.0, -1.0, 0.0)])
    for part in ("shoulder", "wrist", "hip", "ankle"):
        left, right = (
            found.keypoints[JOINTS.index(f"{side}_{part}"), 0] for side in ("left", "right")
        )
        assert left < right


def test_box_and_area_are_those_of_the_mask(room: Room, camera: Camera) -> None:
    (found,), picture = label(room, camera, [figure(1.2, 0.8, 2.0)])
    mask, left, top = figure_mask(picture, 0)
    y, x = np.nonzero(mask)
    x, y = x + left, y + top
    assert found.box == (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
    assert found.area == len(x)
    assert found.area == pytest.approx(picture.whole[0], rel=0.1)


@pytest.mark.parametrize("place", [(0.0, 0.1), (1.5, 0.5), (-2.5, 2.0), (0.0, -4.0)])
def test_joints_lie_in_the_box(room: Room, camera: Camera, place: tuple[float, float]) -> None:
    (found,), _ = label(room, camera, [figure(*place, 0.4)])
    x, y, w, h = found.box
    visible = found.keypoints[found.keypoints[:, 2] == 2]
    assert len(visible) >= 2
    assert (visible[:, 0] > x - 2).all()
    assert (visible[:, 0] < x + w + 1).all()
    assert (visible[:, 1] > y - 2).all()
    assert (visible[:, 1] < y + h + 1).all()


def test_behind_a_box_legs_are_hidden_and_the_head_is_not(room: Room, camera: Camera) -> None:
    wall = Boxes(np.array([[0.0, 1.4, 0.5]]), np.array([[1.0, 0.05, 0.5]]), np.zeros(1))
    wood = np.full((2, 2, 3), 0.5, np.float32)
    blocked = replace(room, boxes=wall, materials=(wood,))
    person = figure(0.0, 2.0, np.pi)
    (free,), _ = label(room, camera, [person])
    (behind,), _ = label(blocked, camera, [person])
    ankles = [JOINTS.index("left_ankle"), JOINTS.index("right_ankle")]
    head = JOINTS.index("head_top")
    assert free.keypoints[ankles, 2].tolist() == [2, 2]
    assert behind.keypoints[ankles, 2].tolist() == [1, 1]
    assert behind.keypoints[head, 2] == free.keypoints[head, 2] == 2
    np.testing.assert_array_equal(behind.keypoints[:, :2], free.keypoints[:, :2])
    assert behind.area < 0.95 * free.area


def test_another_person_hides_joints(room: Room, camera: Camera) -> None:
    front, back = figure(0.0, 1.5, np.pi, 1), figure(0.0, 2.1, np.pi, 2)
    (_, alone), _ = label(room, camera, [figure(3.0, -2, 0.0, 3), back])
    (near, far), _ = label(room, camera, [front, back])
    assert (far.keypoints[:, 2] == 2).sum() < (alone.keypoints[:, 2] == 2).sum()
    assert (near.keypoints[:, 2] == 2).sum() >= 8


def test_the_own_body_hides_the_arm_behind_it(room: Room, camera: Camera) -> None:
    (found,), _ = label(room, camera, [figure(0.0, 2.5, np.pi / 2)])
    # Facing -x and seen from -y: the left side is turned to the camera.
    near, far = JOINTS.index("left_elbow"), JOINTS.index("right_elbow")
    assert found.keypoints[near, 2] == 2
    assert found.keypoints[far, 2] == 1


def test_straight_under_the_camera_the_head_hides_the_neck(room: Room, camera: Camera) -> None:
    (found,), _ = label(room, camera, [figure(0.0, 0.0, 0.0)])
    visibility = dict(zip(JOINTS, found.keypoints[:, 2], strict=True))
    assert visibility["head_top"] == 2
    assert visibility["left_shoulder"] == visibility["right_shoulder"] == 2
    assert visibility["neck"] == 1
    assert visibility["left_knee"] == 1


def test_people_out_of_sight_get_no_label(room: Room, camera: Camera) -> None:
    hidden = Boxes(np.array([[0.0, 1.5, 1.0]]), np.array([[1.5, 0.05, 1.0]]), np.zeros(1))
    wood = np.full((2, 2, 3), 0.5, np.float32)
    found, _ = label(
        replace(room, boxes=hidden, materials=(wood,)), camera, [figure(0.0, 2.2, 0.0)]
    )
    assert found == [None]


@pytest.mark.parametrize("angle", [-80.0, -30.0, 0.0, 45.0, 90.0])
def test_rotated_box_of_a_rectangle(angle: float) -> None:
    turn = np.deg2rad(angle)
    up, across = np.array([np.sin(turn), -np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
    middle = np.array([300.0, 300.0])
    corners = [
        middle + a * 20 * across + b * 60 * up for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    mask = cv2.fillPoly(np.zeros((600, 600), np.uint8), [np.rint(corners).astype(np.int32)], 1)
    y, x = np.nonzero(mask)
    # The lens centre lies on the long axis, or on the mask itself.
    for centre in (tuple(middle - 200 * up), tuple(middle)):
        cx, cy, w, h, found = rotated_box(np.stack([x, y], axis=-1), centre)
        np.testing.assert_allclose([cx, cy], middle, atol=1)
        np.testing.assert_allclose([w, h], [41, 121], atol=2.5)
        assert abs((found - angle + 90) % 180 - 90) < 2
        assert -90 <= found <= 90
