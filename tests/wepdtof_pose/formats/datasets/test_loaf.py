import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import loaf, wepdtof


def content(**changes: Any) -> dict[str, Any]:
    """A person who lies along the radius at the upper right of a frame; 45 degrees clockwise."""
    person = {
        "id": 7,
        "image_id": 1,
        "category_id": 1,
        "bbox": [122, 28, 50, 50],
        "rotated_box": [147, 53, 24, 66, -45.0],
        "world_location": [2000, 0],
        "area": 1584,
        "iscrowd": 0,
    }
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 200}],
        "annotations": [{**person, **changes}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "robot"}],
    }


def write(folder: Path, split: str, contents: dict[str, Any], *, images: str = "images") -> Path:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(contents))
    (folder / images).mkdir(parents=True, exist_ok=True)
    image = cv2.imencode(".jpg", np.zeros((200, 200, 3), dtype=np.uint8))[1]
    (folder / images / "a.jpg").write_bytes(image.tobytes())
    return folder


def test_angles_turn_the_other_way_round(tmp_path: Path) -> None:
    reading = loaf.read(write(tmp_path, "train", content()))
    dataset = reading.datasets["all"]
    person = dataset.people.iloc[0]
    assert person[list(ROTATED_BOX_COLUMNS)].tolist() == [147, 53, 24, 66, 45]
    assert dataset.boxes.tolist() == [[122, 28, 50, 50]]
    assert person["area"] == pytest.approx(0.53 * 24 * 66)
    assert (person["id"], person["extra"]) == (7, {"world_location": [2000, 0]})
    assert (dataset.root / "a.jpg").is_file()
    assert reading.left_out == {"areas (0.53 of the rotated box is written)": 1}


@pytest.mark.parametrize(
    ("box", "turned"),
    [([24, 66, 30], [24, 66, -30]), ([66, 24, 30], [24, 66, 60]), ([24, 66, -200], [24, 66, 20])],
    ids=str,
)
def test_sides_and_angles_are_those_of_wepdtof(
    tmp_path: Path, box: list[float], turned: list[float]
) -> None:
    path = write(tmp_path, "train", content(rotated_box=[147, 53, *box]))
    people = loaf.read(path).datasets["all"].people
    columns = ["rotated_w", "rotated_h", "rotated_angle"]
    np.testing.assert_allclose(people[columns].to_numpy()[0], turned)


def test_splits_have_folders_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, "train", content(), images="train")
    write(tmp_path, "val", content(), images="val")
    datasets = loaf.read(tmp_path).datasets
    assert {split: dataset.root.name for split, dataset in datasets.items()} == {
        "train": "train",
        "val": "val",
    }


def test_other_categories_are_counted(tmp_path: Path) -> None:
    both = content()
    both["annotations"] += content(category_id=2)["annotations"]
    reading = loaf.read(write(tmp_path, "train", both))
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out["objects labelled 'robot'"] == 1
    robots = loaf.read(tmp_path, category="robot")
    assert robots.left_out["objects labelled 'person'"] == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"rotated_box": [1, 2, 3, 4]}, "'rotated_box' has 4 numbers instead of 5"),
        ({"bbox": None}, "'bbox' is missing"),
        ({"image_id": 5}, "image 5 is not in 'images'"),
        ({"image_id": True}, "'image_id' is neither a whole number nor a text"),
        ({"category_id": 2}, "labels 'robot', none of which says person"),
    ],
    ids=str,
)
def test_broken_content(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    with pytest.raises(InputError, match=error):
        loaf.read(write(tmp_path, "train", content(**changes)))


def test_readers_of_the_neighbours_name_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--from loaf"):
        wepdtof.read(write(tmp_path, "train", content()))
