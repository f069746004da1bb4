import numpy as np
import pytest

from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.pictures import annotators

SET = get_keypoint_set("wepdtof-pose-14")
INDEX = {name: joint for joint, name in enumerate(SET.joints)}


def canvas() -> np.ndarray:
    return np.full((200, 200, 3), 128, dtype=np.uint8)


def draw(*joints: tuple[str, float, float, int], width: float = 4) -> np.ndarray:
    pose = np.zeros((len(SET), 3))
    for name, x, y, visibility in joints:
        pose[INDEX[name]] = x, y, visibility
    image = canvas()
    annotators.draw_skeleton(image, pose, SET, width=width)
    return image


@pytest.mark.parametrize(
    ("joint", "color"),
    [("right_knee", annotators.RIGHT), ("left_knee", annotators.LEFT), ("neck", annotators.MIDDLE)],
)
def test_a_visible_joint_is_a_disc_of_its_side(joint: str, color: tuple) -> None:
    image = draw((joint, 50, 80, 2))
    assert image[80, 50].tolist() == list(color)
    assert (image[:, :, 0] != 128).sum() > 50


def test_a_hidden_joint_is_a_ring() -> None:
    image = draw(("right_knee", 50, 80, 1))
    assert image[80, 50].tolist() == list(annotators.OUTLINE)
    assert image[80, 50 + 7].tolist() == list(annotators.RIGHT)


def test_joints_that_are_not_labelled_draw_nothing() -> None:
    np.testing.assert_array_equal(draw(("neck", 50, 80, 0), ("head_top", 80, 80, 0)), canvas())


@pytest.mark.parametrize(
    ("a", "b", "color"),
    [
        ("right_hip", "right_knee", annotators.RIGHT),
        ("left_hip", "left_knee", annotators.LEFT),
        ("neck", "left_shoulder", annotators.LEFT),
        ("right_hip", "left_hip", annotators.MIDDLE),
        ("head_top", "neck", annotators.MIDDLE),
    ],
)
def test_limbs_have_the_colour_of_their_side(a: str, b: str, color: tuple) -> None:
    image = draw((a, 30, 100, 2), (b, 170, 100, 2))
    assert image[100, 100].tolist() == list(color)


def test_limbs_of_hidden_joints_are_dashed() -> None:
    whole = draw(("right_hip", 30, 100, 2), ("right_knee", 170, 100, 2))
    dashed = draw(("right_hip", 30, 100, 2), ("right_knee", 170, 100, 1))
    inked = [
        (image[100, 45:155] == annotators.RIGHT).all(axis=1).mean() for image in (whole, dashed)
    ]
    assert inked[0] == 1
    assert 0.3 < inked[1] < 0.75


def test_mirrored_pose_mirrors_the_drawing_up_to_its_colours() -> None:
    rng = np.random.default_rng(0)
    pose = np.concatenate([rng.uniform(30, 170, (len(SET), 2)), np.full((len(SET), 1), 2)], axis=1)
    mirrored = pose[SET.flip_permutation]
    mirrored[:, 0] = 199 - mirrored[:, 0]
    images = canvas(), canvas()
    for image, each in zip(images, (pose, mirrored), strict=True):
        annotators.draw_skeleton(image, each, SET, width=3)
    inked = [(image != 128).any(axis=2) for image in images]
    assert (inked[0] != inked[1][:, ::-1]).mean() < 0.01


@pytest.mark.parametrize("far", [1e5, 1e12, -1e12, np.float32(3e38)])
def test_points_far_outside_do_no_harm(far: float) -> None:
    image = draw(("right_hip", 100, 100, 2), ("right_knee", far, 100, 2))
    assert image[100, 100].tolist() == list(annotators.RIGHT)


def test_box_and_upright_rotated_box_cover_the_same_pixels() -> None:
    images = canvas(), canvas()
    annotators.draw_box(images[0], np.array([40, 50, 60, 80]), width=2)
    annotators.draw_rotated_box(
        images[1], np.array([70, 90, 60, 80, 0]), width=2, color=annotators.BOX
    )
    difference = (images[0] != images[1]).any(axis=2)
    # The tick at the head is all that differs.
    assert difference[:, :65].sum() == difference[:, 76:].sum() == 0
    assert difference[30:50, 66:75].any()
    assert (images[0][90, 40] == annotators.BOX).all()


@pytest.mark.parametrize("point", [(0, 0), (300, -50), (100, 100), (-30, 500)])
def test_labels_stay_in_the_image(point: tuple) -> None:
    image = canvas()
    annotators.draw_label(image, "17", np.array(point), size=10)
    assert (image == annotators.OUTLINE).all(axis=2).sum() > 150


def test_captions_fit_under_narrow_pictures() -> None:
    picture = np.zeros((40, 60, 3), dtype=np.uint8)
    captioned = annotators.with_caption(picture, "a caption far too long for it", size=12)
    assert captioned.shape == (40 + 26, 60, 3)
    assert (captioned[40:, -3:] == 255).all()
    assert captioned[40:].min() < 200


def test_grid() -> None:
    cells = [np.full((10, 8, 3), value, dtype=np.uint8) for value in (1, 2, 3)]
    page = annotators.grid(cells, columns=2, gap=2)
    assert page.shape == (2 * 12 + 2, 2 * 10 + 2, 3)
    assert page[2, 2, 0] == 1
    assert page[11, 19, 0] == 2
    assert page[14, 2, 0] == 3
    assert page[14, 12, 0] == 255
    assert annotators.grid(cells[:1], columns=6, gap=2).shape == (14, 12, 3)


def test_sizes_grow_with_the_picture() -> None:
    assert annotators.line_width(1500, 3000) == 10
    assert annotators.line_width(60, 20) == 1
