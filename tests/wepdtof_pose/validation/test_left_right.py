"""Exchanged joints of people whose labels are exact: what is told, and how often by mistake."""

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.validation.left_right import exchanged_sides


@pytest.fixture(scope="module")
def sample() -> PoseDataset:
    return load_dataset(sample_folder())["all"]


def found(dataset: PoseDataset, keypoints: np.ndarray) -> np.ndarray:
    areas = dataset.boxes[:, 2:].prod(axis=1)
    masks = [mask for _, mask in exchanged_sides(keypoints, dataset.keypoint_set, areas)]
    return np.any(masks, axis=0)


def swapped(dataset: PoseDataset, *parts: str) -> np.ndarray:
    joints, keypoints = dataset.keypoint_set.joints, dataset.keypoints.copy()
    for part in parts:
        pair = [joints.index(f"{side}_{part}") for side in ("right", "left")]
        keypoints[:, pair] = keypoints[:, pair[::-1]]
    return keypoints


def test_exact_labels_raise_no_alarm(sample: PoseDataset) -> None:
    assert not found(sample, sample.keypoints).any()


@pytest.mark.parametrize(
    ("parts", "least"),
    [
        (("elbow", "wrist"), 0.7),
        (("hip", "knee", "ankle"), 0.4),
        (("shoulder", "elbow", "wrist"), 0.4),
    ],
)
def test_exchanged_limbs_are_told(sample: PoseDataset, parts: tuple, least: float) -> None:
    assert found(sample, swapped(sample, *parts)).mean() > least


@pytest.mark.parametrize(
    "parts", [("wrist",), ("ankle",), ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
)
def test_what_cannot_be_told_is_not_claimed(sample: PoseDataset, parts: tuple) -> None:
    assert not found(sample, swapped(sample, *parts)).any()


def test_joints_that_are_not_labelled_say_nothing(sample: PoseDataset) -> None:
    keypoints = swapped(sample, "elbow", "wrist")
    keypoints[..., 2] = 0
    assert not found(sample, keypoints).any()
