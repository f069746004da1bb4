"""Boxes in text files, with joints or without."""

from pathlib import Path

import numpy as np
import pytest

from sspcm.data.detections import read_detections
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import rotated_box_corners

BOXES = np.array([[0.3, 0.4, 0.2, 0.5], [0.7, 0.5, 0.3, 0.6], [0.6, 0.6, 0.1, 0.3]])
SCORES = [0.9, 0.25, 0.5]
SIZE = np.array([200.0, 100.0])


def poses(joints: int, values: int, *, scored: bool, hidden: float = 0.03) -> list[list[float]]:
    """Lines of a pose network: each joint in its box, and a confidence or visibility behind it."""
    rng = np.random.default_rng(7)
    shares = rng.uniform(-0.5, 0.5, (len(BOXES), joints, 2))
    places = BOXES[:, None, :2] + shares * BOXES[:, None, 2:]
    if values == 3:
        seen = rng.uniform(0.5, 1, (len(BOXES), joints, 1))
        seen[0, 0] = hidden
        places = np.concatenate([places, seen], axis=2)
    return [
        [0, *box, *joint.ravel(), *([score] if scored else [])]
        for box, joint, score in zip(BOXES.tolist(), places, SCORES, strict=True)
    ]


def write(path: Path, lines: list[list[float]]) -> Path:
    path.write_text("".join(" ".join(f"{v:g}" for v in line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("joints", [3, 14, 17, 25])
@pytest.mark.parametrize("values", [2, 3])
@pytest.mark.parametrize("scored", [False, True])
def test_boxes_of_poses(tmp_path: Path, joints: int, values: int, scored: bool) -> None:
    found = read_detections(write(tmp_path / "a.txt", poses(joints, values, scored=scored)))
    boxes = found.of_rows(np.arange(3), np.array([200.0, 100.0])).boxes
    wanted = np.concatenate([BOXES[:, :2] - BOXES[:, 2:] / 2, BOXES[:, 2:]], axis=1)
    np.testing.assert_allclose(boxes, wanted * [200, 100, 200, 100], atol=1e-9)
    assert found.scores.tolist() == (SCORES if scored else [1, 1, 1])
    assert not found.oriented.any()


def test_labels_of_poses(tmp_path: Path) -> None:
    """Joints that are not labelled lie at 0, 0."""
    lines = poses(14, 3, scored=False)
    for line in lines:
        line[7::3] = [2.0] * 14
        line[5:8] = [0, 0, 0]
    assert read_detections(write(tmp_path / "a.txt", lines)).scores.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("ends", "scores"),
    [
        ([[0.9], [0.25], [1]], [0.9, 0.25, 1]),
        ([[3], [1], [2]], [1, 1, 1]),
        ([[0.9, 3], [0.25, 1], [0.5, 2]], SCORES),
        ([[2], [], [1]], [1, 1, 1]),
        ([[], [1], [1]], [1, 1, 1]),
    ],
    ids=["scores", "tracks", "both", "some tracks", "one track"],
)
def test_scores_and_numbers_of_tracks(tmp_path: Path, ends: list, scores: list) -> None:
    lines = [[0, *box, *end] for box, end in zip(BOXES.tolist(), ends, strict=True)]
    assert read_detections(write(tmp_path / "a.txt", lines)).scores.tolist() == scores


def test_scores_of_some_lines_are_refused(tmp_path: Path) -> None:
    """A line that lacks a number would be a box of other numbers, and of score 1."""
    lines = [[0, *box, score] for box, score in zip(BOXES.tolist(), SCORES, strict=True)]
    del lines[1][1]
    with pytest.raises(InputError, match="line 2: has a number less than others, which end with"):
        read_detections(write(tmp_path / "a.txt", lines))


def test_a_file_of_mot_is_named(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text("1,-1,10,20,30,60,0.9,-1,-1,-1\n")
    with pytest.raises(InputError, match="as MOT's files have them, are not read"):
        read_detections(tmp_path / "det.txt")


@pytest.mark.parametrize(
    "lines",
    [
        [[0, 0.1, 0.1, 0.2, 0.1, 0.2, 0.2, 0.1, 0.3, 0.05, 0.2]],
        [[0, *[0.1, 0.2] * 5], [0, *[0.1, 0.2] * 6]],
        [[0, 0.3, 0.4, 0.2, 0.5, *[0.9, 0.9, 1] * 4]],
    ],
    ids=["an outline", "outlines", "joints off the box"],
)
def test_what_is_neither_a_box_nor_a_pose(tmp_path: Path, lines: list) -> None:
    with pytest.raises(InputError, match=r"line 1: has .* numbers, .* keep these alone"):
        read_detections(write(tmp_path / "a.txt", lines))


@pytest.mark.parametrize("angle", [-80.0, -45.0, 0.0, 30.0, 90.0])
@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("clockwise", [True, False])
def test_corners_of_yolo_are_the_rotated_box(
    tmp_path: Path, angle: float, first: int, clockwise: bool
) -> None:
    """Whichever corner comes first, and whichever way round."""
    box = [50.0, 40.0, 10.0, 20.0, angle]
    corners = np.roll(rotated_box_corners(np.array(box)), first, axis=0) / SIZE
    corners = corners if clockwise else corners[::-1]
    numbers = " ".join(f"{value:.9f}" for value in corners.ravel())
    (tmp_path / "labels" / "a").mkdir(parents=True)
    (tmp_path / "labels" / "a" / "1.txt").write_text(f"0 {numbers} 0.75\n3 {numbers} 0.9\n")
    (tmp_path / "labels" / "empty.txt").touch()
    detections = read_detections(tmp_path / "labels")
    boxes = detections.of_rows(np.arange(len(detections)), SIZE)
    np.testing.assert_allclose(boxes.rotated, [box], atol=1e-4)
    assert boxes.scores.tolist() == [0.75]
    assert detections.left_out == {"boxes of other classes": 1}
    assert detections.rows_of(["a/1"]).tolist() == [0]


def test_plain_boxes_of_yolo(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("2 0.25 0.5 0.1 0.2\n")
    boxes = read_detections(tmp_path / "1.txt", category="2").of_rows(np.arange(1), SIZE)
    np.testing.assert_allclose(boxes.boxes, [[40, 40, 20, 20]])
    assert np.isnan(boxes.rotated).all()
    assert boxes.scores.tolist() == [1]
    with pytest.raises(InputError, match="no box of class 0: name the class of people"):
        read_detections(tmp_path / "1.txt")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("0 0.5 0.5 0.1", "line 1: expected a class and 8 coordinates"),
        ("0 0.5 0.5 nan 0.1", "line 1: expected a class"),
        ("person 0.5 0.5 0.1 0.1", "line 1: expected a class"),
        ("0.5 0.5 0.5 0.1 0.1", "the class 0.5 is not a whole number"),
        ("0 320 240 50 60", "these are pixels"),
        ("0 0.5 0.5 0.1 0.1 1_0", "line 1: expected a class"),
    ],
)
def test_unusable_lines_of_yolo(tmp_path: Path, line: str, error: str) -> None:
    (tmp_path / "1.txt").write_text(line + "\n")
    with pytest.raises(InputError, match=error):
        read_detections(tmp_path / "1.txt")


def test_notes_and_links_among_text_files(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for name in ("a.txt", "b.TXT", "classes.txt"):
        text = "person" if name == "classes.txt" else "0 .5 .5 .2 .4"
        (folder / name).write_text(text)
    found = read_detections(folder)
    assert found.image_ids == ["a", "b"]
    assert found.left_out == {"text files that hold no boxes": 1}
    (tmp_path / "secret.txt").write_text("0 .5 .5 .2 .4")
    (folder / "c.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InputError, match="link out of the data set"):
        read_detections(folder)


def test_a_box_of_negative_width_in_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 .5 .5 -.2 .4")
    with pytest.raises(InputError, match="line 1: the box has a negative width"):
        read_detections(tmp_path / "a.txt")
