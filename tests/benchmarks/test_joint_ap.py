"""What is computed from a cell's predictions agrees with the cell's own result."""

import shutil

import numpy as np
import pytest

from benchmarks.joint_ap import cell_predictions, measure_joint_ap
from benchmarks.people_scores import person_oks, right_joints
from benchmarks.results import read_cell
from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import get_keypoint_set


@pytest.fixture
def cell(comparison):
    return read_cell(comparison / "cells" / "sspcm-8-seed0")


def test_right_joints_of_people_are_those_of_the_score(cell):
    right, labelled, frames = right_joints(cell)
    assert right.sum() / labelled.sum() == pytest.approx(cell.scores()["PCK@0.2"])
    assert len(frames) == cell.result["people_test"]


def test_oks_of_people_is_that_of_the_joints(cell):
    oks = person_oks(*cell_predictions(cell))
    assert oks.shape == (cell.result["people_test"],)
    joints = cell.scores()["per_joint"].values()
    assert oks.mean() == pytest.approx(np.mean([joint["OKS"] for joint in joints]), abs=1e-4)


def test_every_joint_has_an_ap(cell):
    found = measure_joint_ap(cell)
    assert list(found) == list(get_keypoint_set("wepdtof-pose-14").joints)
    assert all(0 <= value <= 1 for value in found.values())


def test_results_alone_have_no_predictions(comparison, tmp_path):
    source = comparison / "cells" / "sspcm-8-seed0"
    shutil.copytree(source, tmp_path / "cell", ignore=shutil.ignore_patterns("predictions.json"))
    with pytest.raises(InputError, match=r"has no predictions\.json"):
        measure_joint_ap(read_cell(tmp_path / "cell"))
