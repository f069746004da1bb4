"""What was added in the App reaches the file or is refused; a stand-in for FiftyOne's data set."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.corrections import corrected_content, corrections, tagged_people
from wepdtof_pose.errors import InputError

PERSON = {
    "id": 7,
    "image_id": 1,
    "category_id": 1,
    "bbox": [1, 2, 3, 4],
    "keypoints": [5, 6, 2] * 2,
}
KNOWN = {"row": 0, "bounding_box": [0.01, 0.04, 0.03, 0.08]}
POSE = {"points": [[0.1, 0.2], [0.3, 0.8]]}
BOX = {"bounding_box": [0.05, 0.1, 0.5, 0.8], "tags": ["new"]}


def dataset_with(
    *,
    poses: tuple = (),
    boxes: tuple = (),
    rotated: tuple = (),
    copies: dict[str, tuple] | None = None,
    person: dict[str, Any] = PERSON,
    image: dict[str, Any] | None = None,
    tags: tuple = (),
) -> SimpleNamespace:
    """One frame of 100 x 50 pixels with one person of two joints, new labels, and copies."""
    image = {"id": 1, "file_name": "a.jpg", **(image or {})}
    source = {"image": image, "rows": [0], "annotations": [person]}
    known = {"row": 0, "points": [[0.05, 0.12]] * 2, "visibility": [2, 2]}
    frame = {
        "metadata": {"width": 100, "height": 50},
        "tags": ["all", *tags],
        fields.SOURCE: json.dumps(source),
        fields.KEYPOINTS: {"keypoints": [known, *poses]},
        fields.BOXES: {"detections": [KNOWN, *boxes]},
        fields.ROTATED_BOXES: {"polylines": list(rotated)},
        **{name: {"keypoints": list(labels)} for name, labels in (copies or {}).items()},
    }
    found = SimpleNamespace(sort=lambda *_: iter([frame]))
    category = {"id": 1, "keypoints": ["a", "b"]}
    record = {
        "files": {"all": "a.json"},
        "meta": {"all": json.dumps({"category": category})},
        "frames": {"all": 1},
        "largest_ids": {"all": "7"},
    }
    collection = SimpleNamespace(find=lambda *_: found)
    return SimpleNamespace(info={fields.INFO: record}, name="x", _sample_collection=collection)


def added(dataset: Any) -> list[dict[str, Any]]:
    first, *others = corrected_content(dataset, "all")["annotations"]
    assert first == PERSON
    return others


def test_nothing_new() -> None:
    assert corrections(dataset_with()) == 0
    assert added(dataset_with()) == []


def test_a_new_pose_without_a_box() -> None:
    (person,) = added(dataset_with(poses=(POSE,)))
    assert (person["id"], person["bbox"]) == (8, [10, 10, 20, 30])
    assert person["keypoints"] == [10, 10, 2, 30, 40, 2]
    assert person["area"] == pytest.approx(0.53 * 600)


def test_a_new_box_without_a_pose() -> None:
    dataset = dataset_with(boxes=(BOX, BOX))
    assert corrections(dataset) == 2
    people = added(dataset)
    assert [person["id"] for person in people] == [8, 9]
    assert people[0]["bbox"] == [5, 5, 50, 40]
    assert (people[0]["keypoints"], people[0]["num_keypoints"]) == ([0] * 6, 0)
    assert people[0]["tags"] == ["new"]


def test_a_new_pose_in_a_new_box_is_one_person() -> None:
    (person,) = added(dataset_with(poses=(POSE,), boxes=(BOX,)))
    assert (person["bbox"], person["num_keypoints"]) == ([5, 5, 50, 40], 2)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ({"poses": ({"points": [[0.1, 0.2]]},)}, "a.jpg: a pose has 1 points instead of 2"),
        ({"rotated": ({"points": [[[0.1, 0.2]] * 4]},)}, "a.jpg: a new rotated box"),
    ],
)
def test_what_cannot_be_written_is_counted_and_refused(labels: dict, error: str) -> None:
    dataset = dataset_with(**labels)
    assert corrections(dataset) == 1
    with pytest.raises(InputError, match=error):
        corrected_content(dataset, "all")


@pytest.mark.parametrize("field", [fields.RIGHT, fields.LEFT, fields.HIDDEN])
def test_a_tag_on_a_copy_of_the_pose_is_the_persons(field: str) -> None:
    copied = {"row": 0, "points": [[0.9, 0.9]] * 2}
    assert corrections(dataset_with(copies={field: (copied,)})) == 0
    dataset = dataset_with(copies={field: ({**copied, "tags": ["wrong side"]},)})
    assert corrections(dataset) == 1
    assert corrected_content(dataset, "all")["annotations"] == [{**PERSON, "tags": ["wrong side"]}]
    assert tagged_people(dataset, "all", "wrong side") == [7]


def test_deleted_frames_are_counted_and_their_ids_not_given_again() -> None:
    dataset = dataset_with(poses=(POSE,))
    dataset.info[fields.INFO] |= {"frames": {"all": 3}, "largest_ids": {"all": "40"}}
    assert corrections(dataset) == 3
    assert [person["id"] for person in added(dataset)] == [41]


CORNERS = [[0.02, 0.04], [0.04, 0.04], [0.04, 0.12], [0.02, 0.12]]


@pytest.mark.parametrize(
    ("points", "left"),
    [([CORNERS], [3, 4, 2, 4, 0]), (None, None), ([[[0.04, 0.04], *CORNERS[1:]]], [3.5, 4, 1, 4])],
)
def test_a_rotated_box_is_what_is_there_now(points: list | None, left: list | None) -> None:
    person = {**PERSON, "rotated_box": [3, 4, 2, 4, 0]}
    labels = () if points is None else ({"row": 0, "points": points},)
    dataset = dataset_with(rotated=labels, person=person)
    (now,) = corrected_content(dataset, "all")["annotations"]
    if left is None or len(left) == 5:
        assert now.get("rotated_box") == left
    else:
        assert now["rotated_box"] != person["rotated_box"]
    assert corrections(dataset) == (left != person["rotated_box"])
    assert {**now, "rotated_box": 0} == {**person, "rotated_box": 0}


def test_a_rotated_box_without_four_corners_is_refused() -> None:
    labels = ({"row": 0, "points": [CORNERS[:3], CORNERS[:2]]},)
    dataset = dataset_with(rotated=labels, person={**PERSON, "rotated_box": [3, 4, 2, 4, 0]})
    with pytest.raises(InputError, match=r"a\.jpg: a rotated box has 5 corners instead of 4"):
        corrected_content(dataset, "all")


def test_people_are_found_by_findings_and_the_split_too() -> None:
    right = {fields.RIGHT: ({"row": 0, "points": [], "tags": ["area-not-positive"]},)}
    dataset = dataset_with(copies=right, tags=("image-missing",))
    assert corrections(dataset) == 0
    for tag in ("area-not-positive", "image-missing", "all"):
        assert tagged_people(dataset, "all", tag) == [7]
    gone = dataset_with(tags=("label me",))
    (frame,) = gone._sample_collection.find().sort()
    frame[fields.KEYPOINTS]["keypoints"] = frame[fields.BOXES]["detections"] = []
    gone._sample_collection.find = lambda *_: SimpleNamespace(sort=lambda *_: iter([frame]))
    assert tagged_people(gone, "all", "label me") == []


def test_own_tags_of_an_image_that_are_the_splits_name_stay() -> None:
    image = {"tags": ["all", "night"]}
    assert corrections(dataset_with(image=image, tags=("night",))) == 0
    dataset = dataset_with(image=image, tags=("night", "blurred"))
    assert corrections(dataset) == 1
    (written,) = corrected_content(dataset, "all")["images"]
    assert written["tags"] == ["all", "night", "blurred"]
