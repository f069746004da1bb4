import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from wepdtof_pose.conversion.registry import READERS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import mpii
from wepdtof_pose.geometry import boxes_to_center_scale
from wepdtof_pose.validation.validate import doubts_about


def make_entry(**changes: Any) -> dict[str, Any]:
    entry = {
        "image": "a.jpg",
        "joints": [[-1.0, -1.0], *([20.5 + j, 30.0 + j] for j in range(1, 16))],
        "joints_vis": [0] + [1] * 15,
        "center": [50.0, 40.0],
        "scale": 0.35,
        **changes,
    }
    return {key: value for key, value in entry.items() if value is not ...}


def write(folder: Path, entries: Any) -> Path:
    (folder / "images").mkdir()
    image = cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1]
    (folder / "images" / "a.jpg").write_bytes(image.tobytes())
    (folder / "train.json").write_text(json.dumps(entries))
    return folder / "train.json"


def test_coordinates_count_from_zero(tmp_path: Path) -> None:
    dataset = mpii.read(write(tmp_path, [make_entry()] * 2)).datasets["all"]
    assert dataset.keypoint_set.name == "mpii-16"
    assert dataset.keypoints[0, :2].tolist() == [[0, 0, 0], [20.5, 30, 2]]
    assert (len(dataset), len(dataset.frames)) == (2, 1)
    assert mpii.to_entries(dataset) == [make_entry()] * 2


@pytest.mark.parametrize("scale", [-1, 0.35])
def test_who_has_no_crop_gets_the_box_of_the_joints(tmp_path: Path, scale: float) -> None:
    without = make_entry(scale=scale, center=[-1.0, -1.0])
    reading = mpii.read(write(tmp_path, [make_entry(), without]))
    assert reading.datasets["all"].boxes[1].tolist() == [20.5, 30, 14, 14]
    assert reading.left_out == {"boxes that are the extent of the joints": 1}


def test_a_joint_that_is_nowhere_is_not_labelled(tmp_path: Path) -> None:
    reading = mpii.read(write(tmp_path, [make_entry(joints_vis=[1] * 16)]))
    assert reading.datasets["all"].keypoints[0, :2].tolist() == [[0, 0, 0], [20.5, 30, 2]]
    assert reading.left_out == {"labelled joints at -1, -1, which is no place": 1}
    points = point(9, 21.5, 31, 1), point(0, -1, -1, 1), point(1, -1, -1, np.zeros((0, 0)))
    other = tmp_path / "release"
    other.mkdir()
    reading = mpii.read(write_release(other, rect(*points)))
    keypoints = reading.datasets["all"].keypoints[0]
    assert np.flatnonzero(keypoints[:, 2]).tolist() == [9]
    assert reading.left_out == {"labelled joints at -1, -1, which is no place": 2}


@pytest.mark.parametrize("folder", ["annotations", "annot"])
def test_images_beside_the_folder_of_annotations(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    write(tmp_path, [make_entry()]).rename(tmp_path / folder / "train.json")
    (tmp_path / folder / "valid.json").write_text(json.dumps([make_entry()] * 2))
    reading = READERS["mpii"](tmp_path, None, None)
    assert {name: len(dataset) for name, dataset in reading.datasets.items()} == {
        "train": 1,
        "val": 2,
    }
    assert {dataset.root for dataset in reading.datasets.values()} == {tmp_path / "images"}


@pytest.mark.parametrize(
    "foreign",
    [{"scale": 2.5}, {"center": "middle", "scale": 1}, {"center": [50, 40], "scale": 0.7}],
    ids=str,
)
def test_a_center_and_scale_that_do_not_give_the_box(make_dataset: Callable, foreign: dict) -> None:
    dataset = make_dataset([1], keypoint_set="mpii-16", w=[50.0], h=[50.0])
    expected = mpii.to_entries(dataset)
    dataset.people["extra"] = [foreign]
    assert mpii.to_entries(dataset) == expected
    lost = mpii.write({"all": dataset}).not_held
    assert lost["center and scale that do not give the box"] == 1


def test_the_box_gives_the_published_crop() -> None:
    center, scale = np.array([[50.0, 40.0]]), np.array([0.35])
    found, sides = boxes_to_center_scale(mpii.crop_boxes(center, scale), (256, 256))
    np.testing.assert_allclose(found, [[49, 39 + 15 * 0.35]], rtol=1e-6)
    np.testing.assert_allclose(sides, [[1.25 * 0.35] * 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        (make_entry(joints=...), r"\[0\] \(a.jpg\): has no 'joints' \(the test list"),
        (make_entry(joints=[[1, 2]]), "not a list of 16 points"),
        (make_entry(joints=[[1]] * 16), "1 numbers instead of 2"),
        (make_entry(joints_vis=[2] * 16), "not all 0 or 1"),
        (make_entry(scale="big"), "'scale' holds 'big'"),
        (make_entry(center=...), "'center' is missing"),
        (make_entry(image="b.jpg"), r"images/b\.jpg: no such image: .* with --images"),
        (make_entry(image=...), "'image' is not a usable file name"),
        ("x", "expected a JSON list"),
    ],
    ids=str,
)
def test_broken_content(tmp_path: Path, entry: Any, error: str) -> None:
    with pytest.raises(InputError, match=error):
        mpii.read(write(tmp_path, [entry]))


def struct(**fields: Any) -> np.ndarray:
    """A struct of one element as savemat takes it."""
    array = np.zeros((1, 1), dtype=[(name, object) for name in fields])
    for name, value in fields.items():
        array[name][0, 0] = value
    return array


def row(*structs: np.ndarray) -> np.ndarray:
    """A struct array of these, which have the same fields."""
    return np.concatenate(structs, axis=1) if structs else np.zeros((0, 0))


def point(joint: int, x: float, y: float, visible: Any) -> np.ndarray:
    return struct(x=x, y=y, id=joint, is_visible=visible)


def write_release(folder: Path, *people: np.ndarray, name: str = "a.jpg") -> Path:
    """The released file with these people on one image; a second image has nobody."""
    (folder / "images").mkdir()
    image = cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1]
    (folder / "images" / "a.jpg").write_bytes(image.tobytes())
    fields = {"frame_sec": 3.0, "vididx": 12.0}
    images = row(
        struct(image=struct(name=name), annorect=row(*people), **fields),
        struct(image=struct(name="b.jpg"), annorect=row(), **fields),
    )
    release = struct(annolist=images, img_train=np.array([[1, 0]]))
    savemat(folder / "release.mat", {"RELEASE": release}, do_compression=True)
    return folder / "release.mat"


def rect(*points: np.ndarray, scale: Any = 0.35, objpos: Any = None) -> np.ndarray:
    place = struct(x=50.0, y=40.0) if objpos is None else objpos
    own = struct(point=row(*points)) if points else np.zeros((0, 0))
    head = {"x1": 1.0, "y1": 2.0, "x2": 11.0, "y2": 12.0}
    return struct(**head, annopoints=own, scale=scale, objpos=place)


def test_the_released_file(tmp_path: Path) -> None:
    points = [point(9, 21.5, 31, 1), point(0, 11, 12, "0"), point(8, 5, 6, np.zeros((0, 0)))]
    path = write_release(tmp_path, rect(*points), rect(), rect(points[0], scale=np.zeros((0, 0))))
    reading = mpii.read(path)
    dataset = reading.datasets["all"]
    assert dataset.keypoints[0, [9, 0, 8, 1]].tolist() == [
        [20.5, 30, 2],
        [10, 11, 1],
        [4, 5, 2],
        [0, 0, 0],
    ]
    np.testing.assert_allclose(dataset.boxes[0], [49 - 35, 39 + 15 * 0.35 - 35, 70, 70])
    assert dataset.people["extra"].tolist() == [
        {"center": [50.0, 40.0], "scale": 0.35, "head": [1.0, 2.0, 11.0, 12.0]}
    ]
    assert dataset.frames[["file_name", "scene"]].values.tolist() == [["a.jpg", 12]]
    assert reading.left_out == {
        "people without joints": 1,
        "people without a scale or position": 1,
    }


@pytest.mark.parametrize(
    ("person", "name", "error"),
    [
        (rect(point(16, 1, 2, 1)), "a.jpg", r"image 1 \(a\.jpg\): a point has no 'x', 'y' or 'id'"),
        (rect(point(3, 1, 2, "x")), "a.jpg", "'is_visible' is no finite number"),
        (rect(point(3, 1, 2, 1)), "", "image 1: 'name' is not a usable file name"),
        (rect(), "a.jpg", "has no people with joints"),
    ],
)
def test_broken_releases(tmp_path: Path, person: np.ndarray, name: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        mpii.read(write_release(tmp_path, person, name=name))


def test_another_matlab_file(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"joints": np.zeros((3, 14, 2))})
    with pytest.raises(InputError, match="has no struct 'RELEASE'"):
        mpii.read(tmp_path / "x.mat")


def test_the_other_json(tmp_path: Path) -> None:
    joints = [[0.0, 0.0, 0.0], [21.5, 31, 1.0], *([20.0 + j, 30, 0.0] for j in range(14))]
    entry = {
        "dataset": "MPI",
        "img_paths": "a.jpg",
        "objpos": [50.0, 40.0],
        "scale_provided": 0.35,
        "joint_self": joints,
    }
    dataset = mpii.read(write(tmp_path, [entry])).datasets["all"]
    assert dataset.keypoints[0, :3].tolist() == [[0, 0, 0], [20.5, 30, 2], [19, 29, 1]]
    np.testing.assert_allclose(dataset.boxes[0, 2:], [70, 70])
    (tmp_path / "train.json").write_text(json.dumps([{**entry, "joint_self": joints[:2]}]))
    with pytest.raises(InputError, match=r"\[0\]: 'joint_self' is a list of 2, not a list of 16"):
        mpii.read(tmp_path / "train.json")


def test_labelled_joints_may_be_true_and_false(tmp_path: Path) -> None:
    entry = make_entry(joints_vis=[False] + [True] * 15)
    dataset = mpii.read(write(tmp_path, [entry])).datasets["all"]
    assert (dataset.keypoints[0, :, 2] > 0).tolist() == entry["joints_vis"]


def test_a_loose_box_of_a_single_person_is_no_other_form_of_box(tmp_path: Path) -> None:
    """The square of a crop is wide around most poses: here joints reach over 47 % of its sides."""
    joints = [[20.0 + 5 * j, 30.0 + 5 * j] for j in range(16)]
    entry = make_entry(joints=joints, joints_vis=[1] * 16, center=[100.0, 100.0], scale=0.8)
    dataset = mpii.read(write(tmp_path, [entry])).datasets["all"]
    assert dataset.boxes.tolist() == [[19, 31, 160, 160]]
    assert doubts_about(dataset) == []
