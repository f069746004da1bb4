import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import rapid, wepdtof

BOX = [50, 40, 20, 30, -30]


def write(folder: Path, detections: Any) -> Path:
    (folder / "Lunch1").mkdir()
    image = cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1]
    (folder / "Lunch1" / "Lunch1_000001.jpg").write_bytes(image.tobytes())
    (folder / "Lunch1.json").write_text(json.dumps(detections))
    return folder / "Lunch1.json"


def detection(**changes: Any) -> dict[str, Any]:
    known = {"image_id": "Lunch1_000001", "bbox": BOX, "score": 0.9, "segmentation": []}
    return {**known, **changes}


def test_detections_are_people_with_scores(tmp_path: Path) -> None:
    path = write(tmp_path, [detection(), detection(score=0.2)])
    reading = rapid.read(path)
    dataset = reading.datasets["all"]
    assert dataset.people[list(ROTATED_BOX_COLUMNS)].values.tolist() == [BOX, BOX]
    assert dataset.people["extra"].tolist() == [{"score": 0.9}, {"score": 0.2}]
    assert dataset.frames[["id", "file_name", "width", "height"]].values.tolist() == [
        ["Lunch1_000001", "Lunch1/Lunch1_000001.jpg", 120, 90]
    ]
    assert reading.left_out == {}


def test_of_several_categories_one_is_people(tmp_path: Path) -> None:
    path = write(tmp_path, [detection(category_id=1), detection(category_id=62, score=0.5)])
    reading = rapid.read(path)
    assert reading.datasets["all"].people["extra"].tolist() == [{"score": 0.9}]
    assert reading.left_out == {"objects labelled 'category 62'": 1}
    chosen = rapid.read(path, category="category 62").datasets["all"]
    assert chosen.people["extra"].tolist() == [{"score": 0.5}]


def test_categories_that_count_from_0_have_people_first(tmp_path: Path) -> None:
    path = write(tmp_path, [detection(category_id=0), detection(category_id=1, score=0.5)])
    reading = rapid.read(path)
    assert reading.datasets["all"].people["extra"].tolist() == [{"score": 0.9}]
    assert reading.left_out == {"objects labelled 'category 1'": 1}
    chosen = rapid.read(path, category="category 1").datasets["all"]
    assert chosen.people["extra"].tolist() == [{"score": 0.5}]


def test_the_only_file_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path, [detection()])
    assert len(rapid.read(tmp_path).datasets["all"]) == 1
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(InputError, match="has 2 JSON files: give that of the detections"):
        rapid.read(tmp_path)


@pytest.mark.parametrize(
    ("detections", "error"),
    [
        ([detection(bbox=[1, 2, 3, 4])], r"\[0\]: 'bbox' .* has 4 numbers instead of 5"),
        ([detection(), detection(score=None)], r"\[1\]: 'score'"),
        ([detection(image_id=None)], "'image_id' is neither"),
        ([detection(bbox=[9, 9, 4, -3, 0])], "a box on image .* has the sides 4 x -3"),
        ({}, "expected a JSON list of detections"),
    ],
    ids=str,
)
def test_broken_content(tmp_path: Path, detections: Any, error: str) -> None:
    with pytest.raises(InputError, match=error):
        rapid.read(write(tmp_path, detections))


def test_the_reader_of_annotations_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--from rapid"):
        wepdtof.read(write(tmp_path, [detection()]))
