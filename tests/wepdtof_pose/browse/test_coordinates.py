"""Pixels to FiftyOne's relative coordinates and back."""

import numpy as np
import pytest

from wepdtof_pose.browse.coordinates import (
    changed_box,
    changed_keypoints,
    changed_rotated_box,
    relative_boxes,
    relative_corners,
    relative_points,
)

SIZE = np.array([200.0, 100.0])
KEYPOINTS = np.array([[20.0, 10.0, 2], [0.1, 99.7, 1], [7.0, 8.0, 0], [0.0, 0.0, 0]])


def points_of(keypoints: np.ndarray) -> np.ndarray:
    return relative_points(keypoints[None], SIZE[None])[0]


def test_relative_points_are_shares_of_the_frame_and_nan_where_not_labelled() -> None:
    expected = [[0.1, 0.1], [0.1 / 200, 0.997], [np.nan, np.nan], [np.nan, np.nan]]
    np.testing.assert_array_equal(points_of(KEYPOINTS), expected)


def test_untouched_keypoints_keep_every_number() -> None:
    now = changed_keypoints(KEYPOINTS, points_of(KEYPOINTS), KEYPOINTS[:, 2], SIZE)
    np.testing.assert_array_equal(now, KEYPOINTS)


@pytest.mark.parametrize(
    ("joint", "point", "visibility", "expected"),
    [
        (0, [0.5, 0.5], 2, [100, 50, 2]),  # moved
        (0, [0.1, 0.1], 1, [20, 10, 1]),  # now hidden, at the same place
        (1, [np.nan, np.nan], 1, [0, 0, 0]),  # deleted
        (2, [0.25, 0.5], 0, [50, 50, 2]),  # added: visible unless it says otherwise
        (3, [0.25, 0.5], 1, [50, 50, 1]),  # added as hidden
        (0, [1 / 3, 1 / 3], 2, [66.667, 33.333, 2]),  # written with three decimals
    ],
)
def test_one_joint_changed(
    joint: int, point: list[float], visibility: int, expected: list[float]
) -> None:
    points, visibilities = points_of(KEYPOINTS), KEYPOINTS[:, 2].copy()
    points[joint], visibilities[joint] = point, visibility
    now = changed_keypoints(KEYPOINTS, points, visibilities, SIZE)
    others = np.arange(len(KEYPOINTS)) != joint
    np.testing.assert_array_equal(now[joint], expected)
    np.testing.assert_array_equal(now[others], KEYPOINTS[others])


def test_boxes() -> None:
    box = np.array([10.123456789, 20.0, 30.0, 1e-9])
    relative = relative_boxes(box[None], SIZE[None])[0]
    assert changed_box(box, relative, SIZE) is box
    np.testing.assert_array_equal(changed_box(box, np.full(4, 0.5), SIZE), [100, 50, 100, 50])


@pytest.mark.parametrize("angle", [-90.0, -30.0, 0.0, 45.0, 90.0])
def test_rotated_boxes(angle: float) -> None:
    box, other = np.array([90.0, 50, 20, 40, angle]), np.array([10.0, 10, 5, 6, 7])
    corners = relative_corners(box[None], SIZE[None])[0]
    assert changed_rotated_box(box, corners, SIZE) is box
    np.testing.assert_allclose(changed_rotated_box(other, corners, SIZE), box, atol=1e-9)
