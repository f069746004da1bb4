"""Which category of a COCO file is people, and what becomes of the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from coco_content import DOGS, JOINTS, make_content, parse

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco, coco_tables
from wepdtof_pose.keypoints import get_keypoint_set

CATEGORIES = [
    {"id": 0, "name": "objects", "supercategory": "none"},
    {"id": 1, "name": "person", "keypoints": JOINTS},
    {"id": 2, "name": "dog", "keypoints": ["snout", "tail"]},
]


def of_categories(*ids: int, categories: list = CATEGORIES) -> dict[str, Any]:
    """A file with an annotation of each of these categories, which have all their joints."""
    content = make_content()
    person = content["annotations"][0]
    joints = {row["id"]: len(row.get("keypoints", JOINTS)) for row in categories}
    content["annotations"] = [
        {**person, "id": n, "category_id": c, "keypoints": [5, 6, 2] * joints[c]}
        for n, c in enumerate(ids, start=1)
    ]
    return {**content, "categories": categories}


@pytest.mark.parametrize(
    "categories",
    [
        [{"id": n, "name": j, "keypoints": [j]} for n, j in enumerate(["nose", "a"])],
        [{"id": 1, "name": "person"}, *({"id": n, "name": j} for n, j in enumerate(JOINTS, 2))],
    ],
    ids=["RectLabel", "points"],
)
def test_categories_that_are_joints_are_named(categories: list) -> None:
    content = {**make_content(), "annotations": [], "categories": categories}
    with pytest.raises(InputError, match=r"each of the categories .* is a joint: which joints"):
        parse(content)


@pytest.mark.parametrize("block", [1 << 20, 10], ids=["whole", "in parts"])
@pytest.mark.parametrize(
    ("ids", "category", "people", "left_out"),
    [
        ((1, 1), None, [1, 2], {}),
        ((1, 0, 2, 2), None, [1], {"annotations of category 'objects'": 1, DOGS: 2}),
        ((1, 0, 2), "Person", [1], {"annotations of category 'objects'": 1, DOGS: 1}),
        ((1, 0, 2), "1", [1], {"annotations of category 'objects'": 1, DOGS: 1}),
        ((1, 2), "dog", [2], {"annotations of category 'person'": 1}),
    ],
    ids=str,
)
def test_one_category_is_people_and_the_others_are_counted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    block: int,
    ids: tuple[int, ...],
    category: str | None,
    people: list[int],
    left_out: dict[str, int],
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(of_categories(*ids)))
    monkeypatch.setattr(coco_tables, "SMALL_FILE", block)
    dataset = coco.read(tmp_path / "a.json", category=category)
    assert dataset.people["id"].tolist() == people
    assert dataset.left_out == left_out


@pytest.mark.parametrize("given", [None, "coco-17"])
def test_a_placeholder_category_leaves_nobody(given: str | None) -> None:
    joints = None if given is None else get_keypoint_set(given)
    with pytest.raises(InputError, match="nobody is left: 2 annotations of category 'objects'; no"):
        parse(of_categories(0, 0), keypoint_set=joints)


def test_people_of_a_category_without_joints_are_read_with_given_ones() -> None:
    content = of_categories(0, 1)
    content["annotations"][0]["keypoints"] = [5, 6, 2] * 17
    dataset = parse(content, category="objects", keypoint_set=get_keypoint_set("coco-17"))
    assert (len(dataset), dataset.keypoint_set.name) == (1, "coco-17")
    assert dataset.left_out == {"annotations of category 'person'": 1}


@pytest.mark.parametrize(
    ("category", "error"),
    [
        ("cat", "has no 'cat', only 'dog', 'objects', 'person'"),
        ("objects", "no category 'objects' names its keypoints"),
    ],
)
def test_categories_that_cannot_be_people(category: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        parse(of_categories(0, 1, 2), category=category)


def test_two_categories_of_which_none_says_person() -> None:
    two = [{**CATEGORIES[1], "name": "worker"}, CATEGORIES[2]]
    with pytest.raises(InputError, match=r"'dog', 'worker', none of which says person.*--category"):
        parse(of_categories(1, 2, categories=two))
    assert len(parse(of_categories(1, 2, categories=two), category="worker")) == 1
    assert len(parse(of_categories(1, categories=two))) == 1


def test_dogs_alone_are_nobody() -> None:
    with pytest.raises(InputError, match="nobody is left: 2 annotations of category 'dog'"):
        parse(of_categories(2, 2))


def test_categories_of_one_name_are_told_apart_by_their_ids() -> None:
    other = {"id": 2, "name": "person", "keypoints": JOINTS[:1]}
    content = of_categories(1, 2, categories=[CATEGORIES[1], other])
    with pytest.raises(InputError, match=r"'person' of id 1, 'person' of id 2.*--category ID"):
        parse(content)
    chosen = coco.from_dict(content, source="a.json", category="2", root=Path())
    assert (len(chosen), len(chosen.keypoint_set)) == (1, 1)
