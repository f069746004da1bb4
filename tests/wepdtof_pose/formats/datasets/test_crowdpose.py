import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import crowdpose
from wepdtof_pose.keypoints import get_keypoint_set


def write(dataset: Any, file: Path, names: Any) -> Path:
    content = coco.to_dict(dataset)
    content["images"][0]["crowdIndex"] = 0.33
    for person in content["annotations"]:
        del person["area"]
    content["categories"] = [{"id": 1, "keypoints": names, "skeleton": [[16, 14]]}]
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("last", [("head", "neck"), ("top_head", "neck"), ("head_top", "neck")])
def test_head_is_the_top_of_the_head(make_dataset: Callable, tmp_path: Path, last: tuple) -> None:
    target = get_keypoint_set("crowdpose-14")
    dataset = make_dataset(keypoint_set="crowdpose-14")
    file = write(dataset, tmp_path / "a.json", [*target.joints[:-2], *last])
    found = crowdpose.read(file).datasets["all"]
    assert found.keypoint_set == target
    assert found.frames["extra"][0] == {"crowdIndex": 0.33}
    assert found.people["area_from_box"].all()
    written = crowdpose.write({"all": found}).files["annotations/crowdpose.json"]
    assert written["images"][0]["crowdIndex"] == 0.33
    assert written["categories"][0]["keypoints"][-2:] == ["head", "neck"]


@pytest.mark.parametrize("names", [["nose"] * 14, 5, ["a"]], ids=str)
def test_other_joints_are_refused(make_dataset: Callable, tmp_path: Path, names: Any) -> None:
    file = write(make_dataset(keypoint_set="crowdpose-14"), tmp_path / "a.json", names)
    with pytest.raises(InputError, match=r"a\.json: these are not the joints of crowdpose-14"):
        crowdpose.read(file)


def test_writing_other_joints_is_refused(make_dataset: Callable) -> None:
    with pytest.raises(InputError, match="add --keypoints crowdpose-14"):
        crowdpose.write({"all": make_dataset()})
