"""Odd forms with one reading are read; others stay as they are, and nobody is lost for a field."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.files import read_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.validation.repaired_copy import write_repaired

NAMES = ["nose", "neck", "left_hand", "right_hand"]
JOINTS = [30, 12, 2, 32, 20, 2, 22, 40, 1, 44, 42, 2]
EXTENT, JOINED = [22, 12, 22, 30], {"keypoints": JOINTS}


def content() -> dict[str, Any]:
    """Two people on an image of 64 x 48, one more image."""
    person = {"image_id": 1, "category_id": 1, "bbox": [20, 10, 26, 34], "area": 500, "iscrowd": 0}
    others = [number + 3 if at % 3 == 0 else number for at, number in enumerate(JOINTS)]
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 64, "height": 48},
            {"id": 2, "file_name": "b.png", "width": 64, "height": 48},
        ],
        "annotations": [
            {**person, "id": 1, "keypoints": list(JOINTS), "num_keypoints": 4},
            {**person, "id": 2, "keypoints": others, "num_keypoints": 4, "bbox": [23, 9, 26, 34]},
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
    }


Fix = Callable[..., tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture
def fixed(tmp_path: Path) -> Fix:
    """Repair a content in a folder with pictures; returns the content then, and the record."""

    def run(content: dict[str, Any], *, images: bool = False, drop: bool = False) -> tuple:
        folder = tmp_path / "in"
        for name in ("annotations", "images"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "annotations" / "a.json").write_text(json.dumps(content))
        for name in ("a.png", "b.png"):
            picture = np.full((48, 64, 3), ord(name[0]), dtype=np.uint8)
            cv2.imwrite(str(folder / "images" / name), picture)
        record = write_repaired(folder, tmp_path / "out", images=images, drop=drop)
        return read_json(tmp_path / "out" / "annotations" / "a.json"), record

    return run


PERSON_FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nested joints": ({"keypoints": np.reshape(JOINTS, (4, 3)).tolist()}, {"keypoints": JOINTS}),
    "lists of x, y, v": ({"keypoints": [JOINTS[i::3] for i in range(3)]}, {"keypoints": JOINTS}),
    "nested joints without visibility": (
        {"keypoints": [[30, 12], [32, 20], [0, 0], [44, 42]], "num_keypoints": 3},
        {"keypoints": [30, 12, 2, 32, 20, 2, 0, 0, 0, 44, 42, 2]},
    ),
    "joints as texts": ({"keypoints": [str(n) for n in JOINTS]}, {"keypoints": JOINTS}),
    "a joint of nulls": (
        {"keypoints": [None, None, 0, *JOINTS[3:]], "num_keypoints": 3},
        {"keypoints": [0, 0, 0, *JOINTS[3:]], "num_keypoints": 3},
    ),
    "a joint of nulls that is said to be visible": (
        {"keypoints": [None, None, 2, *JOINTS[3:]]},
        {"keypoints": [0, 0, 0, *JOINTS[3:]], "num_keypoints": 3},
    ),
    "a place whose visibility is null": (
        {"keypoints": [30, 12, None, *JOINTS[3:]]},
        {"keypoints": [30, 12, 0, *JOINTS[3:]], "num_keypoints": 3},
    ),
    "a place whose visibility is NaN": (
        {"keypoints": [30, 12, float("nan"), *JOINTS[3:]]},
        {"keypoints": [30, 12, 0, *JOINTS[3:]], "num_keypoints": 3},
    ),
    "visibility true and false": (
        {"keypoints": [30, 12, True, 32, 20, True, 22, 40, False, 44, 42, True]},
        {"keypoints": [30, 12, 2, 32, 20, 2, 22, 40, 1, 44, 42, 2]},
    ),
    "false without a place": (
        {"keypoints": [0, 0, False, *JOINTS[3:]], "num_keypoints": 3},
        {"keypoints": [0, 0, 0, *JOINTS[3:]], "num_keypoints": 3},
    ),
    "words for the visibility": (
        {
            "keypoints": [30, 12, "visible", 32, 20, "Not-Labeled", 22, 40, "occluded", 44, 42, 2],
            "num_keypoints": 3,
        },
        {"keypoints": [30, 12, 2, 32, 20, 0, 22, 40, 1, 44, 42, 2], "num_keypoints": 3},
    ),
    "joints in a text": ({"keypoints": ", ".join(map(str, JOINTS))}, {"keypoints": JOINTS}),
    "joints in a text of JSON": ({"keypoints": str(JOINTS)}, {"keypoints": JOINTS}),
    "joint texts": ({"keypoints": ["30,12,2", "32 20 2", "22,40,1", "44,42,2"]}, JOINED),
    "joints in a list of their own": ({"keypoints": [JOINTS]}, JOINED),
    "joints as objects": (
        {
            "keypoints": [
                dict(zip("xyv", j, strict=True)) for j in np.reshape(JOINTS, (4, 3)).tolist()
            ]
        },
        {"keypoints": JOINTS},
    ),
    "a box in a text": ({"bbox": "20 10 26 34"}, {"bbox": [20, 10, 26, 34]}),
    "a box in a text of JSON": ({"bbox": "[20, 10.5, 26, 34]"}, {"bbox": [20, 10.5, 26, 34]}),
    "a box as an object": (
        {"bbox": {"x": 20, "y": 10, "width": 26, "height": 34}},
        {"bbox": [20, 10, 26, 34]},
    ),
    "a box of corners as an object": (
        {"bbox": {"x1": 20, "y1": 10, "x2": 46, "y2": 44}},
        {"bbox": [20, 10, 26, 34]},
    ),
    "a box of two points": ({"bbox": [[46, 44], [20, 10]]}, {"bbox": [20, 10, 26, 34]}),
    "joints by their names": (
        {"keypoints": {"right_hand": [44, 42, 2], "Nose": [30, 12, 2], "neck": [32, 20, 2]}},
        {"keypoints": [30, 12, 2, 32, 20, 2, 0, 0, 0, 44, 42, 2], "num_keypoints": 3},
    ),
    "objects with the names of joints": (
        {
            "keypoints": [
                {"name": n, "x": x, "y": y, "visible": v}
                for n, (x, y, v) in reversed(
                    list(zip(NAMES, np.reshape(JOINTS, (4, 3)).tolist(), strict=True))
                )
            ]
        },
        {"keypoints": JOINTS},
    ),
    "an object for no joints": (
        {"keypoints": {}, "num_keypoints": 0},
        {"keypoints": [], "num_keypoints": 0},
    ),
    "a text of decimal commas": (
        {"bbox": "20,5 10,5 26,0 34,0"},
        {"bbox": EXTENT, "original_bbox": "20,5 10,5 26,0 34,0"},
    ),
    "a rotated box as an object": (
        {"rotated_box": {"cx": 33, "cy": 27, "w": 26, "h": 34, "angle": 5}},
        {"rotated_box": [33, 27, 26, 34, 5]},
    ),
    "the file of the image": ({"image_id": "a.png"}, {"image_id": 1}),
    "the file without its suffix": ({"image_id": "a"}, {"image_id": 1}),
    "the file in a folder": ({"image_id": "images/a.png"}, {"image_id": 1}),
    "a text for the image": ({"image_id": "1"}, {"image_id": 1}),
    "a box in a list": ({"bbox": [[20, 10, 26, 34]]}, {}),
    "floats for ids": ({"image_id": 1.0, "id": 1.0}, {"image_id": 1, "id": 1}),
    "a text for the category": ({"category_id": "1"}, {"category_id": 1}),
    "null for the category": ({"category_id": None}, {"category_id": 1}),
    "a fraction for an id": ({"id": 1.5}, {"id": 3}),
    "true for an id": ({"id": True}, {"id": 3}),
    "a text for the crowd flag": ({"iscrowd": "0"}, {"iscrowd": 0}),
    "a word for the crowd flag": ({"iscrowd": "false"}, {"iscrowd": 0}),
    "texts for numbers": (
        {"area": "500", "num_keypoints": "4", "bbox": ["20", "10.0", 26, "34"]},
        {"area": 500, "num_keypoints": 4, "bbox": [20, 10, 26, 34]},
    ),
    "a name for a track": ({"track_id": "A3"}, {"original_track_id": "A3"}),
    "a number in a text for a track": ({"track_id": "3"}, {"track_id": 3}),
    "a rotated box of three": ({"rotated_box": [1, 2, 3]}, {"original_rotated_box": [1, 2, 3]}),
    "a box of three": ({"bbox": [1, 2, 3]}, {"bbox": EXTENT, "original_bbox": [1, 2, 3]}),
    "a box with null": (
        {"bbox": [20, None, 26, 34]},
        {"bbox": EXTENT, "original_bbox": [20, None, 26, 34]},
    ),
    "no box": ({"bbox": None}, {"bbox": EXTENT}),
    "an empty list for a box": ({"bbox": []}, {"bbox": EXTENT}),
    "a box of NaN": ({"bbox": [float("nan")] * 4}, {"bbox": EXTENT}),
    "a box of negative width": ({"bbox": [46, 10, -26, 34]}, {"bbox": [20, 10, 26, 34]}),
    "null for the crowd flag": ({"iscrowd": None}, {"iscrowd": 0}),
    "an empty list of joints": (
        {"keypoints": [], "num_keypoints": 0},
        {"keypoints": [], "num_keypoints": 0},
    ),
    "an area that is a word": ({"area": "wide"}, {"area": 0.53 * 26 * 34, "area_from_box": True}),
}


@pytest.mark.parametrize("name", PERSON_FORMS)
def test_a_form_with_one_reading(fixed: Fix, tmp_path: Path, name: str) -> None:
    change, expected = PERSON_FORMS[name]
    before = content()
    before["annotations"][0] |= change
    after, record = fixed(before)
    assert set(record["remaining"]) <= {"joint-outside-box"}
    person = after["annotations"][0]
    for key, value in expected.items():
        assert person[key] == value
        assert type(person[key]) is type(value)
    # What is not named keeps its value, and everybody else is as before.
    for key in set(person) - set(expected) - set(change):
        assert person[key] == before["annotations"][0][key]
    assert after["annotations"][1:] == before["annotations"][1:]
    assert (after["images"], after["categories"]) == (before["images"], before["categories"])
    assert len(load_dataset(tmp_path / "out")["all"]) == 2


IMAGE_FORMS: dict[str, dict[str, Any]] = {
    "floats": {"width": 64.0, "height": 48.0},
    "texts": {"width": "64", "height": "48.0"},
    "null": {"width": None, "height": None},
    "zero": {"width": 0, "height": 0},
    "one side": {"height": -3},
    "NaN": {"width": float("nan")},
    "a float for an id": {"id": 1.0},
}


@pytest.mark.parametrize("name", IMAGE_FORMS)
def test_an_image_with_one_reading(fixed: Fix, tmp_path: Path, name: str) -> None:
    before = content()
    before["images"][0] |= IMAGE_FORMS[name]
    after, record = fixed(before)
    assert record["remaining"] == {}
    assert after == content()
    assert all(type(after["images"][0][key]) is int for key in ("id", "width", "height"))
    assert len(load_dataset(tmp_path / "out")["all"]) == 2


def test_sizes_that_are_not_there_come_from_the_pictures(fixed: Fix) -> None:
    before = content()
    for image in before["images"]:
        del image["width"], image["height"]
    after, record = fixed(before)
    assert after == content()
    assert len(record["changes"]) == 4


def test_a_size_without_a_picture_stays(fixed: Fix) -> None:
    before = content()
    before["images"][0] = {"id": 1, "file_name": "elsewhere.png"}
    after, record = fixed(before)
    assert after == before
    assert record["remaining"] == {"structure": 1}
    assert record["labels"]["before"] == record["labels"]["after"]
    assert record["labels"]["after"] == {"frames": 2, "people": 2, "boxes": 2, "joints": 8}


def test_a_side_that_contradicts_the_picture_stays(fixed: Fix) -> None:
    before = content()
    before["images"][0] |= {"width": 128, "height": None}
    after, _ = fixed(before)
    assert after == before


LEFT: dict[str, tuple[dict[str, Any], str]] = {
    "a visibility of two readings": ({"keypoints": [30, 12, "outside", *JOINTS[3:]]}, "structure"),
    "a joint that is a word": ({"keypoints": ["a", *JOINTS[1:]]}, "structure"),
    "joints in objects": ({"keypoints": [{"x": 1, "y": 2, "z": 3}] * 4}, "structure"),
    "a joint that the category does not name": ({"keypoints": {"tail": [1, 2, 2]}}, "structure"),
    "a list too short": ({"keypoints": JOINTS[:-1]}, "keypoint-count"),
    "a list of other joints": ({"keypoints": [*JOINTS, 1, 2, 2]}, "keypoint-count"),
    "an unknown image": ({"image_id": 7}, "image-unknown"),
    "a crowd flag that is no number": ({"iscrowd": "perhaps"}, "structure"),
    "no box and no joints": ({"bbox": None, "keypoints": [], "num_keypoints": 0}, "box-missing"),
    "a joint far outside": ({"keypoints": [30, 900, 2, *JOINTS[3:]]}, "joint-outside-image"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_has_no_one_answer_stays_until_told(fixed: Fix, tmp_path: Path, name: str) -> None:
    change, code = LEFT[name]
    before = content()
    before["annotations"][0] |= change
    after, record = fixed(before)
    assert after["annotations"][0] == before["annotations"][0]
    assert code in record["remaining"]
    record = write_repaired(tmp_path / "in", tmp_path / "dropped", drop=True)
    assert set(record["remaining"]) <= {"joint-outside-box", "coco-fields"}
    assert record["dropped"] == 1
    labels = record["labels"]
    for key in labels["before"]:
        assert labels["before"][key] - labels["dropped"][key] == labels["after"][key]
    load_dataset(tmp_path / "dropped")


def test_joints_of_another_form_are_counted_when_they_are_dropped(fixed: Fix) -> None:
    before = content()
    # Pairs of four joints, where the others have triples.
    before["annotations"][0]["keypoints"] = [11, 23, 0, 0, 0, 0, 20, 12]
    joints = fixed(before, drop=True)[1]["labels"]
    assert joints["dropped"]["joints"] == 2
    assert joints["before"]["joints"] == joints["after"]["joints"] + 2


def test_pairs_of_everybody_are_joints_without_visibility(fixed: Fix) -> None:
    before = content()
    for row in before["annotations"]:
        del row["keypoints"][2::3]
    before["annotations"][1]["keypoints"][2:4] = [0, 0]
    before["annotations"][1]["num_keypoints"] = 3
    after, record = fixed(before)
    assert record["remaining"] == {}
    assert after["annotations"][0]["keypoints"] == [30, 12, 2, 32, 20, 2, 22, 40, 2, 44, 42, 2]
    assert after["annotations"][1]["keypoints"][3:6] == [0, 0, 0]
    assert record["labels"]["before"] == record["labels"]["after"]
    assert record["labels"]["after"]["joints"] == 7


def test_pairs_are_read_beside_entries_of_another_category(fixed: Fix) -> None:
    before = content()
    before["categories"].insert(0, {"id": 0, "name": "objects"})
    first, *others = before["annotations"]
    del first["keypoints"][2::3]
    for other in others:
        other["category_id"] = 0
    after, record = fixed(before)
    assert after["annotations"][0]["keypoints"] == [30, 12, 2, 32, 20, 2, 22, 40, 2, 44, 42, 2]
    assert after["annotations"][1:] == others
    assert record["labels"]["before"] == record["labels"]["after"]


def test_places_are_labels_where_nobody_says_what_is_seen(fixed: Fix) -> None:
    before = content()
    for row in before["annotations"]:
        row["keypoints"][2::3] = [None] * 4
    before["annotations"][1]["keypoints"][3:5] = [0, 0]
    before["annotations"][1]["num_keypoints"] = 3
    after, record = fixed(before)
    assert record["remaining"] == {}
    assert after["annotations"][0]["keypoints"] == [30, 12, 2, 32, 20, 2, 22, 40, 2, 44, 42, 2]
    assert after["annotations"][1]["keypoints"][3:6] == [0, 0, 0]
    assert record["labels"]["after"]["joints"] == 7


def test_pairs_of_one_person_stay(fixed: Fix) -> None:
    before = content()
    del before["annotations"][0]["keypoints"][2::3]
    after, record = fixed(before)
    assert after == before
    assert record["remaining"] == {"keypoint-count": 1}


@pytest.mark.parametrize("step", [2, 3])
def test_nested_joints_twice_as_many_as_names_are_no_pairs(fixed: Fix, step: int) -> None:
    before = content()
    before["categories"][0]["keypoints"] = NAMES[:2]
    for row in before["annotations"]:
        row["keypoints"] = [row["keypoints"][at : at + step] for at in range(0, 12, 3)]
    after, record = fixed(before)
    assert after == before
    assert record["labels"]["after"] == record["labels"]["before"]
    assert record["labels"]["after"]["joints"] == 8
    assert record["remaining"]["structure"] == 2


@pytest.mark.parametrize(
    ("numbers", "keypoints", "clear"),
    [
        *(((0, 0), JOINTS, True), ((0, 2), JOINTS, False), ((0, 1), JOINTS, False)),
        *(((0, 0), JOINTS[:9], False), ((0, 0), [], False)),
    ],
    ids=["one other", "two others", "one is right", "other joints", "no joints"],
)
def test_a_category_by_another_number(
    fixed: Fix, numbers: tuple[int, int], keypoints: list[int], clear: bool
) -> None:
    before = content()
    for row, number in zip(before["annotations"], numbers, strict=True):
        row |= {"category_id": number, "keypoints": keypoints, "num_keypoints": len(keypoints) // 3}
    after, record = fixed(before)
    if clear:
        assert [row["category_id"] for row in after["annotations"]] == [1, 1]
        assert record["labels"]["after"] == record["labels"]["before"]
    else:
        assert after == before
        assert record["remaining"]["category-unknown"] == sum(number != 1 for number in numbers)


def test_joints_of_another_category_are_never_wiped(fixed: Fix) -> None:
    before = content()
    for row in before["annotations"]:
        row["keypoints"] += JOINTS
    after, record = fixed(before)
    assert after == before
    assert record["remaining"] == {"keypoint-count": 2}


def test_entries_that_hold_nothing_go_and_others_stay(fixed: Fix) -> None:
    before = content()
    before["annotations"] += [None, 7, "x", {}, [1, 2]]
    before["images"] += [None, copy.deepcopy(before["images"][0])]
    after, record = fixed(before)
    assert after["annotations"] == [*content()["annotations"], [1, 2]]
    assert after["images"] == content()["images"]
    assert record["remaining"] == {"structure": 1}


def test_two_images_of_one_id_with_people_stay(fixed: Fix) -> None:
    """Nobody knows who is on which."""
    before = content()
    before["images"][1]["id"] = 1
    after, record = fixed(before)
    assert after == before
    assert record["remaining"] == {"image-id-repeated": 1}


def test_an_unused_image_of_a_used_id(fixed: Fix) -> None:
    before = content()
    before["images"].append({**before["images"][1], "file_name": "c.png"})
    after, _ = fixed(before)
    assert [image["id"] for image in after["images"]] == [1, 2, 3]


@pytest.mark.parametrize("edges", [[["nose", "neck"], []], [[0, 1]], [["1", 2.0]], [["nose", 2]]])
def test_skeletons(fixed: Fix, edges: list[Any]) -> None:
    before = content()
    before["categories"][0]["skeleton"] = edges
    assert fixed(before)[0]["categories"][0]["skeleton"] == [[1, 2]]


def test_units_are_not_repaired_person_by_person(fixed: Fix) -> None:
    """Boxes all lie outside then, and joints: neither is made of the other."""
    before = content()
    for row in before["annotations"]:
        row["bbox"] = [row["bbox"][0] * 64, row["bbox"][1] * 48, 26 * 64, 34 * 48]
    after, record = fixed(before, drop=True)
    assert after == before
    assert record["remaining"]["units-multiplied"] == 1


def test_what_no_converter_can_write_is_written_otherwise(fixed: Fix) -> None:
    before = content()
    before["info"] = {"year": float("inf"), "who": "\ud800 ä"}
    before["annotations"][0]["more"] = [1, float("nan")]
    after, record = fixed(before)
    assert after["info"] == {"year": None, "who": "\\ud800 ä"}
    assert after["annotations"][0]["more"] == [1, None]
    assert record["remaining"] == {}
    assert len(record["changes"]) == 2


def test_a_file_name_of_two_images_is_nobodys(fixed: Fix) -> None:
    before = content()
    before["images"][1]["file_name"] = "a.png"
    before["annotations"][0]["image_id"] = "a.png"
    after, record = fixed(before)
    assert after["annotations"][0]["image_id"] == "a.png"
    assert record["remaining"]["image-unknown"] == 1


def test_an_image_without_a_field_is_no_frame(fixed: Fix) -> None:
    before = content()
    before["images"].append({})
    after, record = fixed(before)
    assert after == content()
    assert record["labels"]["before"] == record["labels"]["after"]


@pytest.mark.parametrize("change", [("width", None), ("width", "64"), ("id", 1.0), ("height", 20)])
def test_two_entries_of_one_image_are_a_frame_once_they_are_alike(
    fixed: Fix, change: tuple[str, Any]
) -> None:
    before = content()
    other = dict(before["images"][0])
    name, value = change
    other |= {name: value} if value is not None else {}
    if value is None:
        del other[name]
    before["images"].insert(1, other)
    after, record = fixed(before)
    if value == 20:
        assert after["images"] == before["images"]
        assert record["remaining"]["image-id-repeated"] == 1
    else:
        assert after == content()
        assert record["remaining"] == {}
    assert record["labels"]["before"] == record["labels"]["after"]
    assert record["labels"]["after"]["frames"] == (3 if value == 20 else 2)


def test_joints_that_cannot_be_read_hide_no_pairs_of_others(fixed: Fix) -> None:
    before = content()
    first, second = copy.deepcopy(before["annotations"][0]), before["annotations"][0]
    second |= {"id": 2, "keypoints": {"nose": [30, 12], "neck": [32, 20]}}
    first["keypoints"] = [30, 12, 32, 20, 22, 40, 0, 0]
    before["annotations"] = [first, second]
    after, record = fixed(before)
    kept, unread = after["annotations"]
    assert kept["keypoints"] == [30, 12, 2, 32, 20, 2, 22, 40, 2, 0, 0, 0]
    assert unread["keypoints"] == {"nose": [30, 12], "neck": [32, 20]}
    assert record["labels"]["before"]["joints"] == record["labels"]["after"]["joints"] == 3


@pytest.mark.parametrize("drop", [False, True])
def test_doubtful_angles_keep_nobody_from_a_box_of_the_joints(fixed: Fix, drop: bool) -> None:
    before = content()
    for person in before["annotations"]:
        person |= {"bbox": None, "rotated_box": [13, 12.5, 15, 20, 30]}
    after, record = fixed(before, drop=drop)
    assert [person["bbox"] for person in after["annotations"]] == [EXTENT, [25, 12, 22, 30]]
    assert not any(record["labels"]["dropped"].values())
    assert list(record["remaining"]) == ["angles-mirrored"]
