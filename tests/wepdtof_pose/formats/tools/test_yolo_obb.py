from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.layout import TWICE
from wepdtof_pose.formats.tools import yolo_obb
from wepdtof_pose.geometry import rotated_box_corners

BOX = np.array([80.0, 40, 20, 60, 30])


def line(box: np.ndarray = BOX, *, first: int = 0, number: int = 0) -> str:
    """The corners of a rotated box in an image of 200 x 80, from the corner `first` on."""
    corners = np.roll(rotated_box_corners(box), -first, axis=0) / [200, 80]
    return f"{number} " + " ".join(f"{value:.6f}" for value in corners.ravel())


def write(folder: Path, *lines: str, names: str = "{0: person, 1: chair}") -> Path:
    for kind in ("images", "labels"):
        (folder / kind / "train").mkdir(parents=True)
    image = cv2.imencode(".png", np.zeros((80, 200, 3), dtype=np.uint8))[1]
    (folder / "images" / "train" / "a.png").write_bytes(image.tobytes())
    (folder / "labels" / "train" / "a.txt").write_text("\n".join(lines))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/train\nnames: {names}\n")
    return folder


@pytest.mark.parametrize("first", range(4))
def test_corners_from_any_on_give_the_box(tmp_path: Path, first: int) -> None:
    dataset = yolo_obb.read(write(tmp_path, line(first=first))).datasets["all"]
    found = dataset.people[list(ROTATED_BOX_COLUMNS)].to_numpy()[0]
    np.testing.assert_allclose(found, BOX, atol=1e-3)
    assert dataset.frames[["id", "file_name"]].values.tolist() == [[1, "a.png"]]
    assert dataset.people["frame_id"].tolist() == [1]


def test_a_turned_box_may_reach_over_the_edge_of_the_image(tmp_path: Path) -> None:
    box = np.array([8.0, 6, 20, 60, 30])
    path = write(tmp_path, line(box))
    found = yolo_obb.read(path).datasets["all"].people[list(ROTATED_BOX_COLUMNS)].to_numpy()[0]
    np.testing.assert_allclose(found, box, atol=1e-3)
    (path / "labels" / "train" / "a.txt").write_text("0 -0.1 0.5 0.25 0.5")
    with pytest.raises(InputError, match=r"coordinate -0\.1, which is not relative"):
        yolo_obb.read(path)


def test_upright_boxes(tmp_path: Path) -> None:
    dataset = yolo_obb.read(write(tmp_path, "0 0.5 0.5 0.25 0.5")).datasets["all"]
    assert dataset.boxes.tolist() == [[75, 20, 50, 40]]
    assert dataset.people["rotated_cx"].isna().all()


def test_what_is_no_rectangle_is_counted(tmp_path: Path) -> None:
    reading = yolo_obb.read(write(tmp_path, "0 0.1 0.1 0.3 0.1 0.3 0.9 0.2 0.9"))
    boxes = reading.datasets["all"].boxes
    np.testing.assert_allclose(boxes, [[20, 8, 40, 64]], atol=1e-4)
    assert list(reading.left_out.values()) == [1]


def test_a_line_given_twice_is_one_person(tmp_path: Path) -> None:
    reading = yolo_obb.read(write(tmp_path, line(), line(first=1), line()))
    assert len(reading.datasets["all"]) == 2
    assert reading.left_out == {TWICE: 1}


def test_other_classes_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, line(), line(number=1))
    reading = yolo_obb.read(path)
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {"objects of class 'chair'": 1}
    assert yolo_obb.read(path, category="chair").left_out == {"objects of class 'person'": 1}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("0 1 2", r"a\.txt: line 1 has 3 numbers instead of 9"),
        ("0 .5 .5 .2 .3 .1", r"instead of 9 \(a class and 4 corners\): with an angle\?"),
        ("0 .2 .2 .4 .2 .4 .8 .2 .8 .9", "a confidence, is no label"),
        (f"{line()}\n0 40 10 60 10 60 50 40 50", "line 2 has the coordinate 40, .*pixels"),
        (line(number=1), r"nobody is left: left out 1 object of class 'chair'"),
    ],
)
def test_broken_labels(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        yolo_obb.read(write(tmp_path, text))
