"""What is computed from a cell's predictions agrees with the cell's own result."""

import dataclasses
import shutil

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from benchmarks.analyses.people_scores import (
    cell_predictions,
    measure_joint_ap,
    people_groups,
    right_joints,
    scored_poses,
)
from benchmarks.commands.main import main
from benchmarks.report.people_pictures import SHOWN, hardest_and_samples
from benchmarks.results.results import read_cell, read_results
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.scores.coco import coco_scores
from wepdtof_pose.scores.people import people_scores


@pytest.fixture
def cell(comparison):
    return read_cell(comparison / "cells" / "sspcm-8-seed0")


def test_right_joints_of_people_are_those_of_the_score(cell):
    right, labelled, _ = right_joints(cell)
    assert right.sum() / labelled.sum() == pytest.approx(cell.scores()["PCK@0.2"])


def test_people_are_grouped_by_scene_where_scenes_are_known(cell):
    test, _ = cell_predictions(cell)
    kind, groups = right_joints(cell)[2]
    scenes = test.frames["scene"].to_numpy()[test.frame_rows]
    assert kind == "scene"
    assert len(set(zip(groups, scenes, strict=True))) == len(set(scenes)) == len(set(groups))
    frames = dataclasses.replace(test, frames=test.frames.assign(scene=None))
    kind, groups = people_groups(frames)
    assert kind == "frame"
    np.testing.assert_array_equal(groups, test.frame_rows)


def test_oks_of_people_is_that_of_the_joints(cell):
    oks = people_scores(*cell_predictions(cell)).oks
    assert oks.shape == (cell.result.people_test,)
    joints = cell.scores()["per_joint"].values()
    assert oks.mean() == pytest.approx(np.mean([joint["OKS"] for joint in joints]), abs=1e-4)


def test_every_joint_has_an_ap(cell):
    found = measure_joint_ap(cell)
    assert list(found) == list(get_keypoint_set("wepdtof-pose-14").joints)
    assert all(0 <= value <= 1 for value in found.values())
    # The joints are better than nothing, and not all alike.
    assert len(set(found.values())) > 1


def test_all_joints_together_have_the_ap_of_the_cell(cell):
    test, kept = scored_poses(cell)
    scores = coco_scores(test, kept)
    assert scores["AP"] == pytest.approx(cell.scores()["AP"])
    assert scores["AR"] == pytest.approx(cell.scores()["AR"])


@pytest.fixture(scope="module")
def partly_labelled(tiny_fisheye, bench_arguments, tmp_path_factory):
    """A cell whose data has people with a box alone, on the test split too."""
    folder = tmp_path_factory.mktemp("partly")
    people = load_dataset(tiny_fisheye)["all"]
    people.keypoints[::2] = 0
    coco.write(people, folder / "data" / "annotations" / "person_keypoints.json")
    (folder / "data" / "images").symlink_to(people.root)
    options = ["--methods", "supervised", "--ratio", "8", "--preset", "quick"]
    found = CliRunner().invoke(main, bench_arguments(folder / "data", folder / "runs", *options))
    assert found.exit_code == 0, found.output
    return read_cell(folder / "runs" / "cells" / "supervised-8-seed0")


def test_people_with_a_box_alone_do_not_shift_the_others(partly_labelled):
    cell = partly_labelled
    test, predictions = cell_predictions(cell)
    assert len(predictions) == cell.result.people_test < len(test)
    assert (test.keypoints[predictions.people, :, 2] > 0).any(axis=1).all()
    right, labelled, _ = right_joints(cell)
    assert right.sum() / labelled.sum() == pytest.approx(cell.scores()["PCK@0.2"])
    assert coco_scores(*scored_poses(cell))["AP"] == pytest.approx(cell.scores()["AP"])
    hard, samples = hardest_and_samples(read_results(cell.folder.parents[1]), None, "AP")
    assert len(hard.value) == len(samples.value) == min(SHOWN, len(predictions))


def test_results_alone_have_no_predictions(comparison, tmp_path):
    source = comparison / "cells" / "sspcm-8-seed0"
    shutil.copytree(source, tmp_path / "cell", ignore=shutil.ignore_patterns("predictions.json"))
    with pytest.raises(InputError, match=r"has no predictions\.json"):
        measure_joint_ap(read_cell(tmp_path / "cell"))


def test_data_that_were_moved_are_read_where_they_are(cell, tiny_fisheye, tmp_path):
    shutil.copytree(cell.folder, tmp_path / "cell", ignore=shutil.ignore_patterns("*.pt"))
    file = tmp_path / "cell" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["data"]["path"] = "gone"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="gone"):
        cell_predictions(read_cell(tmp_path / "cell"))
    found, _ = cell_predictions(read_cell(tmp_path / "cell", data=tiny_fisheye))
    assert found.content_hash() == cell_predictions(cell)[0].content_hash()
