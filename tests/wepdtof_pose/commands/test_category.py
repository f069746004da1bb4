"""--category in every command that reads a data set whose file has several kinds with joints."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from wepdtof_pose import zoo
from wepdtof_pose.browse.opening import dataset_name, read_splits
from wepdtof_pose.commands.main import main
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

COMMANDS = {
    "validate": "validate {data}",
    "fix": "validate {data} --fix {out}",
    "stats": "stats {data}",
    "split": "split {data} --labels all -o {out}.json",
    "visualize": "visualize {data} -o {out}",
    "convert": "convert {data} {out} --from coco --to yolo",
}

SECOND = [40, 22, 2, 47, 32, 2, 44, 52, 1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two adults of three joints and a child of two, whom nothing says to be people."""
    image = {"id": 1, "file_name": "a.png", "width": 96, "height": 72}
    adult = {"image_id": 1, "category_id": 1, "iscrowd": 0, "area": 300, "num_keypoints": 3}
    adult["keypoints"] = [20, 20, 2, 25, 30, 2, 22, 40, 1]
    child = {**adult, "category_id": 2, "keypoints": [60, 20, 2, 65, 30, 2], "num_keypoints": 2}
    content = {
        "images": [image],
        "annotations": [
            {**adult, "id": 1, "bbox": [8, 10, 40, 50]},
            {**adult, "id": 2, "bbox": [34, 16, 40, 50], "keypoints": SECOND},
            {**child, "id": 3, "bbox": [55, 10, 30, 40]},
        ],
        "categories": [
            {"id": 1, "name": "adult", "keypoints": ["head", "neck", "tail"]},
            {"id": 2, "name": "child", "keypoints": ["head", "neck"]},
        ],
    }
    (tmp_path / "data" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "images" / "a.png"), np.full((72, 96, 3), 90, np.uint8))
    write_json(tmp_path / "data" / "annotations.json", content)
    return tmp_path / "data"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_asks_for_the_category_and_takes_it(name: str, data: Path) -> None:
    words = COMMANDS[name].format(data=data, out=data.parent / "out").split()
    asked = CliRunner().invoke(main, words)
    assert asked.exit_code == (1 if name in ("validate", "fix") else 2), asked.output
    assert "--category NAME" in " ".join(asked.output.split())
    if name == "fix":  # the copy is as it was read: nothing was clear
        words[-1] += "2"
    answered = CliRunner().invoke(main, [*words, "--category", "Adult"])
    assert answered.exit_code == 0, answered.output


@pytest.mark.parametrize("names", ["adult, child", "1,2"])
def test_several_categories_of_the_same_joints_are_people_if_the_user_says_so(
    data: Path, names: str
) -> None:
    words = ["stats", str(data), "--category", names]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2  # their joints differ
    assert "several categories have keypoints ('adult', 'child')" in refused.output
    content = read_json(data / "annotations.json")
    content["categories"][1]["keypoints"] = ["head", "neck", "tail"]
    content["annotations"][2] |= {"keypoints": SECOND, "num_keypoints": 3}
    (data / "annotations.json").write_text(json.dumps(content))
    assert "read 3 people on 1 frame" in CliRunner().invoke(main, words).output
    checked = CliRunner().invoke(main, ["validate", str(data), "--category", names])
    assert "3 people on 1 image" in checked.output
    words[-1] = "adult,dog"
    assert "has no 'adult,dog', only 'adult', 'child'" in CliRunner().invoke(main, words).output


def test_a_repair_leaves_the_other_category_alone(data: Path) -> None:
    content = read_json(data / "annotations.json")
    content["annotations"][0]["num_keypoints"] = 9
    (data / "annotations.json").write_text(json.dumps(content))
    words = ["validate", str(data), "--fix", str(data.parent / "out"), "--category", "adult"]
    said = CliRunner().invoke(main, words).output
    assert "3 people, 3 boxes, 8 labelled joints\n1 annotation of other categories counted" in said
    fixed = read_json(data.parent / "out" / "annotations" / "annotations.json")
    assert [person["num_keypoints"] for person in fixed["annotations"]] == [3, 3, 2]
    assert fixed["annotations"][2] == content["annotations"][2]
    changes = read_json(data.parent / "out" / "changes.json")
    assert (len(changes["changes"]), changes["remaining"]) == (1, {})


def test_what_the_app_and_the_zoo_read(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--category NAME"):
        read_splits(data)
    split = read_splits(data, category="child")["all"]
    assert (len(split.dataset), split.left_out, split.tags.whole) == (1, 2, [])
    names = {dataset_name(data), dataset_name(data, "adult"), dataset_name(data, "child")}
    assert len(names) == 3
    (tmp_path / "zoo").mkdir()
    with pytest.raises(InputError, match="--category NAME"):
        zoo.download_and_prepare(str(tmp_path / "zoo"), path=str(data))
    found = zoo.download_and_prepare(str(tmp_path / "zoo"), path=str(data), category="adult")
    assert found == (None, 1, None)
    assert read_json(tmp_path / "zoo" / "source.json")["category"] == "adult"
