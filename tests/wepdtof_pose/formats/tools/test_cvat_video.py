from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.tools import cvat, cvat_video

LABELS = (
    "<labels><label><name>person</name><type>skeleton</type></label>"
    "<label><name>nose</name><type>points</type><parent>person</parent></label>"
    "<label><name>neck</name><type>points</type><parent>person</parent></label></labels>"
)
SIZE = "<original_size><width>100</width><height>80</height></original_size>"


def pose(frame: int, x: float, *, outside: str = "00", occluded: str = "00") -> str:
    points = "".join(
        f'<points label="{name}" points="{x},{y}" outside="{out}" occluded="{hidden}"/>'
        for name, y, out, hidden in zip(("nose", "neck"), (10, 30), outside, occluded, strict=True)
    )
    return f'<skeleton frame="{frame}" keyframe="1">{points}</skeleton>'


def box(frame: int, x: float, *, outside: int = 0, rotation: str = "") -> str:
    sides = f'xtl="{x}" ytl="5" xbr="{x + 20}" ybr="45"'
    turn = f' rotation="{rotation}"' if rotation else ""
    return f'<box frame="{frame}" outside="{outside}" {sides}{turn}/>'


def track(*shapes: str, label: str = "person", number: int = 0, group: int = 0) -> str:
    return f'<track id="{number}" label="{label}" group_id="{group}">{"".join(shapes)}</track>'


def write(folder: Path, *tracks: str, meta: str = SIZE, task: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    text = f"<meta><task><name>film</name>{task}{LABELS}</task>{meta}</meta>{''.join(tracks)}"
    (folder / "annotations.xml").write_text(f"<annotations>{text}</annotations>")
    return folder / "annotations.xml"


def test_positions_between_keyframes_are_interpolated(tmp_path: Path) -> None:
    path = write(tmp_path, track(pose(0, 20), pose(5, 30, occluded="01"), number=7))
    reading = cvat.read(path)
    dataset = reading.datasets["all"]
    assert dataset.keypoints[:, 0, 0].tolist() == [20, 22, 24, 26, 28, 30]
    assert dataset.keypoints[:, 1, 2].tolist() == [2, 2, 2, 2, 2, 1]
    assert dataset.people["track_id"].tolist() == [7] * 6
    assert dataset.frames["id"].tolist() == list(range(6))
    assert dataset.frames[["width", "height", "scene"]].values.tolist() == [[100, 80, "film"]] * 6
    assert dataset.frames["file_name"].tolist()[:2] == ["frame_000000.PNG", "frame_000001.PNG"]


@pytest.mark.parametrize("whole", [False, True], ids=["its points", "the skeleton"])
def test_a_track_that_is_outside_is_not_there(tmp_path: Path, whole: bool) -> None:
    gone = pose(3, 10, outside="00" if whole else "11")
    gone = gone.replace("<skeleton ", '<skeleton outside="1" ') if whole else gone
    shapes = (pose(1, 10), gone, pose(5, 50))
    task = "<size>8</size>"
    dataset = cvat.read(write(tmp_path, track(*shapes), task=task)).datasets["all"]
    assert len(dataset.frames) == 8
    assert dataset.people["frame_id"].tolist() == [1, 2, 5, 6, 7]
    assert dataset.keypoints[:, 0, 0].tolist() == [10, 10, 50, 50, 50]


@pytest.mark.parametrize(
    ("task", "shapes", "frames"),
    [
        ("<size>4</size><start_frame>0</start_frame>", (0, 4), [0, 2, 4, 6]),
        ("<size>3</size><start_frame>10</start_frame>", (10, 12), [10, 12, 14]),
        # Numbers that are none of the film's count the frames of the task.
        ("<size>4</size><start_frame>100</start_frame>", (0, 2), [0, 1, 2, 3]),
    ],
    ids=["every second", "from the tenth on", "of the task"],
)
def test_a_task_that_has_not_all_frames_of_its_film(
    tmp_path: Path, task: str, shapes: tuple[int, int], frames: list[int]
) -> None:
    first, last = shapes
    path = write(
        tmp_path,
        track(pose(first, 20), pose(last, 40)),
        task=f"{task}<frame_filter>step=2</frame_filter>",
    )
    dataset = cvat.read(path).datasets["all"]
    assert dataset.frames["id"].tolist() == frames
    assert dataset.people["frame_id"].tolist() == frames
    at = {first: 20.0, last: 40.0}
    between = [at.get(n, 20 + 20 * min(1, (n - first) / (last - first))) for n in frames]
    assert dataset.keypoints[:, 0, 0].tolist() == between
    assert dataset.frames["file_name"].tolist() == [f"frame_{n:06d}.PNG" for n in frames]


@pytest.mark.parametrize(
    ("last", "frames"), [(14, [10, 12, 14, 16]), (15, [10, 11, 12, 13, 14, 15, 16])]
)
def test_a_job_that_has_not_all_frames_of_its_film(
    tmp_path: Path, last: int, frames: list[int]
) -> None:
    about = "<start_frame>10</start_frame><stop_frame>16</stop_frame>"
    job = f"<job>{about}<frame_filter>step=2</frame_filter></job>"
    path = write(tmp_path, track(pose(10, 20), pose(last, 40)), meta=SIZE + job)
    assert cvat.read(path).datasets["all"].frames["id"].tolist() == frames


def test_a_joint_that_is_outside_is_not_labelled(tmp_path: Path) -> None:
    dataset = cvat.read(write(tmp_path, track(pose(0, 10, outside="01")))).datasets["all"]
    assert dataset.keypoints[0, :, 2].tolist() == [2, 0]


def test_box_and_skeleton_of_a_group_are_one_person(tmp_path: Path) -> None:
    tracks = (
        track(pose(0, 20), pose(2, 20), number=3, group=1),
        track(box(0, 10), box(2, 14), label="pedestrian", number=4, group=1),
    )
    reading = cvat.read(write(tmp_path, *tracks))
    dataset = reading.datasets["all"]
    assert dataset.boxes.tolist() == [[10, 5, 20, 40], [12, 5, 20, 40], [14, 5, 20, 40]]
    assert dataset.people["track_id"].tolist() == [3, 3, 3]
    assert reading.left_out == {}


def test_boxes_turn_the_shorter_way(tmp_path: Path) -> None:
    tracks = track(box(0, 10, rotation="350"), box(2, 10, rotation="10"))
    tracks += track(pose(0, 80))
    people = cvat.read(write(tmp_path, tracks)).datasets["all"].people
    assert people["rotated_angle"].dropna().tolist() == [-10, 0, 10]
    assert people["rotated_cx"].dropna().tolist() == [20.0] * 3


def test_other_tracks_are_counted_on_each_frame(tmp_path: Path) -> None:
    reading = cvat.read(
        write(tmp_path, track(pose(0, 9), pose(2, 9)), track(box(0, 1), label="car"))
    )
    assert len(reading.datasets["all"]) == 3
    assert reading.left_out["shapes labelled 'car' (box)"] == 3


@pytest.mark.parametrize("name", ["frame_{:06d}.PNG", "film-{}.jpg", "{:04d}.png"])
def test_images_are_found_by_the_number_of_their_frame(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    for number in range(3):
        path = tmp_path / "images" / name.format(number)
        cv2.imwrite(str(path), np.zeros((48, 64, 3), dtype=np.uint8))
    path = write(tmp_path, track(pose(0, 9), pose(2, 9)), meta="")
    dataset = cvat.read(path).datasets["all"]
    assert dataset.frames["file_name"].tolist() == [name.format(number) for number in range(3)]
    assert dataset.frames[["width", "height"]].values.tolist() == [[64, 48]] * 3
    assert dataset.root == tmp_path / "images"


@pytest.mark.parametrize(
    ("tracks", "error"),
    [
        (track("<skeleton/>"), "track 1: 'frame' is None, not the number of a frame"),
        (track(pose(1, 2), pose(1, 3)), "track 1: has two shapes at frame 1"),
        (track(pose(0, 2), pose(999_999_999, 3)), "has more than 1000000 frames"),
        (
            track(box(0, 2), box(2, 3).replace('xtl="3"', 'xtl="wide"')),
            "track 1: a coordinate is 'wide', not a number",
        ),
    ],
    ids=["no frame", "twice", "far", "no number"],
)
def test_broken_tracks(tmp_path: Path, tracks: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        cvat.read(write(tmp_path, tracks))


def test_points_of_other_numbers_stay(tmp_path: Path) -> None:
    root = cvat.read_xml(write(tmp_path, track('<polygon frame="0" points="1,2;3,4"/>')))
    other = '<polygon frame="2" points="5,6"/>'
    (found,) = cvat_video.tracks(root, "a")
    more = cvat.read_xml(
        write(tmp_path / "b", track('<polygon frame="0" points="1,2;3,4"/>' + other))
    )
    (second,) = cvat_video.tracks(more, "b")
    for part in (found, second):
        shape = part.at(1, "here")
        assert shape is not None
        assert shape.get("points") == "1,2;3,4"
