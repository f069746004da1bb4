from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.statistics import plots
from wepdtof_pose.statistics.measures import person_measures, upright_poses
from wepdtof_pose.statistics.plots import PLOTS, write_plots
from wepdtof_pose.statistics.tables import (
    all_tables,
    box_table,
    counts,
    direction_table,
    joint_table,
    people_per_frame,
    pose_table,
    scene_table,
)


def test_counts(make_dataset: Callable) -> None:
    dataset = make_dataset(
        [2, 0, 3, 1],
        scenes=["a", "a", "b", "b"],
        track_id=[1, 2, 1, 2, None, 1],
        iscrowd=[0, 0, 0, 0, 1, 0],
        area=[1, 1, np.nan, 1, 1, 1],
    )
    assert counts(dataset) == {
        "people": 6,
        "usable people": 5,
        "crowds": 1,
        "frames": 4,
        "frames with people": 3,
        "most people on a frame": 3,
        "scenes": 2,
        "tracks": 4,
        "labelled joints": 6 * 13,
        "areas from boxes": 1,
    }


def test_what_is_not_known_is_none(make_dataset: Callable) -> None:
    found = counts(make_dataset())
    assert (found["scenes"], found["tracks"]) == (None, None)


def test_joints(make_dataset: Callable) -> None:
    table = joint_table(make_dataset())
    assert table.loc["right_shoulder"].tolist() == [6, 0, 6]
    assert table.loc["right_elbow"].tolist() == [6, 6, 0]
    assert table.loc["right_wrist"].tolist() == [0, 0, 0]


def test_boxes_of_usable_people(make_dataset: Callable) -> None:
    dataset = make_dataset([5], w=[10, 20, 30, 40, 500], h=[40] * 5, iscrowd=[0, 0, 0, 0, 1])
    table = box_table(dataset)
    assert table["width"].loc[["least", "half", "most"]].tolist() == [10, 25, 40]
    assert table.loc["least", "area root"] == 20


def test_nobody(make_dataset: Callable) -> None:
    dataset = make_dataset([0, 0])
    assert counts(dataset)["most people on a frame"] == 0
    assert box_table(dataset).isna().all(axis=None)


@pytest.fixture(scope="module")
def sample() -> PoseDataset:
    return load_dataset(sample_folder())["all"]


def test_people_per_frame(make_dataset: Callable) -> None:
    table = people_per_frame(make_dataset([2, 0, 3, 2, 25]))
    assert table.loc[["0", "1", "2", "3"], "frames"].tolist() == [1, 0, 2, 1]
    assert table.index[-1] == "20 to 39"
    assert table["frames"].sum() == 5


def test_places_and_directions(make_dataset: Callable) -> None:
    """One person right of the centre lying along the radius, head outwards; one upright, below."""
    dataset = make_dataset([2], x=[85, 34.5], y=[39.5, 65], w=[20, 50], h=[10, 20])
    keypoints = np.zeros_like(dataset.keypoints)
    joints = dataset.keypoint_set.joints
    for row, hip, neck in [(0, (90, 44), (102, 44)), (1, (59, 80), (59, 68))]:
        for name, point in [("right_hip", hip), ("left_hip", hip), ("neck", neck)]:
            keypoints[row, joints.index(name)] = *point, 2
    measures = person_measures(replace(dataset, keypoints=keypoints))
    # The frame is 120 x 90: its centre is at 59.5, 44.5.
    np.testing.assert_allclose(measures["radius"], [35 / 45, 30 / 45], atol=1e-2)
    np.testing.assert_allclose(measures["turn"].abs(), [0, 180], atol=2)
    np.testing.assert_allclose(measures["tilt"], [0, 0], atol=2)
    table = direction_table(replace(dataset, keypoints=keypoints))
    assert table["people"].to_dict() == {
        "outwards": 1,
        "clockwise": 0,
        "inwards": 1,
        "counter-clockwise": 0,
    }


def test_tilt_of_rotated_boxes(make_dataset: Callable) -> None:
    columns = {
        f"rotated_{name}": [value]
        for name, value in zip(
            ("cx", "cy", "w", "h", "angle"), (89.5, 44.5, 10, 20, -80), strict=True
        )
    }
    dataset = make_dataset([1], **columns)
    unlabelled = replace(dataset, keypoints=np.zeros_like(dataset.keypoints))
    measures = person_measures(unlabelled)
    # The radius points to 90 degrees; the box axis at -80 is that at 100.
    assert np.isnan(measures["turn"][0])
    assert measures["tilt"][0] == pytest.approx(10)


def test_upright_poses_do_not_depend_on_place_turn_size_or_mirror(sample: PoseDataset) -> None:
    angle, points = 0.7, sample.keypoints[..., :2].astype(np.float64)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = np.concatenate([3 * points @ turn + 50, sample.keypoints[..., 2:]], axis=2)
    other = replace(sample, keypoints=moved.astype(np.float32))
    np.testing.assert_allclose(upright_poses(other), upright_poses(sample), atol=1e-4)
    mirrored = sample.keypoints * np.array([-1, 1, 1], dtype=np.float32)
    other = replace(sample, keypoints=mirrored[:, sample.keypoint_set.flip_permutation])
    swap = sample.keypoint_set.flip_permutation
    found, expected = upright_poses(other), upright_poses(sample)[:, swap]
    same = np.isclose(found, expected * (-1, 1), atol=1e-4).all(axis=(1, 2))
    as_it_was = np.isclose(found, expected, atol=1e-4).all(axis=(1, 2))
    assert (same | as_it_was).all()


def test_one_pose_has_no_diversity(make_dataset: Callable) -> None:
    dataset = make_dataset([12])
    keypoints = np.repeat(dataset.keypoints[:1], 12, axis=0)
    keypoints[..., 2] = 2
    equal = replace(dataset, keypoints=keypoints)
    row = pose_table(equal).iloc[0]
    assert row["people"] == 12
    assert row["spread"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(row["modes for 90 %"])
    assert not plots.draw_poses(equal, Figure())


def test_scenes(sample: PoseDataset) -> None:
    table = scene_table(sample)
    assert table["frames"].tolist() == [3, 3]
    assert table["people"].sum() == len(sample)


def test_tables_and_plots_of_every_set(
    sample: PoseDataset, make_dataset: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plots.PLOT_STYLE, "savefig.dpi", 50)
    assert set(all_tables(sample)) >= {"Joints", "Scenes", "Pose diversity"}
    files = write_plots(sample, tmp_path / "plö ts", name="sample")
    assert {f.name for f in files} == {
        f"sample_{plot}.{suffix}" for plot in PLOTS for suffix in ("png", "pdf")
    }
    for file in files:
        head = file.read_bytes()[:5]
        assert head == (b"%PDF-" if file.suffix == ".pdf" else b"\x89PNG\r")
    for nobody in (make_dataset([0, 0]), make_dataset([])):
        assert all_tables(nobody)
        assert all_tables(nobody)
        assert not any(draw(nobody, Figure()) for draw in list(PLOTS.values())[1:])
    assert plots.draw_places(make_dataset([1]), Figure())
