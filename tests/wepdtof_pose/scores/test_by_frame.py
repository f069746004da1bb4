"""Scores of people and frames are the evaluator's own numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.scores.by_frame import frame_scores
from wepdtof_pose.scores.coco import coco_evaluation, coco_scores, frames_by_id
from wepdtof_pose.scores.predictions import Predictions, predictions_of_people


def noisy(dataset: PoseDataset, rows: np.ndarray, *, seed: int = 0) -> Predictions:
    """Predictions of these people, without saying whose they are."""
    rng = np.random.default_rng(seed)
    keypoints = dataset.keypoints.astype(np.float64)
    keypoints[..., :2] += rng.normal(0, 1.5, keypoints[..., :2].shape)
    everybody = predictions_of_people(dataset, keypoints, scores=rng.uniform(0, 1, len(dataset)))
    return replace(everybody.select(rows), people=None)


@pytest.fixture(scope="module")
def sample() -> PoseDataset:
    return load_dataset(sample_folder())["all"]


def test_oks_is_the_entry_of_the_evaluators_matrix(sample: PoseDataset) -> None:
    predictions = noisy(sample, np.arange(0, len(sample), 2))
    scores = frame_scores(sample, predictions)
    evaluation = coco_evaluation(sample, predictions)
    order = frames_by_id(sample)
    compared = 0
    for place, frame in enumerate(order):
        matrix = np.asarray(evaluation.computeOks(place + 1, 1))
        # Rows are predictions by falling score, columns people in file order.
        rows = np.flatnonzero(predictions.frame_ids == sample.frames["id"].iloc[frame])
        rows = rows[np.argsort(-predictions.scores[rows], kind="mergesort")]
        for column, person in enumerate(np.flatnonzero(sample.frame_rows == frame)):
            if scores.matched[person] >= 0:
                entry = matrix[rows.tolist().index(scores.matched[person]), column]
                assert scores.oks[person] == pytest.approx(entry, abs=1e-12)
                compared += 1
    assert compared == len(predictions)


def test_ap_of_a_frame_is_that_of_the_evaluator_on_it_alone(sample: PoseDataset) -> None:
    predictions = noisy(sample, np.flatnonzero(np.arange(len(sample)) % 7 > 0))
    scores = frame_scores(sample, predictions)
    for row, frame_id in enumerate(sample.frames["id"]):
        alone = sample.select_frames(np.array([row]))
        expected = coco_scores(alone, predictions.select(predictions.frame_ids == frame_id))["AP"]
        assert scores.ap[row] == pytest.approx(expected, abs=1e-12)
    assert 0.05 < scores.ap.mean() < 0.95


def test_missed_people_and_frames_that_nobody_predicted_on(make_dataset: Callable) -> None:
    dataset = make_dataset((2, 1, 3), iscrowd=[0, 0, 0, 0, 0, 1])
    keypoints = dataset.keypoints.astype(np.float64)
    exact = predictions_of_people(dataset, keypoints, scores=np.ones(len(dataset)))
    # Of the first frame one of two, of the second nobody, of the third one of two and the crowd.
    scores = frame_scores(dataset, replace(exact.select(np.array([0, 3])), people=None))
    np.testing.assert_allclose(scores.oks, [1, 0, np.nan, 1, 0, np.nan])
    assert scores.missed.tolist() == [False, True, False, False, True, False]
    assert scores.predicted.tolist() == [True, False, True]
    np.testing.assert_allclose(scores.ap, [51 / 101, np.nan, 51 / 101])
    assert np.isnan(scores.errors[1]).all()
    # The third joint is not labelled.
    assert np.isnan(scores.errors[0]).nonzero()[0].tolist() == [2]
    assert np.nanmax(scores.errors[0]) < 1e-4


def test_errors_are_distances_in_pixels(make_dataset: Callable) -> None:
    dataset = make_dataset((1,))
    keypoints = dataset.keypoints.astype(np.float64)
    keypoints[0, :, 0] += 3
    keypoints[0, :, 1] -= 4
    scores = frame_scores(dataset, predictions_of_people(dataset, keypoints, scores=np.ones(1)))
    labelled = dataset.keypoints[0, :, 2] > 0
    np.testing.assert_allclose(scores.errors[0, labelled], 5, atol=1e-5)
