"""Which frame a row of another file is on."""

import pandas as pd

from wepdtof_pose.scores.frame_lookup import find_frames

FRAMES = pd.DataFrame(
    {"id": [1, 2, "x", 4], "file_name": ["a/1.jpg", "a/2.jpg", "b/2.jpg", "film_3.png"]}
)


def rows(*pairs: tuple[object, str | None]) -> list[int]:
    ids, names = zip(*pairs, strict=True)
    return find_frames(FRAMES, ids, names).tolist()


def test_a_name_goes_before_an_id() -> None:
    assert rows((2, "a/1.jpg"), (None, "a/2.jpg"), ("1", "elsewhere/1.jpg")) == [0, 1, 0]
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
