import numpy as np
import pytest

from wepdtof_pose.geometry import (
    boxes_to_center_scale,
    clip_boxes,
    crop_matrices,
    invert_affine,
    joint_extents,
    rotated_box_corners,
    transform_points,
)


@pytest.mark.parametrize(
    ("box", "clipped", "kept"),
    [
        ((10, 20, 30, 40), (10, 20, 29, 39), True),
        ((-10, 20, 30, 40), (0, 20, 19, 39), True),
        ((80, 20, 30, 40), (80, 20, 19, 39), True),
        ((99, 20, 30, 40), (99, 20, 0, 39), False),
        ((98, 20, 30, 40), (98, 20, 1, 39), True),
        ((10, 20, 1, 40), (10, 20, 0, 39), False),
        ((10, 20, 2, 2), (10, 20, 1, 1), True),
        ((120, 20, 5, 5), (120, 20, -21, 4), False),
        ((-500, -500, 50, 80), (0, 0, -451, -421), False),
    ],
    ids=[
        "inside",
        "left",
        "right",
        "at last pixel",
        "one pixel",
        "thin",
        "smallest",
        "outside",
        "outside at the upper left",
    ],
)
def test_clip(box: tuple, clipped: tuple, kept: bool) -> None:
    boxes, mask = clip_boxes(np.array([box]), np.array([100, 80]))
    np.testing.assert_array_equal(boxes, [clipped])
    assert mask.tolist() == [kept]


def test_the_released_code_moves_boxes_into_the_frame() -> None:
    boxes = np.array([[-10, 20, 30, 40], [-500, -500, 50, 80]])
    clipped, mask = clip_boxes(boxes, np.array([100, 80]), released=True)
    np.testing.assert_array_equal(clipped, [[0, 20, 29, 39], [0, 0, 49, 79]])
    assert mask.tolist() == [True, True]


@pytest.mark.parametrize(
    ("box", "sides"),
    [((0, 0, 30, 80), (60, 80)), ((0, 0, 90, 80), (90, 120)), ((0, 0, 60, 80), (60, 80))],
)
def test_shorter_side_grows_to_the_aspect_of_the_crop(box: tuple, sides: tuple) -> None:
    center, scale = boxes_to_center_scale(np.array([box]), (192, 256))
    np.testing.assert_allclose(scale[0] * 200 / 1.25, sides, rtol=1e-6)
    np.testing.assert_array_equal(center[0], [box[2] / 2, box[3] / 2])


def test_extents_are_those_of_the_labelled_joints() -> None:
    random = np.random.default_rng(0)
    keypoints = random.uniform(-50, 500, (40, 14, 3)).astype(np.float32)
    keypoints[..., 2] = random.integers(0, 3, (40, 14))
    keypoints[:2, :, 2] = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
    keypoints[2, :, 2] = 0
    for box, person in zip(joint_extents(keypoints), keypoints, strict=True):
        points = person[person[:, 2] > 0, :2].astype(np.float64)
        near, far = (points.min(axis=0), points.max(axis=0)) if len(points) else np.zeros((2, 2))
        assert box.tolist() == [*near, *(far - near)]


def test_extents_of_nobody_and_of_no_joints() -> None:
    assert joint_extents(np.zeros((0, 14, 3))).shape == (0, 4)
    assert joint_extents(np.zeros((2, 0, 3))).tolist() == [[0, 0, 0, 0]] * 2


def test_a_crop_of_its_own_size_is_a_shift() -> None:
    matrix = crop_matrices(np.array([[50, 40]]), np.array([[0.5, 0.4]]), np.zeros(1), (100, 80))
    np.testing.assert_allclose(matrix[0], [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_center_goes_to_the_middle_and_a_quarter_turn_is_exact() -> None:
    center = np.array([[30.0, 20.0]])
    matrix = crop_matrices(center, np.array([[0.5, 0.5]]), np.array([90.0]), (200, 100))
    points = transform_points(np.array([[[30.0, 20.0], [31.0, 20.0]]]), matrix)
    np.testing.assert_allclose(points[0], [[100, 50], [100, 48]], atol=1e-12)


def test_to_the_crop_and_back_is_identity() -> None:
    rng = np.random.default_rng(0)
    matrices = crop_matrices(
        rng.uniform(0, 500, (8, 2)),
        rng.uniform(0.2, 4, (8, 2)),
        rng.uniform(-180, 180, 8),
        (192, 256),
    )
    points = rng.uniform(-50, 550, (8, 14, 2))
    back = transform_points(transform_points(points, matrices), invert_affine(matrices))
    np.testing.assert_allclose(back, points, atol=1e-9)


@pytest.mark.parametrize(
    ("angle", "first"),
    [(0, (8, 30)), (90, (20, 38)), (-90, (0, 42)), (180, (12, 50))],
    ids=["up", "head right", "head left", "down"],
)
def test_rotated_box_corners(angle: float, first: tuple) -> None:
    corners = rotated_box_corners(np.array([10.0, 40.0, 4.0, 20.0, angle]))
    np.testing.assert_allclose(corners[0], first, atol=1e-12)
    np.testing.assert_allclose(corners.mean(axis=0), [10, 40], atol=1e-12)
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    np.testing.assert_allclose(sides, [4, 20, 4, 20], atol=1e-12)
