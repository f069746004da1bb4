"""Findings by the row they are about."""

from typing import Any

from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse.documents import found_tags
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco


def tags_of(content: Any) -> Any:
    dataset = coco.from_dict(content, source="sample", root=sample_folder())
    return found_tags(content, dataset, source="sample")


def test_rows_of_people_and_frames() -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    assert tags_of(content).people == tags_of(content).frames == {}
    content["annotations"][3]["area"] = 0
    del content["annotations"][5]["area"]
    content["images"][2]["file_name"] = content["images"][1]["file_name"]
    found = tags_of(content)
    assert found.people == {3: ["area-not-positive"], 5: ["area-missing"]}
    assert found.frames == {2: ["file-name-repeated"]}


def test_people_of_other_categories_are_not_counted() -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    content["categories"].append({"id": 99, "name": "chair"})
    content["annotations"][0]["category_id"] = 99
    content["annotations"][3]["area"] = 0
    assert tags_of(content).people == {2: ["area-not-positive"]}
