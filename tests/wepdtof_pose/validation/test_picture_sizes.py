"""Labels move along with pictures that were resized or turned; never the size alone."""

import copy
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wepdtof_pose.files import read_json
from wepdtof_pose.validation.picture_sizes import turned
from wepdtof_pose.validation.repaired_copy import write_repaired

NAMES = ["nose", "neck", "left_hand", "right_hand"]
PERSON = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 3}


def repaired(
    tmp_path: Path,
    person: dict[str, Any],
    stated: tuple,
    stored: tuple,
    orientation: int = 1,
    *,
    drop: bool = False,
) -> tuple[dict[str, Any], dict[str, int]]:
    """The content after repair, and what remains; the picture is stored with an orientation."""
    (tmp_path / "in" / "annotations").mkdir(parents=True)
    (tmp_path / "in" / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = BytesIO()
    Image.new("RGB", stored).save(data, "JPEG", exif=exif)
    (tmp_path / "in" / "images" / "a.jpg").write_bytes(data.getvalue())
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": stated[0], "height": stated[1]}],
        "annotations": [{**PERSON, **copy.deepcopy(person)}],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
    }
    (tmp_path / "in" / "annotations" / "a.json").write_text(json.dumps(content))
    record = write_repaired(tmp_path / "in", tmp_path / "out", images=True, drop=drop)
    return read_json(tmp_path / "out" / "annotations" / "a.json"), record["remaining"]


LARGE = {
    "bbox": [40, 20, 100, 160],
    "area": 6400,
    "keypoints": [64, 64, 2, 52, 112, 2, 66, 172, 2, 0, 0, 0],
    "segmentation": [[40, 20, 140, 20, 140, 180]],
    "rotated_box": [90, 100, 60, 150, 30],
}


def test_a_halved_picture(tmp_path: Path) -> None:
    content, remaining = repaired(tmp_path, LARGE, (320, 240), (160, 120))
    assert remaining == {}
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (160, 120)
    person = content["annotations"][0]
    assert person["bbox"] == [20, 10, 50, 80]
    assert person["area"] == 1600
    assert person["keypoints"] == [32, 32, 2, 26, 56, 2, 33, 86, 2, 0, 0, 0]
    assert person["segmentation"] == [[20, 10, 70, 10, 70, 90]]
    assert person["rotated_box"] == [45, 50, 30, 75, 30]


@pytest.mark.parametrize(
    ("person", "stated", "stored"),
    [
        # All labels fit the picture as it is: they may be of it.
        (
            {**LARGE, "bbox": [4, 2, 40, 80], "keypoints": [6, 6, 2, 5, 11, 2, 30, 80, 2, 0, 0, 0]},
            (320, 240),
            (160, 120),
        ),
        (LARGE, (320, 240), (200, 120)),
        ({**LARGE, "segmentation": {"counts": "x", "size": [240, 320]}}, (320, 240), (160, 120)),
        ({**LARGE, "head_box": [60, 30, 20, 20]}, (320, 240), (160, 120)),
        (LARGE, (160, 120), (320, 240)),
    ],
    ids=["unclear", "other shape", "run lengths", "other places", "labels beyond the stated size"],
)
def test_nothing_is_touched(tmp_path: Path, person: dict, stated: tuple, stored: tuple) -> None:
    content, remaining = repaired(tmp_path, person, stated, stored)
    assert (content["images"][0]["width"], content["images"][0]["height"]) == stated
    for key, value in person.items():
        assert content["annotations"][0][key] == value
    assert remaining["image-size"] == 1


@pytest.mark.parametrize("drop", [False, True])
def test_labels_outside_a_size_that_is_wrong_stay(tmp_path: Path, drop: bool) -> None:
    """Width and height exchanged: what lies outside of that size may well lie in the picture."""
    joints = [120.5, 60, 2, 150, 20, 2, 100, 40, 2, 0, 0, 0]
    person = {"bbox": [125, 10, 30, 60], "area": 900, "keypoints": joints}
    content, remaining = repaired(tmp_path, person, (120, 160), (160, 120), drop=drop)
    (kept,) = content["annotations"]
    assert (kept["bbox"], kept["keypoints"]) == (person["bbox"], joints)
    assert remaining["image-size"] == 1


def test_a_size_without_people_is_that_of_the_picture(tmp_path: Path) -> None:
    content, remaining = repaired(tmp_path, {"image_id": 2}, (320, 240), (200, 120))
    assert content["images"][0]["width"] == 200
    assert "image-size" not in remaining


STORED = {
    "bbox": [40, 40, 90, 40],
    "area": 1600,
    "keypoints": [62, 67, 2, 74, 71, 2, 44, 59, 2, 0, 0, 0],
}


def test_labels_of_the_picture_as_stored_are_turned(tmp_path: Path) -> None:
    content, remaining = repaired(tmp_path, STORED, (160, 120), (160, 120), orientation=6)
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (120, 160)
    person = content["annotations"][0]
    assert person["keypoints"] == [52, 62, 2, 48, 74, 2, 60, 44, 2, 0, 0, 0]
    assert person["bbox"] == [40, 40, 40, 90]
    assert person["area"] == 1600
    assert remaining == {"image-orientation": 1}


def test_labels_that_fit_the_picture_as_stored_and_as_shown_stay(tmp_path: Path) -> None:
    """Some exports state the size as stored under labels of the picture as shown."""
    person = {**STORED, "bbox": [40, 40, 80, 40]}
    content, remaining = repaired(tmp_path, person, (160, 120), (160, 120), orientation=6)
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (160, 120)
    assert content["annotations"][0] == {**PERSON, **person}
    assert remaining == {"image-size": 1, "image-orientation": 1}


@pytest.mark.parametrize(("stated", "orientation"), [((120, 160), 6), ((160, 120), 3)])
def test_labels_of_the_picture_as_shown_stay(
    tmp_path: Path, stated: tuple, orientation: int
) -> None:
    person = {**STORED, "bbox": [40, 40, 40, 60]}
    content, remaining = repaired(tmp_path, person, stated, (160, 120), orientation)
    assert content["annotations"][0] == {**PERSON, **person}
    assert remaining["image-orientation"] == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_go_where_pixels_go(orientation: int) -> None:
    from wepdtof_pose.images import turned as turn_pixels

    stored = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    shown = turn_pixels(stored, orientation)
    move = turned(orientation, (shown.shape[1], shown.shape[0]))
    ys, xs = np.mgrid[:3, :4].reshape(2, -1)
    moved = move.points(np.stack([xs, ys], axis=1), centres=True).astype(int)
    np.testing.assert_array_equal(shown[moved[:, 1], moved[:, 0]], stored[ys, xs])
    # A box of one pixel, counted from the corner, covers the same pixel.
    corners = move.points([[2, 1], [3, 2]], centres=False)
    np.testing.assert_allclose(corners.min(axis=0), move.points([[2, 1]], centres=True)[0])
