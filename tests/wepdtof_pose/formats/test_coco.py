import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from coco_content import make_content, parse

from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.dataset import id_column
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco, coco_tables
from wepdtof_pose.formats.layout import SPELLED
from wepdtof_pose.keypoints import get_keypoint_set


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "image": {"id": "Lunch3_000001", "scene": "Lunch3"},
            "person": {"image_id": "Lunch3_000001"},
        },
        {"person": {"track_id": 4, "rotated_box": [10, 20, 5.5, 9, -45]}},
        {"category": {"skeleton": ...}},
        {"category": {"skeleton": [[1, 15]], "supercategory": "x"}},
        {"category": {"sigmas": [0.1, 0.2, 0.3]}},
        {"category": {"keypoints": ["nose", "a", "b"], "flip_pairs": [[3, 2]]}},
    ],
    ids=[
        *("plain", "text ids", "track and rotated box", "no skeleton", "wrong skeleton", "sigmas"),
        "mirror pairs",
    ],
)
def test_round_trip_is_exact(changes: dict) -> None:
    content = make_content(**changes)
    assert coco.to_dict(parse(content)) == content


def test_round_trip_of_a_written_set(make_dataset: Callable, tmp_path: Path) -> None:
    dataset = make_dataset(scenes=["a", "b", None])
    coco.write(dataset, tmp_path / "a.json")
    again = coco.read(tmp_path / "a.json")
    assert again.content_hash() == dataset.content_hash()
    assert again.keypoint_set == dataset.keypoint_set
    assert again.frames["scene"].tolist() == ["a", "b", None]
    np.testing.assert_array_equal(again.keypoints, dataset.keypoints)


@pytest.mark.parametrize(
    "ids",
    [range(1, 8), [*range(1, 6), "six", "seven"], [*range(1, 7), 2**63], ["a", *range(6)]],
    ids=["numbers", "texts at the end", "a huge one", "a text first"],
)
def test_a_large_file_is_read_in_parts_as_it_would_be_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list
) -> None:
    content = make_content()
    (image,), (person,) = content["images"], content["annotations"]
    people = [
        {"track_id": 4},
        {"category_id": 2},
        {"rotated_box": [10, 20, 5.5, 9, -45]},
        {"keypoints": None},
        {"category_id": 2, "keypoints": "none"},
        {"area": None},
        {"note": "ä"},
    ]
    content["images"] = [{**image, "id": i, "scene": f"s{k}"} for k, i in enumerate(ids)]
    content["annotations"] = [
        {**person, "id": i, "image_id": i, **other} for i, other in zip(ids, people, strict=True)
    ]
    (tmp_path / "a.json").write_text(json.dumps(content))
    whole = coco.read(tmp_path / "a.json")
    monkeypatch.setattr(coco_tables, "SMALL_FILE", 10)
    monkeypatch.setattr(coco_tables, "BLOCK_ROWS", 2)
    monkeypatch.setattr(coco, "read_json", None)
    parts = coco.read(tmp_path / "a.json")
    pd.testing.assert_frame_equal(parts.people, whole.people)
    pd.testing.assert_frame_equal(parts.frames, whole.frames)
    np.testing.assert_array_equal(parts.keypoints, whole.keypoints)
    assert len(parts) == 5
    assert (parts.meta, parts.keypoint_set) == (whole.meta, whole.keypoint_set)
    assert (parts.root, parts.content_hash()) == (whole.root, whole.content_hash())
    assert coco.to_dict(parts) == coco.to_dict(whole)


def test_people_without_ids_are_counted_among_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_content(person={"id": ...})
    person = content["annotations"][0]
    others = [{"category_id": 2}, {}, {}, {"category_id": 2}, {}, {"id": "x"}]
    content["annotations"] = [{**person, **other} for other in others]
    (tmp_path / "a.json").write_text(json.dumps(content))
    for block in (1 << 20, 10):
        monkeypatch.setattr(coco_tables, "SMALL_FILE", block)
        assert coco.read(tmp_path / "a.json").people["id"].tolist() == [1, 2, 3, "x"]


def test_errors_name_the_place_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = make_content()
    (image,), (person,) = content["images"], content["annotations"]
    content["annotations"] = [{**person, "category_id": 2}] * 4 + [{**person, "bbox": [1]}]
    broken = [content, {**make_content(), "images": [image, {**image, "width": 0}]}]
    broken += [{**make_content(), "annotations": [person, 5]}, {**make_content(), "images": 5}]
    errors = [
        r"annotations\[4\] \(id 1\): 'bbox' is a list of 1; expected a list of 4 finite numbers",
        r"images\[1\] \(id 7\): 'width' is 0; expected a positive whole number of pixels",
        "'annotations' lists 5, which is no JSON object: take it out",
        "'images' is missing or is not a list of objects",
    ]
    for block in (1 << 20, 10):
        monkeypatch.setattr(coco_tables, "SMALL_FILE", block)
        for wrong, error in zip(broken, errors, strict=True):
            (tmp_path / "a.json").write_text(json.dumps(wrong))
            with pytest.raises(InputError, match=error):
                coco.read(tmp_path / "a.json")


def test_annotations_of_other_categories_are_counted(tmp_path: Path) -> None:
    content = make_content()
    content["categories"].append({"id": 2, "name": "dog"})
    content["annotations"].append({"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4]})
    (tmp_path / "a.json").write_text(json.dumps(content))
    reading = READERS["coco"](tmp_path / "a.json", None, None)
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {"annotations of category 'dog'": 1}


def test_other_fields_never_replace_own_ones(make_dataset: Callable) -> None:
    dataset = make_dataset([1])
    plain = coco.to_dict(dataset)
    dataset.people["extra"] = [{"id": "7", "bbox": "small", "rotated_box": "none", "note": "x"}]
    dataset.frames["extra"] = [{"id": 3, "width": 1, "scene": 4.5, "url": "u"}]
    content = coco.to_dict(dataset)
    assert content["annotations"] == [{**plain["annotations"][0], "note": "x"}]
    assert content["images"] == [{**plain["images"][0], "url": "u"}]
    lost = WRITERS["coco"]({"all": dataset}).not_held
    assert lost == {"other fields with names of COCO's own": 2}


@pytest.mark.parametrize("name", ["aic-14", "wepdtof-pose-14"])
def test_sets_with_the_same_joints_keep_their_names(
    make_dataset: Callable, tmp_path: Path, name: str
) -> None:
    coco.write(make_dataset(keypoint_set=name), tmp_path / "a.json")
    assert coco.read(tmp_path / "a.json").keypoint_set == get_keypoint_set(name)


def test_own_sigmas_survive_a_conversion_that_drops_the_category() -> None:
    dataset = parse(make_content(category={"sigmas": [0.1, 0.2, 0.3]}))
    again = parse(coco.to_dict(dataset.with_keypoint_set(dataset.keypoint_set)))
    assert again.keypoint_set.sigmas == (0.1, 0.2, 0.3)


def test_mirror_pairs_are_kept_where_the_names_do_not_say_them() -> None:
    category = {"keypoints": ["nose", "a", "b"], "flip_pairs": [[3, 2]]}
    dataset = parse(make_content(category=category))
    assert dataset.keypoint_set.flip_pairs == ((1, 2),)
    again = parse(coco.to_dict(dataset.with_keypoint_set(dataset.keypoint_set)))
    assert again.keypoint_set.flip_pairs == ((1, 2),)
    lost = WRITERS["cvat"]({"all": dataset}).not_held
    assert lost["mirror pairs that the names of the joints do not say"] == 1


def test_a_set_without_people_is_an_unlabelled_pool() -> None:
    content = {**make_content(), "annotations": []}
    dataset = parse(content)
    assert (len(dataset), len(dataset.frames), dataset.trainable().shape) == (0, 1, (0,))
    assert coco.to_dict(dataset) == content


def test_what_is_in_memory() -> None:
    dataset = parse(make_content())
    assert dataset.keypoint_set.joints == ("nose", "left_eye", "right_eye")
    assert dataset.keypoint_set.skeleton == ((0, 1),)
    assert dataset.keypoints.tolist() == [[[3, 4.25, 2], [0, 0, 0], [5.125, 6, 1]]]
    assert dataset.boxes.tolist() == [[1.5, 2, 30, 40.25]]


@pytest.mark.parametrize("area", [..., None], ids=["absent", "null"])
def test_missing_area_is_filled_and_said_so_in_the_file(area: Any) -> None:
    written = coco.to_dict(parse(make_content(person={"area": area})))["annotations"][0]
    assert written["area"] == pytest.approx(0.53 * 30 * 40.25)
    assert written["area_from_box"] is True
    again = coco.to_dict(parse({**make_content(), "annotations": [written]}))
    assert again["annotations"][0] == written


def test_other_fields_may_hold_anything() -> None:
    content = make_content(person={"\ud800": "\ud800", "deep": [{"a": None}, float("inf")]})
    assert coco.to_dict(parse(content)) == content


@pytest.mark.parametrize(
    ("person", "counted"),
    [
        ({"rotation": 30.0}, 1),
        ({"attributes": {"rotation": 30.0, "occluded": False}}, 1),
        ({"angle": -1.2}, 1),
        ({"rotation": 0.0, "attributes": {"rotation": 0.0}}, 0),
        ({"rotation": 30, "rotated_box": [10, 20, 5.5, 9, 30]}, 0),
        ({"attributes": "rotation"}, 0),
    ],
)
def test_angles_that_are_no_part_of_a_rotated_box_are_counted(person: dict, counted: int) -> None:
    left_out = parse(make_content(person=person)).left_out
    assert sum(left_out.values()) == counted
    assert all(what.startswith("angles beside boxes (not read: ") for what in left_out)


def test_annotations_of_other_categories_are_no_people() -> None:
    content = make_content()
    content["annotations"].append({"id": 2, "category_id": 5, "image_id": 7, "bbox": [0, 0, 1, 1]})
    assert len(parse(content)) == 1


@pytest.mark.parametrize(
    ("box", "area"),
    [(..., ...), (None, ...), ([], ...), ([0, 0, 0, 0], 0), ([0.0, 0, 0, 0], ...), (None, 0)],
    ids=str,
)
def test_a_missing_box_is_the_extent_of_the_labelled_joints(box: Any, area: Any) -> None:
    keypoints = [3, 4.25, 2, 90, 90, 0, 5.125, 16, 1]
    dataset = parse(make_content(person={"bbox": box, "keypoints": keypoints, "area": area}))
    assert dataset.boxes.tolist() == [[3, 4.25, 2.125, 11.75]]
    assert dataset.left_out == {"boxes that are the extent of the joints": 1}
    assert bool(dataset.people["area_from_box"][0])


@pytest.mark.parametrize("keypoints", [..., None, []], ids=str)
def test_a_person_with_a_box_alone_has_no_labels(keypoints: Any) -> None:
    dataset = parse(make_content(person={"keypoints": keypoints}))
    assert dataset.keypoints.tolist() == [[[0, 0, 0]] * 3]
    assert dataset.left_out == {}


@pytest.mark.parametrize(
    ("skeleton", "edges", "lost"),
    [
        ([["nose", "left_eye"], ["nose", "LEye"], [1, 3]], ((0, 1), (0, 1), (0, 2)), 0),
        ([["nose", "tail"], [1, 3]], ((0, 2),), 1),
        ([[]], (), 1),
        ([[1, 2], [1, 15]], (), 2),
        ([[0, 1], [1, 2]], (), 2),
        (5, (), 1),
    ],
    ids=str,
)
def test_edges_that_name_no_joints_are_not_drawn(skeleton: Any, edges: tuple, lost: int) -> None:
    dataset = parse(make_content(category={"skeleton": skeleton}))
    assert dataset.keypoint_set.skeleton == edges
    what = "edges of the skeleton that name no joints (not drawn)"
    assert dataset.left_out == ({what: lost} if lost else {})


@pytest.mark.parametrize("number", [2, 1, "1"])
def test_categories_of_one_name_and_the_same_joints_are_one(number: Any) -> None:
    """Files that were put together list one for each of their parts."""
    content = make_content()
    content["annotations"].append(
        make_content(person={"id": 2, "category_id": number})["annotations"][0]
    )
    content["categories"].append({**content["categories"][0], "id": number})
    dataset = parse(content)
    assert dataset.people["id"].tolist() == [1, 2]
    what = "categories of one name and the same joints (taken for one)"
    assert dataset.left_out == ({} if number == 1 else {what: 1})
    assert {a["category_id"] for a in coco.to_dict(dataset)["annotations"]} == {1}


@pytest.mark.parametrize(
    ("field", "value"), [("image_id", "7"), ("category_id", "1"), ("image_id", "a.jpg")]
)
def test_ids_of_another_form_name_the_step_that_reads_them(field: str, value: str) -> None:
    with pytest.raises(InputError, match=r"does not list.*validate --fix mends what has one read"):
        parse(make_content(person={field: value}))


@pytest.mark.parametrize("parts", [("bbox", "keypoints"), ("keypoints",), ("bbox",)], ids=str)
def test_shares_of_the_image_are_no_pixels(parts: tuple[str, ...]) -> None:
    shares: dict[str, Any] = {
        "bbox": [0.125, 0, 0.5, 1],
        "keypoints": [0.2, 0.25, 2, 0, 0, 0, 0.5, 0.9, 1],
    }
    what = " and ".join({"bbox": "boxes", "keypoints": "joints"}[part] for part in parts)
    with pytest.raises(InputError, match=f"all {what} lie between 0 and 1: they are shares of the"):
        parse(make_content(person={part: shares[part] for part in parts}))


def test_one_person_in_shares_is_no_convention() -> None:
    shares = {"bbox": [0.125, 0, 0.5, 1], "keypoints": [0.2, 0.25, 2, 0, 0, 0, 0.5, 0.9, 1]}
    one = make_content(person=shares)
    one["annotations"].append(make_content()["annotations"][0])
    assert len(parse(one)) == 2


@pytest.mark.parametrize("name", ["../x.jpg", "a\\..\\x.jpg", "/x.jpg", "C:\\x.jpg"])
def test_images_outside_the_data_set_are_refused_where_it_is_read(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(make_content(image={"file_name": name})))
    with pytest.raises(InputError, match=r"leads out of the image folder.*--images DIR goes by"):
        coco.read(tmp_path / "a.json")


@pytest.mark.parametrize(
    "name",
    [
        *("C:\\data\\photos\\a.jpg", "/home/someone/photos/a.jpg", "../images/a.jpg"),
        *("https://example.org/data/a.jpg?x=1", "Data/images/2024/a.jpg", "A.JPG", "file:///a.jpg"),
    ],
)
def test_images_are_found_by_the_longest_end_of_their_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "images" / "photos").mkdir(parents=True)
    (tmp_path / "images" / "a.jpg").write_bytes(b"")
    if "photos" in name:
        (tmp_path / "images" / "photos" / "a.jpg").write_bytes(b"")
    (tmp_path / "a.json").write_text(json.dumps(make_content(image={"file_name": name})))
    dataset = coco.read(tmp_path / "a.json", images=[tmp_path / "images"])
    expected = "photos/a.jpg" if "photos" in name else "a.jpg"
    assert dataset.frames["file_name"].tolist() == [expected]
    assert dataset.frames["extra"][0]["file_name_read"] == name
    reason = SPELLED if name == "A.JPG" else "leading folders of image names"
    assert dataset.left_out == {reason: 1}


def test_images_that_end_alike_are_refused(tmp_path: Path) -> None:
    content = make_content(image={"file_name": "one/a.jpg"})
    content["images"].append({**content["images"][0], "id": 8, "file_name": "two/a.jpg"})
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"'one/a\.jpg' and 'two/a\.jpg' would both be a\.jpg"):
        coco.read(tmp_path / "a.json", images=[tmp_path])


def test_keypoint_set_can_be_given_where_the_file_has_none() -> None:
    content = make_content(person={"keypoints": [1, 2, 2] * 14})
    del content["categories"]
    assert parse(content, keypoint_set=get_keypoint_set("aic-14")).keypoint_set.name == "aic-14"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"person": {"keypoints": [1, 2, 2]}}, r"annotations\[0\] \(id 1\): .* 3 numbers .* 9"),
        ({"person": {"keypoints": [1, 2, 3] * 3}}, "visibilities"),
        ({"person": {"keypoints": [1, 2, "2"] * 3}}, "an item of 'keypoints' is '2'; expected a l"),
        ({"person": {"keypoints": [float("nan")] * 9}}, "an item of 'keypoints' is nan; expected"),
        (
            {"person": {"keypoints": [1, 2, 1e39] * 3}},
            r"an item of 'keypoints' is 1e\+39; expected",
        ),
        ({"person": {"keypoints": "none"}}, "'keypoints' is 'none'; expected a list of finite"),
        (
            {"person": {"bbox": ..., "keypoints": ...}},
            "'bbox' is missing, and no joint is labelled",
        ),
        ({"person": {"bbox": [1, 2, 3]}}, "'bbox' is a list of 3; expected a list of 4 finite num"),
        ({"person": {"bbox": [1, 2, 3, None]}}, "an item of 'bbox' is None; expected a list of 4"),
        ({"person": {"bbox": [1, 2, 3, True]}}, "an item of 'bbox' is True; expected a list of 4"),
        ({"person": {"image_id": ...}}, "has no 'image_id'"),
        ({"person": {"image_id": 8}}, "image 8, which 'images' does not list"),
        (
            {"person": {"image_id": [7]}},
            "'image_id' is a list of 1; expected a whole number or a t",
        ),
        ({"person": {"id": {}}}, "'id' is a dict of 0; expected a whole number or a text"),
        ({"person": {"id": "a\tb"}}, r"'id' is 'a\\tb'; expected a text of printable characters"),
        ({"person": {"image_id": "\ud800"}}, r"'image_id' is '\\ud800'; expected a"),
        ({"person": {"area": "big"}}, "'area' is 'big'; expected a finite number"),
        ({"person": {"iscrowd": 0.5}}, "'iscrowd' is 0.5; expected a whole number"),
        (
            {"person": {"track_id": 2**53}},
            "'track_id' is 9007199254740992; expected a whole number",
        ),
        ({"person": {"rotated_box": [1, 2]}}, "'rotated_box' is a list of 2; expected a list of 5"),
        ({"image": {"width": ...}}, "has no 'width'"),
        ({"image": {"height": 0}}, "'height' is 0; expected a positive whole number of pixels"),
        ({"image": {"height": 2.0}}, "'height' is 2.0; expected a positive whole number of pixels"),
        ({"image": {"file_name": "a\0b"}}, "not a usable file name"),
        ({"image": {"file_name": "x" * 300}}, "not a usable file name"),
        ({"image": {"file_name": 5}}, "'file_name' is 5; expected a usable file name"),
        ({"image": {"scene": ["a"]}}, "'scene' is a list of 1; expected a whole number or a text"),
        ({"category": {"keypoints": ...}}, "no category names its keypoints"),
        ({"category": {"keypoints": ["a", "a", "b"]}}, "twice"),
        ({"category": {"sigmas": [1]}}, "1 sigmas"),
        ({"category": {"flip_pairs": 5}}, "category 'person'.*pairs of joint numbers from 1 to 3"),
        ({"category": {"flip_pairs": [["a", "b"]]}}, "'flip_pairs' is not a list of pairs"),
        ({"category": {"flip_pairs": [[1, 2, 3]]}}, "'flip_pairs' is not a list of pairs"),
        ({"category": {"flip_pairs": [[1, 2]]}}, "category 'person'"),
        ({"category": {"flip_pairs": [[0, 1]]}}, "category 'person'.*from 1 to 3"),
        (
            {"category": {"keypoint_set": "lsp-14"}},
            "says 'lsp-14', but the keypoints are not those: .* take 'keypoint_set'",
        ),
    ],
    ids=str,
)
def test_broken_content(changes: dict, error: str) -> None:
    with pytest.raises(InputError, match=error) as raised:
        parse(make_content(**changes))
    assert str(raised.value).startswith("x.json")


@pytest.mark.parametrize(
    "content", [[], 5, {}, {"images": []}, {"images": {}, "annotations": []}], ids=str
)
def test_content_of_another_kind(content: Any) -> None:
    with pytest.raises(InputError, match=r"x\.json"):
        parse(content)


def test_repeated_image_id() -> None:
    content = make_content()
    content["images"] *= 2
    with pytest.raises(InputError, match=r"image id 7 is used twice .*--fix mends"):
        parse(content)


@pytest.mark.parametrize("place", ["images/train2017", "images", "train2017", ".", "annotations"])
def test_images_are_found_in_the_usual_places(tmp_path: Path, place: str) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "a.jpg").write_bytes(b"")
    file = tmp_path / "annotations" / "person_keypoints_train2017.json"
    assert coco.find_image_root(file, ["a.jpg"]).resolve() == (tmp_path / place).resolve()
    assert coco.find_image_root(file, ["b.jpg"]) == tmp_path.resolve() / "images"
    some_missing = ["b.jpg", "c.jpg", "a.jpg"]
    assert coco.find_image_root(file, some_missing).resolve() == (tmp_path / place).resolve()


def test_ids_beyond_any_float_are_ids(make_dataset: Callable, tmp_path: Path) -> None:
    dataset = make_dataset((1, 2))
    larger = {number: number + 10**400 for number in dataset.frames["id"]}
    dataset.frames["id"] = id_column([larger[number] for number in dataset.frames["id"]])
    dataset.people["frame_id"] = id_column([larger[n] for n in dataset.people["frame_id"]])
    coco.write(dataset, tmp_path / "a.json")
    again = coco.read(tmp_path / "a.json")
    assert again.frames["id"].tolist() == list(larger.values())
    assert again.people["frame_id"].tolist() == dataset.people["frame_id"].tolist()
