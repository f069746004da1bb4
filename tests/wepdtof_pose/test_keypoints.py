import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import (
    KeypointSet,
    canonical_joint_name,
    convert_keypoints,
    get_keypoint_set,
    joint_mapping,
    keypoint_set_from_names,
    keypoint_set_names,
    with_flip_pairs,
)

SETS = keypoint_set_names()


@pytest.mark.parametrize("name", SETS)
def test_flipping_twice_is_identity(name: str) -> None:
    permutation = get_keypoint_set(name).flip_permutation
    np.testing.assert_array_equal(permutation[permutation], np.arange(len(permutation)))


@pytest.mark.parametrize("name", SETS)
def test_flip_exchanges_left_and_right_names(name: str) -> None:
    keypoint_set = get_keypoint_set(name)
    swap = {"left": "right", "right": "left"}
    for joint, mirrored in enumerate(keypoint_set.flip_permutation):
        side, _, rest = keypoint_set.joints[joint].partition("_")
        expected = f"{swap[side]}_{rest}" if side in swap else keypoint_set.joints[joint]
        assert keypoint_set.joints[mirrored] == expected


@pytest.mark.parametrize("name", SETS)
def test_skeleton_joins_every_joint_and_mirrors_onto_itself(name: str) -> None:
    keypoint_set = get_keypoint_set(name)
    drawn = {joint for edge in keypoint_set.skeleton for joint in edge}
    assert drawn == set(range(len(keypoint_set)))
    flip = keypoint_set.flip_permutation
    edges = {frozenset(edge) for edge in keypoint_set.skeleton}
    assert {frozenset((flip[a], flip[b])) for a, b in edges} == edges


@pytest.mark.parametrize("source", SETS)
@pytest.mark.parametrize("target", SETS)
def test_conversion_goes_by_name_and_back(source: str, target: str) -> None:
    a, b = get_keypoint_set(source), get_keypoint_set(target)
    keypoints = np.random.default_rng(0).uniform(1, 2, (3, len(a), 3)).astype(np.float32)
    there = convert_keypoints(keypoints, a, b)
    for joint, name in enumerate(b.joints):
        expected = keypoints[:, a.joints.index(name)] if name in a.joints else 0
        np.testing.assert_array_equal(there[:, joint], np.broadcast_to(expected, (3, 3)))
    shared = joint_mapping(b, a) >= 0
    np.testing.assert_array_equal(convert_keypoints(there, b, a)[:, shared], keypoints[:, shared])


def test_two_sets_of_14_joints_are_told_apart_by_order() -> None:
    names = get_keypoint_set("lsp-14").joints
    assert keypoint_set_from_names(names).name == "lsp-14"
    assert keypoint_set_from_names(names[::-1]).name == "custom"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Right Shoulder", "right_shoulder"),
        ("right-ankle", "right_ankle"),
        ("  Head  top ", "head_top"),
        ("rsho", "right_shoulder"),
        ("左肩", "left_shoulder"),
        ("脖子", "neck"),
        ("tail", "tail"),
        ("shoulder_left", "left_shoulder"),
        ("leftShoulder", "left_shoulder"),
        ("LeftShoulder", "left_shoulder"),
        ("LShoulder", "left_shoulder"),
        ("LSHOULDER", "left_shoulder"),
        ("L_Shoulder", "left_shoulder"),
        ("shoulder.L", "left_shoulder"),
        ("Shoulder (left)", "left_shoulder"),
        ("Shoulder-R", "right_shoulder"),
        ("RBigToe", "right_big_toe"),
        ("rightFoot", "right_foot"),
        ("headTop", "head_top"),
        ("TopHead", "head_top"),
        ("left", "left"),
        ("L5", "l5"),
        ("thumb1_r", "right_thumb1"),
    ],
)
def test_joint_names(written: str, canonical: str) -> None:
    assert canonical_joint_name(written) == canonical
    assert canonical_joint_name(canonical) == canonical


@pytest.mark.parametrize(
    "names",
    [
        ("shoulder_left", "nose", "shoulder_right"),
        ("leftShoulder", "nose", "rightShoulder"),
        ("LShoulder", "nose", "RShoulder"),
        ("paw_l", "nose", "paw_r"),
        ("front_left_paw", "nose", "front_right_paw"),
    ],
)
def test_sides_are_told_however_they_are_spelled(names: tuple[str, ...]) -> None:
    assert keypoint_set_from_names(names).flip_pairs == ((0, 2),)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (("nose", "left_eye", "right_eye"), []),
        (("nose", "left_eye", "right_eye"), [(0, 1)]),
        (("nose", "neck", "a"), [(0, 1)]),
        (("nose", "neck", "a"), [(0, 2)]),
        (("nose", "a", "b"), [(1, 3)]),
        (("nose", "a", "b"), [(1, 1)]),
    ],
)
def test_mirror_pairs_that_contradict_the_names(
    names: tuple[str, ...], pairs: list[tuple[int, int]]
) -> None:
    with pytest.raises(InputError):
        with_flip_pairs(keypoint_set_from_names(names), pairs, source="a file")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"joints": ("a", "a")}, "twice"),
        ({"flip_pairs": ((0, 1), (1, 2))}, "involution"),
        ({"flip_pairs": ((0, 3),)}, "involution"),
        ({"skeleton": ((0, 3),)}, "outside 0..2"),
        ({"sigmas": (0.1,)}, "1 sigmas"),
        ({"sigmas": (0.0, 0.1, 0.1)}, "finite and above 0"),
        ({"sigmas": (0.1, -1.0, 0.1)}, "finite and above 0"),
        ({"sigmas": (0.1, 0.1, float("nan"))}, "finite and above 0"),
        ({"sigmas": (0.1, 0.1, float("inf"))}, "finite and above 0"),
    ],
)
def test_impossible_sets_are_refused(fields: dict, error: str) -> None:
    with pytest.raises(InputError, match=error):
        KeypointSet(**{"name": "x", "joints": ("a", "b", "c"), "flip_pairs": (), **fields})


def test_unknown_set_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="wepdtof-pose-14, aic-14"):
        get_keypoint_set("wepdtof")


def test_sigmas_of_a_file_are_named_as_its_own() -> None:
    joints = get_keypoint_set("coco-17").joints
    own = keypoint_set_from_names(joints, sigmas=[0.5] * 17)
    assert own.name == "coco-17 (own sigmas)"
    np.testing.assert_array_equal(own.require_sigmas(), 0.5)
    assert keypoint_set_from_names(joints, sigmas=[]) == get_keypoint_set("coco-17")


def test_a_set_without_sigmas_says_how_to_add_them() -> None:
    with pytest.raises(InputError, match="add a list 'sigmas'"):
        keypoint_set_from_names(["a", "b"]).require_sigmas()
