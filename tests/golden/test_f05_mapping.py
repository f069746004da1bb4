"""Joint vocabularies and their union against the recorded reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wepdtof_pose.files import read_json
from wepdtof_pose.keypoints import (
    canonical_joint_name,
    convert_keypoints,
    get_keypoint_set,
    joint_mapping,
)

UNION = get_keypoint_set("union-24")
FISHEYE = get_keypoint_set("wepdtof-pose-14")
SETS = {
    "fisheye": "wepdtof-pose-14",
    "ai_challenger": "aic-14",
    "coco": "coco-17",
    "mpii": "mpii-16",
}


@pytest.fixture(scope="module")
def recorded(golden_dir: Path) -> dict[str, Any]:
    return read_json(golden_dir / "f05_mapping.json")


def test_union(recorded: dict[str, Any]) -> None:
    names = [recorded["union_joints"][str(joint)] for joint in range(len(UNION))]
    assert len(recorded["union_joints"]) == len(UNION)
    assert tuple(canonical_joint_name(name) for name in names) == UNION.joints
    assert {frozenset(pair) for pair in UNION.flip_pairs} == {
        frozenset(pair) for pair in recorded["flip_pairs_union"]
    }


def test_every_recorded_set_is_covered(recorded: dict[str, Any]) -> None:
    assert set(recorded["datasets"]) == set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_mappings(recorded: dict[str, Any], name: str) -> None:
    expected, keypoint_set = recorded["datasets"][name], get_keypoint_set(SETS[name])
    names = expected.get("joint_names", [])
    assert [canonical_joint_name(n) for n in names] == list(keypoint_set.joints)
    assert joint_mapping(keypoint_set, UNION).tolist() == expected["union_to_dataset"]
    assert joint_mapping(UNION, keypoint_set).tolist() == expected["dataset_to_union"]


def test_annotation_into_the_union(recorded: dict[str, Any]) -> None:
    example = recorded["example"]
    keypoints = np.array(example["keypoints_14"])
    converted = convert_keypoints(keypoints, FISHEYE, UNION)
    positions = np.array(example["union_joints_3d"])
    visible = np.array(example["union_vis"])
    np.testing.assert_array_equal(converted[..., :2], positions[..., :2])
    np.testing.assert_array_equal(converted[..., 2].clip(0, 1), visible[..., 0])


def test_prediction_out_of_the_union(recorded: dict[str, Any]) -> None:
    example = recorded["example"]
    found = convert_keypoints(np.array(example["pred_24"]), UNION, FISHEYE)
    np.testing.assert_array_equal(found, example["pred_14"])
