"""Pseudo-labels in FiftyOne, with confidence and inconsistency of each joint."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse.opening import open_dataset
from wepdtof_pose.browse.pseudo_label_fields import add_pseudo_labels
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError

pytestmark = pytest.mark.fiftyone


def entries_of(dataset: PoseDataset) -> list[dict[str, Any]]:
    """As `sspcm pseudo-labels` writes them; joint j of person p is inconsistent by j + p."""
    entries = []
    for row, (frame, person) in enumerate(
        zip(dataset.people["frame_id"].tolist(), dataset.people["id"].tolist(), strict=True)
    ):
        keypoints = dataset.keypoints[row].astype(float)
        keypoints[:, 2] = np.arange(14) / 14
        entries.append(
            {
                "image_id": frame,
                "category_id": 1,
                "keypoints": keypoints.ravel().tolist(),
                "score": 0.5,
                "person_id": person,
                "labelled": False,
                "inconsistency": [None if j == 13 else float(row + j) for j in range(14)],
                "kept": [int(j > 4) for j in range(14)],
            }
        )
    return entries


@pytest.fixture
def file(sample: PoseDataset, tmp_path: Path) -> Path:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(entries_of(sample)))
    return path


def test_joints_have_confidence_and_inconsistency(
    fiftyone: Any, sample: PoseDataset, file: Path
) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    add_pseudo_labels(dataset, {"all": sample}, file, split=None)
    row_of = {person: row for row, person in enumerate(sample.people["id"].tolist())}
    seen = set()
    for frame in dataset:
        for pose in frame.pseudo_labels.keypoints:
            row = row_of[pose.person]
            np.testing.assert_allclose(pose.confidence, np.arange(14) / 14)
            np.testing.assert_array_equal(pose.inconsistency, [*(row + np.arange(13)), np.nan])
            assert pose.kept == [0] * 5 + [1] * 9
            assert (pose.joints_kept, pose.mean_inconsistency) == (9, row + 6)
            seen.add(pose.person)
        means = [pose.mean_inconsistency for pose in frame.pseudo_labels.keypoints]
        assert frame.pseudo_label_inconsistency == pytest.approx(np.mean(means))
    assert seen == row_of.keys()
    view = dataset.load_saved_view("inconsistent pseudo-labels")
    values = view.values("pseudo_label_inconsistency")
    assert values == sorted(values, reverse=True)
    assert "pseudo_labels" in dataset.app_config.active_fields.paths


def test_another_file_takes_their_place(
    fiftyone: Any, sample: PoseDataset, file: Path, tmp_path: Path
) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    add_pseudo_labels(dataset, {"all": sample}, file, split=None)
    few = tmp_path / "few.json"
    few.write_text(json.dumps(entries_of(sample)[:3]))
    add_pseudo_labels(dataset, {"all": sample}, few, split=None)
    assert dataset.count("pseudo_labels.keypoints") == 3


def test_a_file_without_numbers_of_joints_is_refused(
    fiftyone: Any, sample: PoseDataset, tmp_path: Path
) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    plain = [{**entry, "kept": [1]} for entry in entries_of(sample)]
    file = tmp_path / "plain.json"
    file.write_text(json.dumps(plain))
    with pytest.raises(InputError, match=r"results\[0\] has no list 'kept' of 14 numbers"):
        add_pseudo_labels(dataset, {"all": sample}, file, split=None)
