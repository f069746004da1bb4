"""Invariants of fisheye geometry, over random lenses, boxes and points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wepdtof_pose.errors import InputError
from wepdtof_pose.fisheye.lenses import EquidistantLens, KannalaBrandtLens, Lens
from wepdtof_pose.fisheye.people import (
    angle_difference,
    assumed_lens,
    body_angle,
    head_outwards,
    lens_of_image,
    person_view,
    radial_angle,
    upright_crop,
    upright_matrix,
)
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import get_keypoint_set

numbers = st.floats(-1, 1, allow_nan=False)


@st.composite
def lenses(draw: st.DrawFn) -> Lens:
    cx, cy = 500 + 50 * draw(numbers), 480 + 50 * draw(numbers)
    focal, view = 300 + 80 * draw(numbers), 1.5 + 0.1 * draw(numbers)
    if draw(st.booleans()):
        return EquidistantLens(cx, cy, focal, view)
    k = [draw(numbers) * size for size in (0.03, 0.008, 0.0015, 0.0002)]
    return KannalaBrandtLens(cx, cy, focal, *k, view)


@st.composite
def boxes(draw: st.DrawFn) -> list[float]:
    w, h = 60 + 40 * draw(numbers), 120 + 60 * draw(numbers)
    return [500 + 250 * draw(numbers), 480 + 250 * draw(numbers), w, h, 180 * draw(numbers)]


@settings(max_examples=100, deadline=None)
@given(lenses(), st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_project_then_unproject(lens: Lens, draws: list) -> None:
    angles = np.array(draws)
    theta, phi = (angles[:, 0] + 1) / 2 * lens.max_angle, np.pi * angles[:, 1]
    sin = np.sin(theta)
    rays = np.stack([sin * np.cos(phi), sin * np.sin(phi), np.cos(theta)], axis=1)
    np.testing.assert_allclose(lens.unproject(lens.project(rays)), rays, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(lenses(), boxes())
def test_view_and_back(lens: Lens, box: list) -> None:
    view = person_view(lens, box, (192, 256), outwards=False)
    pixels = np.random.default_rng(0).uniform(0, 190, (50, 2))
    np.testing.assert_allclose(view.to_view(view.to_image(pixels)), pixels, atol=1e-6)
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view.rotation) == pytest.approx(1)  # no mirror image
    # All of the box is in sight, its middle in the middle, its head side above.
    corners = view.to_view(rotated_box_corners(box))
    assert (corners >= -0.5).all()
    assert (corners <= [191.5, 255.5]).all()
    np.testing.assert_allclose(view.to_view(box[:2]), [95.5, 127.5], atol=1e-6)
    assert corners[:2, 1].mean() < corners[2:, 1].mean()


@settings(max_examples=100, deadline=None)
@given(boxes())
def test_heads_point_outwards(box: list) -> None:
    center = np.array([500.0, 480.0])
    turned = head_outwards(box, center)
    assert abs(angle_difference(np.deg2rad(turned[4]), radial_angle(box[:2], center))) <= 1.5708
    before, after = rotated_box_corners(box), rotated_box_corners(turned)
    same = np.allclose(after, before) or np.allclose(after, np.roll(before, 2, axis=0))
    assert same
    np.testing.assert_array_equal(head_outwards([turned, turned], center)[1], turned)


@settings(max_examples=100, deadline=None)
@given(boxes())
def test_upright_crop_holds_the_box(box: list) -> None:
    matrix = upright_matrix(box, (96, 128), padding=1.25)
    polygon = rotated_box_corners(box)
    crop = polygon @ matrix[:, :2].T + matrix[:, 2]
    sides = np.ptp(crop, axis=0)
    np.testing.assert_allclose(sides[0] / sides[1], box[2] / box[3])
    np.testing.assert_allclose((sides * 1.25 / (96, 128)).max(), 1)
    assert crop[0, 0] < crop[1, 0]  # not mirrored
    assert crop[0, 1] < crop[2, 1]  # head up


@settings(max_examples=100, deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20))
def test_angle_difference(first: float, second: float) -> None:
    difference = angle_difference(first, second)
    assert -np.pi <= difference < np.pi
    assert np.cos(difference) == pytest.approx(np.cos(first - second), abs=1e-9)


@pytest.mark.parametrize(
    ("point", "degrees"), [((50, 0), 0), ((100, 50), 90), ((50, 100), 180), ((0, 50), -90)]
)
def test_radial_angle_is_clockwise_from_up(point: tuple, degrees: float) -> None:
    assert np.rad2deg(radial_angle(point, (50, 50))) == pytest.approx(degrees)


def test_body_angle() -> None:
    joints = get_keypoint_set("wepdtof-pose-14").joints
    poses = np.zeros((3, 14, 3))
    for name, x, y in [("right_hip", 40, 90), ("left_hip", 60, 90), ("neck", 50, 20)]:
        poses[:, joints.index(name)] = x, y, 2
    poses[1, :, :2] = poses[1, :, 1::-1] * (1, 1)  # x and y exchanged: points to the left
    poses[2, joints.index("neck"), 2] = 0
    angles = np.rad2deg(body_angle(poses, joints))
    np.testing.assert_allclose(angles, [0, -90, np.nan], atol=1e-9)


def test_a_straight_pole_is_straight_in_the_view() -> None:
    lens = EquidistantLens(255.5, 255.5, 160.0)
    pole = np.stack([np.full(9, 2.0), np.full(9, 1.0), np.linspace(1.0, 2.6, 9)], axis=1)
    pixels = lens.project(pole)
    near, far = pixels.min(axis=0) - 4, pixels.max(axis=0) + 4
    view = person_view(lens, [*near, *(far - near)], (96, 128))
    seen = view.to_view(pixels)
    line = np.polyfit(seen[:, 1], seen[:, 0], 1)
    np.testing.assert_allclose(np.polyval(line, seen[:, 1]), seen[:, 0], atol=1e-6)
    assert seen[0, 1] < seen[-1, 1]  # the end near the ceiling is up


def test_upright_crop_of_a_turned_patch() -> None:
    image = np.zeros((90, 90, 3), dtype=np.uint8)
    image[40:50, 60:70] = 255  # to the right: the head of a box that lies along +x
    crop = upright_crop(image, [50, 45, 20, 40, 90], (40, 80))
    assert crop[5:15, 15:25].mean() > 200
    assert crop[45:].max() == 0


@pytest.mark.parametrize(
    "fields",
    [{"model": "pinhole"}, {"model": "equidistant", "cx": 1}, {"model": "equidistant", "cx": "a"}],
)
def test_unusable_fields(fields: dict) -> None:
    with pytest.raises(InputError, match="fisheye"):
        lens_of_image(fields)


def test_assumed_lens_and_impossible_boxes() -> None:
    lens = assumed_lens(200, 100)
    assert (lens.cx, lens.cy, lens.radius) == (99.5, 49.5, pytest.approx(50))
    with pytest.raises(InputError, match="empty"):
        person_view(lens, [5, 5, 0, 0], (10, 10))
    with pytest.raises(InputError, match="too large"):
        person_view(lens, [0, 0, 200, 100], (10, 10))
    with pytest.raises(InputError, match="empty"):
        upright_matrix([5, 5, 0, 3, 0], (10, 10))
