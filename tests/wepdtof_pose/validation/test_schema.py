import json
import random
from typing import Any

import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.files import read_json
from wepdtof_pose.validation.schema import annotation_schema, compile_schema

PERSON = compile_schema(annotation_schema()["$defs"]["annotation"], root=annotation_schema())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"bbox": [1, 2, 3]}, "'bbox' has 3 items instead of 4"),
        ({"bbox": [1, 2, "3", 4]}, "'bbox' [2] is a text instead of a number"),
        ({"bbox": None}, "'bbox' is null instead of a list"),
        ({"bbox": [1, 2, True, 4]}, "'bbox' [2] is true or false instead of a number"),
        ({"id": 1.0}, "'id' is a number instead of a whole number or a text"),
        ({"num_keypoints": -1}, "'num_keypoints' is -1, outside 0..inf"),
        ({"num_keypoints": 2.5}, "'num_keypoints' is 2.5, not a whole number"),
        ({"track_id": float("inf")}, "'track_id' is inf, not a whole number"),
        ({"track_id": 3.0, "iscrowd": 0.0, "num_keypoints": 14.0, "area_from_box": 1}, None),
        ({"track_id": 10**400}, "'track_id' is huge"),
        ({"area": None, "iscrowd": True, "keypoints": None, "more": object()}, None),
    ],
)
def test_messages(change: dict[str, Any], message: str | None) -> None:
    assert PERSON({"image_id": 1, "bbox": [1, 2, 3.5, 4], **change}) == message


def test_missing_fields_and_other_types() -> None:
    assert PERSON({"bbox": [1, 2, 3, 4]}) == "has no 'image_id'"
    assert PERSON([1]) == "is a list instead of an object"


def test_unsupported_keywords_are_refused() -> None:
    with pytest.raises(ValueError, match="pattern"):
        compile_schema({"type": "string", "pattern": "a"})


def test_agrees_with_jsonschema() -> None:
    """The same answers as the reference implementation, but for 1.0 as an integer."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = annotation_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    reference = jsonschema.Draft202012Validator(schema)
    whole = compile_schema(schema)
    sample = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    sample["annotations"] = sample["annotations"][:3]
    rng = random.Random(0)
    wrong = 0
    for _ in range(200):
        content = json.loads(json.dumps(sample))
        row = rng.choice([*content["annotations"], *content["images"], *content["categories"]])
        row[rng.choice(list(row))] = rng.choice(
            [None, -1, 2, 2.5, "", "a", [], [1], [1, 2, 3, 4], {}]
        )
        wrong += not reference.is_valid(content)
        assert (whole(content) is None) == reference.is_valid(content)
    assert 50 < wrong < 190
