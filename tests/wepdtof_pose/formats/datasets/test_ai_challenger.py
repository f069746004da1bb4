import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import ai_challenger

POINTS = [v for j in range(14) for v in (10 + j, 20 + j, (1, 2, 3)[j % 3])]


def make_entry(**changes: Any) -> dict[str, Any]:
    return {
        "image_id": "ab",
        "url": "u",
        "human_annotations": {"human1": [5, 6, 45, 66]},
        "keypoint_annotations": {"human1": POINTS},
        **changes,
    }


def write(folder: Path, entries: Any) -> Path:
    images = folder / "keypoint_train_images_20170902"
    images.mkdir()
    image = cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1]
    (images / "ab.jpg").write_bytes(image.tobytes())
    (folder / "keypoint_train_annotations.json").write_text(json.dumps(entries))
    return folder / "keypoint_train_annotations.json"


def test_original_form(tmp_path: Path) -> None:
    dataset = ai_challenger.read(write(tmp_path, [make_entry()])).datasets["all"]
    assert dataset.keypoint_set.name == "aic-14"
    assert dataset.boxes.tolist() == [[5, 6, 40, 60]]
    assert dataset.keypoints[0, :4].tolist() == [[10, 20, 2], [11, 21, 1], [12, 22, 0], [13, 23, 2]]
    assert dataset.frames[["width", "height"]].values.tolist() == [[120, 90]]
    assert dataset.root.name == "keypoint_train_images_20170902"
    assert ai_challenger.to_entries(dataset) == [make_entry()]


def test_an_id_may_have_the_suffix_of_the_image(tmp_path: Path) -> None:
    entry = make_entry(image_id="ab.jpg")
    dataset = ai_challenger.read(write(tmp_path, [entry])).datasets["all"]
    assert dataset.frames["file_name"].tolist() == ["ab.jpg"]
    assert ai_challenger.to_entries(dataset) == [make_entry()]


def test_names_of_people(tmp_path: Path) -> None:
    names = {"human3": [5, 6, 45, 66], "human1": [5, 6, 45, 66]}
    entry = make_entry(human_annotations=names, keypoint_annotations=dict.fromkeys(names, POINTS))
    dataset = ai_challenger.read(write(tmp_path, [entry])).datasets["all"]
    assert ai_challenger.to_entries(dataset) == [entry]
    assert "names of people" not in ai_challenger.write({"all": dataset}).not_held
    dataset.people["extra"] = [{"human": "human3"}, None]
    (written,) = ai_challenger.to_entries(dataset)
    assert list(written["human_annotations"]) == ["human1", "human2"]
    assert ai_challenger.write({"all": dataset}).not_held["names of people"] == 1


def coco_form(dataset: PoseDataset, *names: list[str]) -> dict[str, Any]:
    """A file with a category for each list of joint names, or one without."""
    categories = [{"id": 1, "name": "human", "keypoints": joints} for joints in names]
    return {**coco.to_dict(dataset), "categories": categories or [{"id": 1, "name": "human"}]}


@pytest.mark.parametrize("named", [True, False])
def test_form_of_coco(make_dataset: Callable, tmp_path: Path, named: bool) -> None:
    dataset = make_dataset(keypoint_set="aic-14")
    names = [["Right Shoulder", *dataset.keypoint_set.joints[1:]]] if named else []
    found = ai_challenger.read(write(tmp_path, coco_form(dataset, *names))).datasets["all"]
    assert found.keypoint_set.name == "aic-14"
    np.testing.assert_array_equal(found.keypoints, dataset.keypoints)


@pytest.mark.parametrize(
    ("others", "error"), [([], "not the joints of aic-14"), ([["paw"]], "several categories")]
)
def test_other_joints_in_the_form_of_coco(
    make_dataset: Callable, tmp_path: Path, others: list[list[str]], error: str
) -> None:
    dataset = make_dataset(keypoint_set="lsp-14")
    content = coco_form(dataset, list(dataset.keypoint_set.joints), *others)
    with pytest.raises(InputError, match=error):
        ai_challenger.read(write(tmp_path, content))


def test_visibility_codes_are_inverse() -> None:
    ours = ai_challenger._VISIBILITY[[1, 2, 3]].tolist()
    assert ours == [2, 1, 0]


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([make_entry(image_id=5)], r"\[0\]: 'image_id' is not a usable"),
        ([make_entry(image_id="cd")], r"cd\.jpg: no such image"),
        ([make_entry()] * 2, "'ab' is used twice"),
        ([make_entry(human_annotations={})], "'human1' has a box or keypoints, but not both"),
        ([make_entry(human_annotations=[])], "no objects 'human_annotations'"),
        ([make_entry(keypoint_annotations={"human1": POINTS[3:]})], "39 numbers instead of 42"),
        ([make_entry(keypoint_annotations={"human1": [0] * 42})], "not all 1, 2 or 3"),
        ([make_entry(human_annotations={"human1": [1, 2, 3, "4"]})], "not a finite number"),
        ([5], "expected a JSON list"),
        (5, "expected a JSON list"),
        ({}, "'images' is missing"),
    ],
    ids=str,
)
def test_broken_content(tmp_path: Path, entries: Any, error: str) -> None:
    with pytest.raises(InputError, match=error):
        ai_challenger.read(write(tmp_path, entries))
