import json
import random
from typing import Any

import jsonschema_rs
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.files import read_json
from wepdtof_pose.validation.schema import annotation_schema, entry_check, wrong_categories

PERSON = entry_check("annotation")
IMAGE = entry_check("image")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"bbox": [1, 2, 3]}, "'bbox' has 3 items instead of 4"),
        ({"bbox": [1, 2, 3, 4, 5]}, "'bbox' has 5 items instead of 4"),
        ({"bbox": [1, 2, "3", 4]}, "'bbox' [2] is a text instead of a number"),
        ({"bbox": "1 2"}, "'bbox' is a text instead of a list or null"),
        ({"bbox": [1, 2, True, 4]}, "'bbox' [2] is true or false instead of a number"),
        ({"bbox": None}, None),
        ({"bbox": float("nan")}, "'bbox' is a number instead of a list or null"),
        ({"keypoints": float("inf")}, "'keypoints' is a number instead of a list or null"),
        ({"rotated_box": 0.5}, "'rotated_box' is a number instead of a list or null"),
        ({"bbox": []}, None),
        ({"bbox": [1, 2, float("nan"), 4], "area": float("-inf")}, None),
        ({"bbox": [1, 2, float("nan"), 4], "track_id": "A3"}, "'track_id' is a text"),
        ({"id": 1.0}, "'id' is a number instead of a whole number or a text"),
        ({"num_keypoints": -1}, "'num_keypoints' is -1, outside 0..inf"),
        ({"num_keypoints": 2.5}, "'num_keypoints' is 2.5, not a whole number"),
        ({"track_id": float("inf")}, "'track_id' is inf, not a whole number"),
        ({"track_id": 3.0, "iscrowd": 0.0, "num_keypoints": 14.0, "area_from_box": 1}, None),
        ({"track_id": 10**400}, "'track_id' is huge"),
        ({"area": None, "iscrowd": True, "keypoints": None, "more": object()}, None),
        ({"more": "\ud800", "\ud800": 1}, None),
        ({"keypoints": [1, None, 2]}, "'keypoints' [1] is null instead of a number"),
    ],
)
def test_messages(change: dict[str, Any], message: str | None) -> None:
    found = PERSON({"image_id": 1, "bbox": [1, 2, 3.5, 4], **change})
    if message is None:
        assert found is None
    else:
        assert found is not None
        assert found.message.startswith(message)
        assert found.field == list(change)[-1]


def test_missing_fields_and_other_types() -> None:
    assert PERSON({"bbox": [1, 2, 3, 4]}) == ("", "has no 'image_id'")
    assert PERSON([1]) == ("", "is a list instead of an object")
    assert PERSON("\ud800") is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 160.0}, "'width' is a number instead of a whole number"),
        ({"width": 0}, "'width' is 0, outside 1..2147483647"),
        ({"file_name": ""}, "'file_name' is empty"),
        ({"fisheye": {"model": "x"}}, "'fisheye' has no 'cx'"),
        (
            {"fisheye": {"model": "x", "cx": 1, "cy": 1, "focal": 1, "max_angle": 1}},
            "'fisheye': 'model' is not one of equidistant, kannala-brandt",
        ),
    ],
)
def test_messages_of_images(change: dict[str, Any], message: str) -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": 4, "height": 3}
    assert IMAGE(image) is None
    assert IMAGE({**image, **change}) == (next(iter(change)), message)


def test_box_files() -> None:
    check = entry_check("annotation", boxes_only=True)
    assert check({"image_id": 1, "bbox": [1, 2, 3, 4, 5]}) is None
    assert check({"image_id": 1, "bbox": [1, 2, 3, 4]}) == (
        "bbox",
        "'bbox' has 4 items instead of 5",
    )
    assert entry_check("image", boxes_only=True)({"id": 1, "file_name": "a"}) is None


def test_categories() -> None:
    assert wrong_categories([{"id": 1, "keypoints": ["nose"], "skeleton": [[]]}]) is None
    assert wrong_categories([]) == "has 0 items instead of 1"
    assert wrong_categories(3) == "is a whole number instead of a list"
    assert wrong_categories([{"name": "a"}]) == "[0] has no 'id'"


def test_entries_are_judged_as_the_whole_file_is() -> None:
    """A file passes the published schema where its entries do, but for 1.0 and short boxes."""
    schema = annotation_schema()
    reference = jsonschema_rs.validator_for(schema)
    sample = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    sample["annotations"] = sample["annotations"][:3]
    rng = random.Random(0)
    wrong = 0
    for _ in range(200):
        content = json.loads(json.dumps(sample))
        row = rng.choice([*content["annotations"], *content["images"], *content["categories"]])
        row[rng.choice(list(row))] = rng.choice(
            [None, -1, 2, 2.5, "", "a", [], ["a"], [1, 2, 3, 4], {}]
        )
        whole = reference.is_valid(content)
        wrong += not whole
        entries = all(PERSON(a) is None for a in content["annotations"])
        entries &= all(IMAGE(i) is None for i in content["images"])
        assert (entries and wrong_categories(content["categories"]) is None) == whole
    assert 50 < wrong < 190
