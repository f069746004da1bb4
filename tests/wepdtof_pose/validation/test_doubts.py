"""What every command that reads says is doubtful in a data set."""

from dataclasses import replace

import numpy as np
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.validation.validate import doubts_about, validate_dataset


def test_boxes_of_no_size_are_doubtful() -> None:
    dataset = load_dataset(sample_folder())["all"]
    people = dataset.people.copy()
    people.loc[[1, 4], "w"] = [0, -8]
    people.loc[5, ["h", "iscrowd"]] = [0, 1]
    doubts = doubts_about(replace(dataset, people=people))
    assert "2 people have a box without width or height" in " ".join(doubts)


def test_labelled_joints_that_are_nowhere_are_doubtful() -> None:
    dataset = load_dataset(sample_folder())["all"]
    keypoints = dataset.keypoints.copy()
    keypoints[0, 0], keypoints[1, 3], keypoints[2, 4] = [0, 0, 2], [-1, -1, 1], [0, 0, 0]
    doubts = doubts_about(replace(dataset, keypoints=keypoints))
    assert [doubt.partition(" where")[0] for doubt in doubts] == [
        "2 labelled joints are at 0, 0 or -1, -1,"
    ]


def test_people_who_are_given_twice_are_doubtful() -> None:
    dataset = load_dataset(sample_folder())["all"]
    assert doubts_about(dataset) == []
    twice = dataset.select_people(np.array([0, 1, 1, 2, 2, 2]))
    (doubt,) = doubts_about(twice)
    assert doubt.startswith("3 people have the box and all joints of another one")
    twice.keypoints[2, 0, 0] += 1
    assert "2 people have" in doubts_about(twice)[0]


def test_boxes_of_no_size_without_joints_are_one_doubt() -> None:
    dataset = load_dataset(sample_folder())["all"].select_people(np.array([0, 1, 1]))
    people = dataset.people.copy()
    people.loc[[1, 2], ["x", "y", "w", "h"]] = 0
    people.loc[[1, 2], list(ROTATED_BOX_COLUMNS)] = np.nan
    empty = replace(dataset, people=people, keypoints=dataset.keypoints.copy())
    empty.keypoints[1:] = 0
    (doubt,) = doubts_about(empty)
    assert doubt.startswith("2 people have a box without width or height")
    assert "box-repeated" not in validate_dataset(empty).counts
