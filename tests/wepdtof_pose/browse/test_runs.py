"""Predictions in FiftyOne: their numbers are the evaluator's, and they can be compared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse import run_fields
from wepdtof_pose.browse.opening import open_dataset
from wepdtof_pose.browse.run_fields import add_runs
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.scores.coco import coco_evaluation, coco_scores, frames_by_id
from wepdtof_pose.scores.predictions import from_results

pytestmark = pytest.mark.fiftyone


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, sample: PoseDataset, write_predictions: Callable
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "good": write_predictions(folder / "good.json", sample, noise=1),
        "bad": write_predictions(folder / "bad.json", sample, noise=3, every=2, seed=1),
    }


@pytest.fixture(scope="module")
def dataset(fiftyone: Any, sample: PoseDataset, files: dict[str, Path]) -> Any:
    dataset = open_dataset(fiftyone, sample_folder(), reload=True)
    add_runs(dataset, {"all": sample}, files, split=None)
    return dataset


@pytest.mark.parametrize("name", ["good", "bad"])
def test_oks_is_the_evaluators(
    dataset: Any, sample: PoseDataset, files: dict[str, Path], name: str
) -> None:
    predictions = from_results(read_json(files[name]), sample, source=name)
    evaluation = coco_evaluation(sample, predictions)
    place_of = {row: place + 1 for place, row in enumerate(frames_by_id(sample))}
    compared = 0
    for frame in dataset:
        matrix = np.asarray(evaluation.computeOks(place_of[frame.row], 1))
        rows = np.flatnonzero(predictions.frame_ids == frame.frame_id)
        by_score = rows[np.argsort(-predictions.scores[rows], kind="mergesort")].tolist()
        poses = frame[f"predictions_{name}"].keypoints
        people = [pose.row for pose in frame.keypoints.keypoints]
        assert len(poses) == len(rows)
        for row, pose in zip(rows, poses, strict=True):
            if pose.row is None:
                continue
            entry = matrix[by_score.index(row), people.index(pose.row)]
            annotated = frame.keypoints.keypoints[people.index(pose.row)]
            assert pose.oks == pytest.approx(entry, abs=1e-9)
            assert annotated[f"oks_{name}"] == pose.oks
            np.testing.assert_array_equal(annotated[f"error_{name}"], pose.error)
            assert pose.person == annotated.person
            compared += 1
    assert compared == len(predictions)


def test_scores_of_a_frame(dataset: Any, sample: PoseDataset, files: dict[str, Path]) -> None:
    predictions = from_results(read_json(files["bad"]), sample, source="bad")
    for frame in dataset:
        alone = sample.select_frames(np.array([frame.row]))
        own = predictions.select(predictions.frame_ids == frame.frame_id)
        assert frame.ap_bad == pytest.approx(coco_scores(alone, own)["AP"], abs=1e-9)
        oks = [pose.oks_bad for pose in frame.keypoints.keypoints]
        assert frame.oks_bad == pytest.approx(np.mean(oks))
        assert frame.worst_oks_bad == min(oks) == 0
        assert frame.missed_bad == sum(value < 0.5 for value in oks)
        difference = np.mean([pose.oks_bad_minus_good for pose in frame.keypoints.keypoints])
        assert frame.oks_bad_minus_good == pytest.approx(difference)
        assert frame.oks_bad_minus_good == pytest.approx(frame.oks_bad - frame.oks_good)


def test_errors_of_joints_are_pixels(
    dataset: Any, sample: PoseDataset, files: dict[str, Path]
) -> None:
    predictions = from_results(read_json(files["good"]), sample, source="good")
    # Written in the people's order.
    expected = np.linalg.norm(predictions.keypoints[0, :, :2] - sample.keypoints[0, :, :2], axis=1)
    (pose,) = [pose for frame in dataset for pose in frame.keypoints.keypoints if pose.row == 0]
    np.testing.assert_allclose(pose.error_good, expected, atol=1e-3)


def test_views(dataset: Any) -> None:
    worst = dataset.load_saved_view("worst first bad").values("oks_bad")
    assert worst == sorted(worst)
    assert len(worst) == 6
    assert min(dataset.load_saved_view("missed bad").values("missed_bad")) > 0
    compared = dataset.load_saved_view("oks_bad_minus_good").values("oks_bad_minus_good")
    assert compared == sorted(compared)


def test_other_predictions_take_the_place_of_the_first(
    fiftyone: Any, sample: PoseDataset, files: dict[str, Path], tmp_path: Path
) -> None:
    data = {"all": sample}
    copy = tmp_path / "data.json"
    coco.write(sample, copy)
    (tmp_path / "images").symlink_to(sample.root)
    dataset = open_dataset(fiftyone, copy)
    before = {*dataset.get_field_schema(flat=True)}, {*dataset.list_saved_views()}
    add_runs(dataset, data, files, split=None)
    assert "keypoints.keypoints.oks_bad_minus_good" in dataset.get_field_schema(flat=True)
    add_runs(dataset, data, {"bad": files["bad"]}, split=None)
    left = {*dataset.get_field_schema(flat=True)}, {*dataset.list_saved_views()}
    assert not [name for name in {*left[0], *left[1]} if "good" in name]
    assert "oks_bad" in left[0]
    add_runs(dataset, data, {}, split=None)
    assert ({*dataset.get_field_schema(flat=True)}, {*dataset.list_saved_views()}) == before


def test_a_loading_that_was_cut_short_is_done_again(
    fiftyone: Any, sample: PoseDataset, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(fiftyone, sample_folder(), reload=True)
    one, other = {"good": files["good"]}, {"bad": files["bad"]}
    add_runs(dataset, {"all": sample}, one, split=None)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_fields, "update_frames", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add_runs(dataset, {"all": sample}, other, split=None)
    monkeypatch.undo()
    add_runs(dataset, {"all": sample}, one, split=None)
    schema = dataset.get_field_schema()
    assert "predictions_good" in schema
    assert "predictions_bad" not in schema
    assert len(dataset.exists("predictions_good")) > 0


def test_the_split_follows_from_the_images(
    fiftyone: Any, realdata_dir: Path, write_predictions: Callable, tmp_path: Path
) -> None:
    datasets = load_dataset(realdata_dir / "tiny_coco")
    file = write_predictions(tmp_path / "r.json", datasets["val"], noise=5, every=2)
    dataset = open_dataset(fiftyone, realdata_dir / "tiny_coco")
    add_runs(dataset, datasets, {"r": file}, split=None)
    assert set(dataset.load_saved_view("worst first r").values("split")) == {"val"}
    with pytest.raises(InputError, match="which the data set does not list"):
        add_runs(dataset, datasets, {"s": file}, split="train")
    with pytest.raises(InputError, match="no split 'test', only train, val"):
        add_runs(dataset, datasets, {"s": file}, split="test")
    write_json(file, [{**read_json(file)[0], "image_id": -1}])
    with pytest.raises(InputError, match=r"no split \(train, val\) lists all of its images"):
        add_runs(dataset, datasets, {"s": file}, split=None)
    # What was there is still there.
    assert "oks_r" in dataset.get_field_schema()
