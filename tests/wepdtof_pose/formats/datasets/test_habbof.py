from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import habbof, wepdtof
from wepdtof_pose.formats.layout import TWICE


def write(folder: Path, **texts: str) -> Path:
    """A sequence Lab1 with a text file and an image of each name."""
    (folder / "Lab1").mkdir()
    image = cv2.imencode(".jpg", np.zeros((120, 160, 3), dtype=np.uint8))[1].tobytes()
    for name, text in texts.items():
        (folder / "Lab1" / f"{name}.txt").write_text(text)
        (folder / "Lab1" / f"{name}.jpg").write_bytes(image)
    return folder


def test_boxes_of_a_sequence(tmp_path: Path) -> None:
    path = write(tmp_path, f0001="person 40 50 30 82 15\nperson 100 60 20 44 -40\n", f0002="")
    (tmp_path / "README.txt").write_text("about the data")
    reading = habbof.read(path)
    dataset = reading.datasets["all"]
    boxes = dataset.people[list(ROTATED_BOX_COLUMNS)].values.tolist()
    assert boxes == [[40, 50, 30, 82, 15], [100, 60, 20, 44, -40]]
    assert dataset.frames["file_name"].tolist() == ["Lab1/f0001.jpg", "Lab1/f0002.jpg"]
    assert dataset.frames[["width", "height", "scene"]].values.tolist() == [[160, 120, "Lab1"]] * 2
    assert reading.left_out == {}
    (path / "Lab1" / "f0002.txt").unlink()
    without = "images without a file of labels ('f0002.jpg' is the first)"
    assert habbof.read(path).left_out == {without: 1}


@pytest.mark.parametrize("inner", ["", "Lab1", "Lab1/a.txt"])
def test_what_may_be_given(tmp_path: Path, inner: str) -> None:
    path = write(tmp_path, a="person 40 50 30 82 15")
    dataset = habbof.read(path / inner).datasets["all"]
    assert (dataset.root / dataset.frames["file_name"][0]).is_file()
    assert dataset.frames["scene"].tolist() == ["Lab1"]


def test_other_objects_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, a="person 40 50 30 82 15\nchair 9 9 5 5 0")
    assert habbof.read(path).left_out == {"objects labelled 'chair'": 1}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("person 1 2 3 4 5\nperson 1 2 3 4", r"a\.txt: line 2 has 5 words instead of 6"),
        ("person,1,2,3,4,5", r"1 words instead of 6 .*: put spaces between numbers, not commas"),
        ("person, 1, 2, 3, 4, 5", "line 1 is '1,', not a number: put spaces between numbers"),
        ("person 1 2 3 4 wide", "line 1 is 'wide', not a number"),
        ("chair 1 2 3 4 5", "none of which says person"),
        ("person 9 9 -3 4 5", "a box on image 'a' has the sides -3 x 4: give width and height"),
    ],
)
def test_broken_lines(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        habbof.read(write(tmp_path, a=text))


def test_a_line_given_twice_is_one_person(tmp_path: Path) -> None:
    line = "person 40 50 30 82 15\n"
    reading = habbof.read(write(tmp_path, a=line + "person 40 50 30 82 16\n" + line, b=line))
    assert reading.datasets["all"].people["rotated_angle"].tolist() == [15, 16, 15]
    assert reading.left_out == {TWICE: 1}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no text files of HABBOF"):
        habbof.read(tmp_path)


def test_the_reader_of_wepdtof_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--from habbof"):
        wepdtof.read(write(tmp_path, a="person 40 50 30 82 15"))
