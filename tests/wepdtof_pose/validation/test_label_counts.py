"""Lists of x, y without visibility: whose they are, and that counting takes them as repairs do."""

from typing import Any

import pytest

from wepdtof_pose.validation.label_counts import count_labels, rows_of_pairs
from wepdtof_pose.validation.repairs import repair

NAMES = ["nose", "neck", "left_hand", "right_hand", "left_foot", "right_foot"]
PLACES = [30, 12, 32, 20, 22, 40, 44, 42, 26, 30, 40, 31]
TRIPLES = [value for at in range(0, 12, 2) for value in (*PLACES[at : at + 2], 2)]


def content(other: dict[str, Any], joints: list[int]) -> dict[str, Any]:
    """Two people of six joints in pairs, and an entry of another category with these joints."""
    person = {"image_id": 1, "area": 500, "iscrowd": 0, "num_keypoints": 6}
    moved = [[place + by for place in PLACES] for by in (0, 3)]
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [
            {**person, "id": 1, "category_id": 7, "bbox": [10, 10, 20, 20], "keypoints": joints},
            {**person, "id": 2, "category_id": 1, "bbox": [20, 10, 26, 34], "keypoints": moved[0]},
            {**person, "id": 3, "category_id": 1, "bbox": [23, 9, 26, 34], "keypoints": moved[1]},
        ],
        "categories": [{"id": 7, **other}, {"id": 1, "name": "person", "keypoints": NAMES}],
    }


def test_pairs_of_a_category_without_joints_are_read_along() -> None:
    before = content({"name": "objects"}, PLACES)
    assert rows_of_pairs(before) == {0, 1, 2}
    repaired = repair(before, source="a.json")
    assert repaired.before == repaired.after
    assert repaired.after.joints == 18
    assert [person["keypoints"] for person in repaired.content["annotations"][:2]] == [TRIPLES] * 2


@pytest.mark.parametrize("numbers", [12, 18])
def test_triples_of_another_category_are_no_pairs(numbers: int) -> None:
    """Four joints of dogs have as many numbers as six of people without visibility."""
    names = NAMES[: numbers // 3]
    dog = [9, 9, 0, *TRIPLES[3:numbers]]
    before = content({"name": "dog", "keypoints": names}, dog)
    before["annotations"][0]["num_keypoints"] = len(names) - 1
    assert rows_of_pairs(before, "person") == {1, 2}
    repaired = repair(before, source="a.json", category="person")
    assert repaired.content["annotations"][0]["keypoints"] == dog
    assert repaired.before == repaired.after
    assert repaired.after.joints == 12 + len(names) - 1


def test_nobody_has_pairs_where_one_has_triples() -> None:
    before = content({"name": "objects"}, PLACES)
    before["annotations"][1]["keypoints"] = TRIPLES
    assert rows_of_pairs(before) == frozenset()
    assert count_labels(before).joints == 4 + 6 + 4


def test_joints_by_name_hide_no_pairs_of_others() -> None:
    before = content({"name": "objects"}, PLACES)
    before["categories"] = before["categories"][1:]
    named = [PLACES[at : at + 2] for at in range(0, 12, 2)]
    before["annotations"][0] |= {
        "category_id": 1,
        "keypoints": dict(zip(NAMES, named, strict=True)),
    }
    repaired = repair(before, source="a.json")
    assert [len(person["keypoints"]) for person in repaired.content["annotations"]] == [18] * 3
    assert repaired.content["annotations"][1]["keypoints"] == TRIPLES
    assert repaired.before.joints == 12
    assert repaired.after.joints == 18
