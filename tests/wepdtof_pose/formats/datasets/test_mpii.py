import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import mpii
from wepdtof_pose.formats.registry import READERS
from wepdtof_pose.geometry import boxes_to_center_scale


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
