from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from wepdtof_pose.dataset import WITHOUT_SCENE, PoseDataset, make_people, with_scenes
from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import get_keypoint_set

Make = Callable[..., PoseDataset]


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        ({}, True),
        ({"iscrowd": [1]}, False),
        ({"area": [0.0]}, False),
        ({"area": [np.nan]}, True),
        ({"w": [1.0]}, False),
        ({"w": [2.0]}, True),
        ({"x": [119.0]}, False),
        ({"x": [118.0]}, True),
        ({"y": [89.0]}, False),
        ({"x": [-500.0]}, False),
    ],
    ids=str,
)
def test_trainable(make_dataset: Make, change: dict, usable: bool) -> None:
    assert make_dataset([1], **change).trainable().tolist() == [usable]


def test_people_without_keypoints_are_not_trainable(make_dataset: Make) -> None:
    dataset = make_dataset([2])
    keypoints = dataset.keypoints.copy()
    keypoints[0] = 0
    assert replace(dataset, keypoints=keypoints).trainable().tolist() == [False, True]


def test_all_people_are_the_data_set_itself_and_a_mask_of_others_is_refused(
    make_dataset: Make,
) -> None:
    dataset = make_dataset([2, 1, 3])
    assert dataset.select_people(np.ones(6, bool)) is dataset
    with pytest.raises(IndexError):
        dataset.select_people(np.ones(5, bool))


@pytest.mark.parametrize("rows", [np.array([4, 1]), np.array([0, 1, 0, 0, 1, 0]) > 0])
def test_select_people(make_dataset: Make, rows: np.ndarray) -> None:
    dataset = make_dataset([2, 1, 3])
    chosen = dataset.select_people(rows)
    ids = dataset.people["id"].to_numpy()[rows]
    assert chosen.people["id"].tolist() == ids.tolist()
    np.testing.assert_array_equal(chosen.keypoints, dataset.keypoints[rows])
    assert chosen.frames["id"].tolist() == [5, 25]
    assert len(dataset) == 6
    np.testing.assert_array_equal(
        chosen.frames["id"].to_numpy()[chosen.frame_rows], chosen.people["frame_id"]
    )


def test_select_frames(make_dataset: Make) -> None:
    dataset = make_dataset([2, 0, 3])
    chosen = dataset.select_frames(np.array([1, 2]))
    assert chosen.frames["id"].tolist() == [15, 25]
    assert chosen.people["id"].tolist() == [102, 103, 104]
    np.testing.assert_array_equal(chosen.keypoints, dataset.keypoints[2:])


def test_area_is_filled_from_the_box_and_recorded() -> None:
    people = make_people(
        id=[1, 2], frame_id=[1, 1], x=[0, 0], y=[0, 0], w=[10, 10], h=[20, 20], area=[np.nan, 7]
    )
    assert people["area"].tolist() == [pytest.approx(0.53 * 200), 7]
    assert people["area_from_box"].tolist() == [True, False]


@pytest.mark.parametrize("part", ["keypoints", "box", "size", "joints"])
def test_content_hash_changes_with(make_dataset: Make, part: str) -> None:
    dataset = make_dataset()
    if part == "keypoints":
        keypoints = dataset.keypoints.copy()
        keypoints[3, 2, 1] += 1
        changed = replace(dataset, keypoints=keypoints)
    elif part == "box":
        changed = make_dataset(w=[50.0] * 5 + [51.0])
    elif part == "size":
        changed = replace(dataset, frames=dataset.frames.assign(width=121))
    else:
        changed = replace(dataset, keypoint_set=get_keypoint_set("lsp-14"))
    assert dataset.content_hash() == make_dataset().content_hash()
    assert changed.content_hash() != dataset.content_hash()


def test_joints_are_converted_by_name(make_dataset: Make) -> None:
    dataset = make_dataset()
    coco = get_keypoint_set("coco-17")
    converted = dataset.with_keypoint_set(coco)
    here = dataset.keypoint_set.joints.index("left_knee")
    there = coco.joints.index("left_knee")
    np.testing.assert_array_equal(converted.keypoints[:, there], dataset.keypoints[:, here])
    assert not converted.keypoints[:, coco.joints.index("nose")].any()


def test_keypoints_of_another_shape_are_refused(make_dataset: Make) -> None:
    with pytest.raises(InputError, match=r"need \(6, 14, 3\)"):
        replace(make_dataset(), keypoints=np.zeros((6, 13, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("by", "field", "scenes"),
    [
        ("folder", None, ["cam0", "cam1", None]),
        ("name", None, ["cam0/night", "cam1", "night"]),
        ("folder", "video_id", ["3", "x", None]),
    ],
)
def test_scenes_from_names_and_fields(
    make_dataset: Callable, by: str, field: str | None, scenes: list
) -> None:
    dataset = make_dataset(scenes=["old", "old", "old"])
    dataset.frames["file_name"] = ["cam0/night_0001.jpg", "cam1\\0002.jpg", "night-3.jpg"]
    dataset.frames["extra"] = [{"video_id": 3}, {"video_id": "x"}, {"video_id": [1]}]
    assert with_scenes(dataset, by=by, field=field).frames["scene"].tolist() == scenes


@pytest.mark.parametrize(
    ("by", "field", "error"),
    [
        ("folder", None, "the folders of the images say no scenes"),
        ("name", None, "the names of the images say no scenes"),
        (
            "folder",
            "video",
            r"no image has a number or a text as 'video' \(their other fields: url",
        ),
    ],
)
def test_scenes_that_nothing_says(
    make_dataset: Callable, by: str, field: str | None, error: str
) -> None:
    dataset = make_dataset()
    dataset.frames["extra"] = [{"url": "u"}, None, None]
    with pytest.raises(InputError, match=error):
        with_scenes(dataset, by=by, field=field)


def test_images_that_say_no_scene_are_counted(make_dataset: Callable[..., PoseDataset]) -> None:
    """Their neighbours may be in another split."""
    dataset = make_dataset()
    fields = pd.Series([{"video_id": "A"}, None, {"video_id": None}], dtype=object)
    dataset = replace(dataset, frames=dataset.frames.assign(extra=fields))
    found = with_scenes(dataset, field="video_id")
    assert found.frames["scene"].tolist() == ["A", None, None]
    assert found.left_out == {WITHOUT_SCENE: 2}
