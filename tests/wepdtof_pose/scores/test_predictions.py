from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.scores.predictions import (
    Predictions,
    from_results,
    predictions_of_people,
    rescore,
    suppress,
    to_results,
)

PAIR = KeypointSet("pair", ("head_top", "neck"), (), (), (0.1, 0.1))


@pytest.fixture
def dataset() -> PoseDataset:
    """Two people on frame "b", one on frame 7."""
    return PoseDataset(
        frames=make_frames(
            id=["b", 7], file_name=["b.jpg", "7.jpg"], width=[100, 100], height=[80, 80]
        ),
        people=make_people(
            id=[1, 2, 3], frame_id=["b", "b", 7], x=[0, 50, 20], y=[0, 0, 0], w=[20] * 3, h=[40] * 3
        ),
        keypoints=np.ones((3, 2, 3), dtype=np.float32),
        keypoint_set=PAIR,
        root=Path(),
    )


def poses(scores: list[list[float]]) -> np.ndarray:
    keypoints = np.zeros((len(scores), 2, 3))
    keypoints[..., 2] = scores
    return keypoints


def result(**changes: Any) -> dict[str, Any]:
    return {"image_id": "b", "keypoints": [1, 2, 0.5, 3, 4, 1], "score": 0.5} | changes


def test_predictions_of_people_carry_frames_and_boxes(dataset: PoseDataset) -> None:
    found = predictions_of_people(dataset, poses([[0.2, 0.4], [1, 1]]), rows=np.array([2, 0]))
    assert found.frame_ids.tolist() == [7, "b"]
    np.testing.assert_allclose(found.scores, [0.3, 1])
    assert found.boxes is not None
    assert found.boxes[:, 0].tolist() == [20, 0]
    with pytest.raises(InputError, match="1 predicted poses for 3 people"):
        predictions_of_people(dataset, poses([[1, 1]]))


@pytest.mark.parametrize(
    ("joint_scores", "expected"),
    [([0.4, 0.8], 0.3), ([0.2, 0.8], 0.4), ([0.1, 0.2], 0.0)],
)
def test_rescoring(joint_scores: list[float], expected: float) -> None:
    found = Predictions(np.array([1]), poses([joint_scores]), np.array([0.5]))
    assert rescore(found, 0.2).scores.tolist() == pytest.approx([expected])


def test_suppression_works_frame_by_frame() -> None:
    frame_ids = np.array(["b", 7, "b", 7], dtype=object)
    found = Predictions(frame_ids, poses([[1, 1]] * 4), np.array([0.1, 0.2, 0.3, 0.15]))
    left = suppress(found, np.full(4, 100.0), np.array(PAIR.sigmas), 0.5)
    assert left.frame_ids.tolist() == ["b", 7]
    assert left.scores.tolist() == [0.3, 0.2]
    nothing = suppress(found.select(np.zeros(4, dtype=bool)), np.zeros(0), np.ones(2))
    assert len(nothing) == 0


def test_results_round_trip(dataset: PoseDataset) -> None:
    found = predictions_of_people(dataset, poses([[0.25, 0.5], [1, 1], [0, 0.5]]))
    again = from_results(to_results(found), dataset, source="results")
    assert again.frame_ids.tolist() == ["b", "b", 7]
    np.testing.assert_array_equal(again.keypoints, found.keypoints)
    np.testing.assert_array_equal(again.scores, found.scores)
    assert again.boxes is not None
    np.testing.assert_array_equal(again.boxes, dataset.boxes)


def test_boxes_need_every_result_to_have_one(dataset: PoseDataset) -> None:
    assert from_results([result(bbox=[0, 0, 1, 1]), result()], dataset, source="").boxes is None
    assert len(from_results([], dataset, source="")) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({}, "is no COCO results file", id="an object"),
        pytest.param([3], "is no COCO results file", id="a list of numbers"),
        pytest.param({"annotations": []}, "has annotations, not predictions", id="annotations"),
        pytest.param({"instance_info": []}, "is what MMPose found", id="another tool's"),
        pytest.param(
            [result(keypoints=[0.5, 0.25, 0.9, 1, 0, 1])], "shares of the image", id="shares"
        ),
        pytest.param([{"score": 1}], "no 'image_id'", id="no image"),
        pytest.param([result(image_id=8)], "image 8, which", id="unknown image"),
        pytest.param([result(image_id=[7])], r"image \[7\]", id="image is a list"),
        pytest.param([result(keypoints=[1, 2, 3])], r"\[0\].*3 numbers instead of 6", id="short"),
        pytest.param([result(), result(score=None)], r"\[1\].*'score'", id="no score"),
        pytest.param([result(score=float("nan"))], "finite", id="NaN score"),
        pytest.param([result(bbox=[1, 2])], "'bbox' has 2", id="short box"),
    ],
)
def test_bad_results_are_refused(dataset: PoseDataset, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_results(content, dataset, source="results.json")


def test_arrays_of_unlike_length_are_refused() -> None:
    with pytest.raises(InputError, match="1 predicted poses but 2 scores"):
        Predictions(np.array([1]), poses([[1, 1]]), np.ones(2))
    with pytest.raises(InputError, match=r"\(1, 2\)"):
        Predictions(np.array([1]), np.ones((1, 2)), np.ones(1))


def test_a_frame_is_named_by_its_file_first(make_dataset: Callable) -> None:
    dataset = make_dataset([1, 1])
    first, second = dataset.frames["file_name"]
    results = to_results(predictions_of_people(dataset, dataset.keypoints))
    swapped = [
        {**row, "file_name": name} for row, name in zip(results, (second, first), strict=True)
    ]
    found = from_results(swapped, dataset, source="results.json")
    assert found.frame_ids.tolist() == dataset.frames["id"].tolist()[::-1]
    swapped[1]["file_name"] = "nobody.jpg"
    with pytest.raises(InputError, match=r"results\[1\] is of image 'nobody\.jpg'"):
        from_results(swapped, dataset, source="results.json")
