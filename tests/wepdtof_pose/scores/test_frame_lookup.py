"""Which frame a row of another file is on."""

import pandas as pd
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.scores.frame_lookup import find_frames

FRAMES = pd.DataFrame(
    {"id": [1, 2, "x", 4], "file_name": ["a/1.jpg", "a/2.jpg", "b/2.jpg", "film_3.png"]}
)


def rows(*pairs: tuple[object, str | None]) -> list[int]:
    ids, names = zip(*pairs, strict=True)
    return find_frames(FRAMES, ids, names, source="boxes.json").tolist()


def test_a_name_goes_before_an_id() -> None:
    assert rows((2, "a/1.jpg"), (None, "a/2.jpg")) == [0, 1]
    assert rows(("1", "elsewhere/1.jpg")) == [0]
    assert rows((None, r"C:\data\a\1.jpg"), (r"D:\film_3.png", None)) == [0, 3]


def test_an_id_decides_where_the_name_does_not() -> None:
    assert rows((1, None), ("x", None), ("1", None), (None, None), ([], None)) == [0, 2, 0, -1, -1]
    # Two frames end in 2.jpg; a video's name is that of no frame.
    assert rows(("x", "2.jpg"), (1, "2.jpg"), (4, "film.mp4")) == [2, -1, 3]


def test_a_name_of_no_frame_is_not_overruled_by_its_id() -> None:
    assert rows((1, "a/9.jpg")) == [-1]


def test_a_text_id_may_be_a_name_without_its_suffix() -> None:
    # RAPiD names frames so.
    assert rows(("film_3", None), ("b/2", None), ("other", None)) == [3, 2, -1]


def test_a_text_id_may_be_a_file_name_or_digits() -> None:
    names = ("film_3.png", None), ("b/2.jpg", None), ("/home/me/a/1.jpg", None), ("4", None)
    assert rows(*names) == [3, 2, 0, 3]
    # Two files are called 2.jpg, and 2 is the id of the first of them.
    assert rows(("2.jpg", None), ("2", None)) == [-1, -1]


def test_frames_of_another_camera_are_not_those_of_the_same_name() -> None:
    # The data are of one camera, the boxes of two.
    assert rows((None, "a/1.jpg"), (None, "c/1.jpg"), (7, "1.jpg")) == [0, -1, 0]
    assert rows(("a/1", None), ("c/1", None), ("D:\\x\\a\\1.jpg", None)) == [0, -1, 0]
    for two in ("x/film_3.png", "y/film_3.png"), ("x/film_3", "y/film_3.png"):
        with pytest.raises(InputError, match=r"boxes.json: x/film_3\S* and y/film_3.png would"):
            rows((None, two[0]) if "." in two[0] else (two[0], None), (None, two[1]))


def test_one_frame_named_in_full_and_in_short() -> None:
    names = "/data/x/film_3.png", "x/film_3.png", "film_3.png"
    assert rows(*((None, name) for name in names)) == [3, 3, 3]
    assert rows(("4", None), ("film_3", None), (4, "x/film_3.png")) == [3, 3, 3]
