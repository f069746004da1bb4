"""The sample, and predictions made of its annotations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.scores.predictions import predictions_of_people, to_results


@pytest.fixture(scope="session")
def sample() -> PoseDataset:
    return load_dataset(sample_folder())["all"]


def _write(
    file: Path, dataset: PoseDataset, *, noise: float, every: int = 1, seed: int = 0
) -> Path:
    """Predictions that are the annotations moved by up to `noise` pixels, of every n-th person."""
    rng = np.random.default_rng(seed)
    keypoints = dataset.keypoints.astype(np.float64)
    keypoints[..., :2] += rng.normal(0, noise, keypoints[..., :2].shape)
    keypoints[..., 2] = rng.uniform(0.3, 1, keypoints.shape[:2])
    everybody = predictions_of_people(dataset, keypoints, scores=rng.uniform(0.3, 1, len(dataset)))
    write_json(file, to_results(everybody.select(np.arange(0, len(dataset), every))))
    return file


@pytest.fixture(scope="session")
def write_predictions() -> Callable[..., Path]:
    return _write
