import numpy as np
import pytest

from sspcm.data.crop_places import crop_places, places_of
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.geometry import boxes_to_center_scale, clip_boxes, transform_points

CROP = (96, 128)
SIZE = np.array([200, 200])


@pytest.mark.parametrize("released", [False, True])
def test_without_upright_places_are_the_published_ones(released):
    boxes = np.array([[10.0, 20.0, 50.0, 80.0], [-5.0, 150.0, 60.0, 90.0]])
    places = crop_places(boxes, SIZE, CROP, released=released)
    center, scale = boxes_to_center_scale(clip_boxes(boxes, SIZE, released=released)[0], CROP)
    np.testing.assert_array_equal(places.center, center)
    np.testing.assert_array_equal(places.scale, scale)
    assert not places.rotation.any()


@pytest.mark.parametrize(
    ("middle", "rotation"),
    [((99.5, 40), 0), ((160, 99.5), 90), ((99.5, 160), 180), ((40, 99.5), -90), ((60, 60), -45)],
    ids=["above", "right", "below", "left", "upper left"],
)
def test_the_image_radius_points_up_in_an_upright_crop(middle, rotation):
    middle = np.array(middle, dtype=float)
    rotated = np.array([[*middle, 20.0, 40.0, rotation]])
    box = np.array([[*(middle - 15), 30.0, 30.0]])
    places = crop_places(box, SIZE, CROP, upright=True, rotated=rotated)
    assert abs((places.rotation[0] - rotation + 180) % 360 - 180) < 1e-6
    outwards = middle + 10 * (middle - 99.5) / np.linalg.norm(middle - 99.5)
    matrix = places.matrices(CROP, CROP)
    points = transform_points(np.array([[middle, outwards]]), matrix)[0]
    np.testing.assert_allclose(points[0], [48, 64], atol=1e-3)
    assert points[1, 0] == pytest.approx(48, abs=1e-3)
    assert points[1, 1] < 64
    # The rotated box stands upright in the crop and, padded by 1.25, fills its height.
    assert places.scale[0, 1] * 200 == pytest.approx(40 * 1.25, rel=1e-5)


@pytest.mark.parametrize("size", [(640, 480), (200, 200), (201, 200)])
def test_a_crop_around_the_image_centre_is_not_turned(size):
    places = crop_places(np.array([[0.0, 0.0, *size]]), np.array(size), CROP, upright=True)
    assert places.rotation.tolist() == [0]


def test_the_head_side_of_a_rotated_box_does_not_matter():
    box = np.array([[20.0, 20.0, 40.0, 40.0]])
    turned = [
        crop_places(box, SIZE, CROP, upright=True, rotated=np.array([[40.0, 40, 20, 40, angle]]))
        for angle in (-45.0, 135.0)
    ]
    np.testing.assert_allclose(turned[0].scale, turned[1].scale, rtol=1e-6)
    np.testing.assert_allclose(turned[0].rotation, turned[1].rotation)


@pytest.mark.parametrize(
    ("up", "angle", "rotation"),
    [
        ("radius", 20.0, 0.0),
        ("box", 20.0, 20.0),
        ("box", -160.0, 20.0),
        ("angle", -160.0, -160.0),
    ],
)
def test_what_points_up(up, angle, rotation):
    """A box above the image centre, turned by 20 degrees; its head is the end away from there."""
    box, turned = np.array([[80.0, 10.0, 40.0, 60.0]]), np.array([[99.5, 40.0, 20.0, 40.0, angle]])
    places = crop_places(box, SIZE, CROP, upright=True, up=up, rotated=turned)
    assert places.rotation[0] == pytest.approx(rotation)
    if up != "radius":
        # Along the box its longer side fills the padded crop exactly.
        assert places.scale[0, 1] * 200 == pytest.approx(40 * 1.25, rel=1e-5)


def test_without_a_rotated_box_the_radius_points_up():
    box = np.array([[20.0, 90.0, 20.0, 20.0]])
    turns = {
        up: crop_places(box, SIZE, CROP, upright=True, up=up).rotation[0]
        for up in ("radius", "box", "angle")
    }
    assert len(set(turns.values())) == 1


def test_an_unknown_direction():
    with pytest.raises(InputError, match="unknown direction 'head'"):
        crop_places(np.zeros((1, 4)), SIZE, CROP, upright=True, up="head")


@pytest.mark.parametrize("axis", [0, 1])
def test_a_box_over_the_near_edge_is_placed_as_its_part_in_the_frame(axis):
    box, part = np.array([50.0, 50.0, 80.0, 80.0]), np.array([50.0, 50.0, 80.0, 80.0])
    box[axis], part[axis], part[2 + axis] = -30, 0, 50
    places, wanted = (crop_places(b[None], SIZE, CROP) for b in (box, part))
    np.testing.assert_array_equal(places.center, wanted.center)
    np.testing.assert_array_equal(places.scale, wanted.scale)
    # The released code moves the whole box into the frame.
    part[2 + axis] = 80
    released = crop_places(box[None], SIZE, CROP, released=True)
    np.testing.assert_array_equal(released.center, crop_places(part[None], SIZE, CROP).center)


@pytest.mark.parametrize("sides", [(np.nan, np.nan), (0, 0), (0, 60), (-40, 60), (40, 1e12)])
def test_a_rotated_box_without_usable_sides_falls_back_to_the_box(sides):
    box = np.array([[80.0, 10.0, 40.0, 60.0]])
    rotated = np.array([[20.0, 90.0, *sides, 30.0]])
    places = crop_places(box, SIZE, CROP, upright=True, rotated=rotated)
    assert places.rotation[0] == pytest.approx(0, abs=1)
    assert places.scale[0, 1] * 200 == pytest.approx(59 * 1.25, rel=0.02)


def test_heads_are_above_feet_in_upright_crops_of_people_below_a_ceiling_camera(tiny_fisheye):
    people = load_dataset(tiny_fisheye)["all"]
    matrices = places_of(people, CROP, upright=True).matrices(CROP, CROP)
    points = transform_points(people.keypoints[..., :2].astype(float), matrices)
    joints = people.keypoint_set.joints
    head = points[:, joints.index("head_top"), 1]
    ankles = points[:, [joints.index("left_ankle"), joints.index("right_ankle")], 1].mean(axis=1)
    assert (head < ankles).mean() > 0.9
