"""A repaired copy has none of the problems that can be repaired, and says what was changed."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.validation.label_counts import LabelCounts, extent_of_joints
from wepdtof_pose.validation.repaired_copy import summary, write_repaired
from wepdtof_pose.validation.repairs import repair
from wepdtof_pose.validation.validate import validate


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    rows = content["annotations"]
    rows.append("no object")
    rows.append(copy.deepcopy(rows[3]) | {"id": rows[3]["id"]})  # an exact copy
    rows[0]["id"] = rows[1]["id"]
    del rows[2]["id"]
    rows[3]["id"] = 0
    rows[4]["image_id"] = "nowhere"
    rows[5]["keypoints"][0] = float("nan")
    rows[6]["keypoints"][2] = 7
    rows[7]["keypoints"].pop()
    rows[8]["bbox"] = [10, 10, 0, 5]
    rows[9] |= {"bbox": [-500, 10, 5, 5], "keypoints": [0] * 42, "num_keypoints": 0}
    rows[10]["keypoints"][:2] = [320.5, 100]
    rows[11]["keypoints"][:2] = [900, 100]
    rows[12]["num_keypoints"] = 0
    del rows[13]["area"]
    rows[14]["area"] = -1
    cx, cy, w, h, angle = rows[15]["rotated_box"]
    rows[15]["rotated_box"] = [cx, cy, h, w, angle + 90]
    rows[16]["area"] = float("inf")
    file = tmp_path / "in put" / "annotations" / "person_keypoints.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content))
    (tmp_path / "in put" / "images").symlink_to(sample_folder().resolve() / "images")
    return file.parent.parent, content


LEFT = {
    *("image-unknown", "keypoint-count", "box-outside", "joint-outside-image"),
    *("people-alike", "box-repeated", "track-repeated"),
}


def test_images_of_another_spelling_are_in_the_copy(tmp_path: Path) -> None:
    """They get the name that the annotations have; others that are missing are said."""
    shutil.copytree(sample_folder(), tmp_path / "in")
    sample = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    names = [image["file_name"] for image in sample["images"]]
    folder = tmp_path / "in" / "images"
    (folder / names[0]).rename((folder / names[0]).with_suffix(".JPG"))
    (folder / names[1]).unlink()
    # A file that has an entry of its own is no other one's.
    sample["images"].append({**sample["images"][2], "id": 10**6, "file_name": f"{names[2]} "})
    write_json(tmp_path / "in" / "annotations" / "person_keypoints.json", sample)
    record = write_repaired(tmp_path / "in", tmp_path / "out")
    assert record["images_spelled_otherwise"] == {names[0]: str(Path(names[0]).with_suffix(".JPG"))}
    assert record["missing_images"] == [names[1], f"{names[2]} "]
    assert (tmp_path / "out" / "images" / names[0]).is_file()
    lines = summary(record, tmp_path / "out").splitlines()
    assert lines[-3].startswith("1 image is spelled in another way, and named as")
    assert lines[-2] == f"2 images are not there ({names[1]!r} is the first)"


def test_a_rotated_box_keeps_the_end_where_the_head_is(tmp_path: Path) -> None:
    sample = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    given = [[90, 80, 20, 50, 148], [90, 80, 20, 50, 208], [90, 80, 50, 20, 148]]
    for person, box in zip(sample["annotations"], given, strict=False):
        person["rotated_box"] = box
    write_json(tmp_path / "in.json", sample)
    # Nothing is wrong with the first; what `sspcm find` writes is like it.
    assert validate(tmp_path / "in.json").counts == {"rotated-box": 2}
    write_repaired(tmp_path / "in.json", tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("in*.json")
    made = [person["rotated_box"] for person in read_json(file)["annotations"][:3]]
    assert made == [given[0], [90, 80, 20, 50, -152], [90, 80, 20, 50, 58]]


@pytest.mark.parametrize("drop", [False, True])
def test_repair(damaged: tuple[Path, dict], tmp_path: Path, drop: bool) -> None:
    folder, content = damaged
    file = folder / "annotations" / "person_keypoints.json"
    before, out = file.read_bytes(), tmp_path / "out ß"
    record = write_repaired(folder, out, drop=drop)
    assert file.read_bytes() == before
    assert read_json(out / "changes.json") == record
    report = validate(out, images=True)
    assert report.counts == record["remaining"]
    doubtful = {"joint-outside-box", "area-doubtful"}
    assert set(report.counts) - doubtful == (set() if drop else LEFT), report.as_text()
    if drop:
        load_dataset(out)

    repaired = read_json(out / "annotations" / "person_keypoints.json")
    people = {row["id"]: row for row in repaired["annotations"]}
    original = content["annotations"]
    # Dropped are the person of an unknown image, the one without a usable box, and the copy.
    assert len(people) == len(repaired["annotations"]) == (60 - 2 if drop else 61)
    # Undamaged people are as they were.
    for row in original[17:60]:
        assert people[row["id"]] == row
    assert people[original[5]["id"]]["keypoints"][:3] == [0, 0, 0]
    assert people[original[6]["id"]]["keypoints"][2] == 2
    assert people[original[7]["id"]].get("keypoints") == (
        None if drop else original[7]["keypoints"]
    )
    box = people[original[8]["id"]]["bbox"]
    points = np.reshape(original[8]["keypoints"], (14, 3))[:, :2]
    np.testing.assert_allclose(box, [*points.min(axis=0), *np.ptp(points, axis=0)])
    assert people[original[10]["id"]]["keypoints"][:2] == [319, 100]
    outside = original[11]["keypoints"][:3]
    assert people[original[11]["id"]]["keypoints"][:3] == ([0, 0, 0] if drop else outside)
    assert people[original[12]["id"]]["num_keypoints"] == 14
    box = people[original[14]["id"]]["bbox"]
    assert people[original[14]["id"]]["area"] == pytest.approx(0.53 * box[2] * box[3])
    assert people[original[14]["id"]]["area_from_box"] is True
    fixed, was = people[original[15]["id"]]["rotated_box"], original[15]["rotated_box"]
    np.testing.assert_allclose(fixed[2:4], was[3:1:-1])
    labels = {key: LabelCounts(**value) for key, value in record["labels"].items()}
    made = LabelCounts(boxes=1)
    if drop:
        # 14 joints each of the lost person and the copy, 13 whole ones of a list of 41 numbers, and
        # the one outside.
        assert labels["dropped"] == LabelCounts(0, 3, 3, 14 + 14 + 13 + 1)
    else:
        assert not any(labels["dropped"])
    assert labels["before"] - labels["dropped"] + made == labels["after"]
    codes = {change["code"] for change in record["changes"]}
    assert {"structure", "person-id-zero", "not-finite", "box-empty"} <= codes


def test_a_category_that_is_in_no_list(tmp_path: Path) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    (category,) = content["categories"]
    file = tmp_path / "a.json"
    file.write_text(json.dumps({**content, "categories": category}))
    with pytest.raises(InputError, match=r"a.json: 'categories' is no list: put .* into \[ \]"):
        load_dataset(file)
    assert write_repaired(file, tmp_path / "out")["remaining"] == {}
    assert read_json(tmp_path / "out" / "annotations" / "a.json") == content


def test_what_pycocotools_reads_of_everybody_is_filled_in(tmp_path: Path) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    rows = content["annotations"]
    rows[0] |= {"iscrowd": 1, "bbox": [10, 10, 20, 30], "area": None}
    rows[1] |= {"iscrowd": 1, "bbox": [0, 0, 0, 0], "area": float("nan"), "keypoints": [0] * 42}
    rows[2] |= {"keypoints": [0] * 42}
    rows[3] |= {"iscrowd": 1, "num_keypoints": 3, "area": 0}
    for row in rows[:3]:
        del row["num_keypoints"]
    before = copy.deepcopy(rows[3:])
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    assert validate(file).counts == {"num-keypoints": 3, "area-missing": 2}
    assert write_repaired(file, tmp_path / "out")["remaining"] == {}
    repaired = read_json(tmp_path / "out" / "annotations" / "a.json")["annotations"]
    assert [row["num_keypoints"] for row in repaired[:3]] == [14, 0, 0]
    assert [row["area"] for row in repaired[:2]] == [pytest.approx(0.53 * 600), 0]
    assert repaired[3:] == before


def test_nobody_whom_a_reader_takes_is_dropped(tmp_path: Path) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    rows = content["annotations"]
    forms = [
        {"track_id": 3.0},
        {"iscrowd": 0.0},
        {"num_keypoints": 14.0},
        {"area_from_box": 1},
        {"num_keypoints": "14"},
        {"area": "wide", "area_from_box": "yes"},
    ]
    for row, form in zip(rows, forms, strict=False):
        row.update(form)
    file = tmp_path / "a.json"
    file.write_text(json.dumps({**content, "annotations": rows[:6]}))
    assert validate(file).counts == {"structure": 2}
    record = write_repaired(file, tmp_path / "out")
    assert (record["dropped"], record["remaining"]) == (0, {})
    assert [change["change"] for change in record["changes"][:3]] == [
        "'num_keypoints' '14' -> 14",
        "'area_from_box' 'yes' kept as 'original_area_from_box'",
        "'area' 'wide' cannot be read: made anew",
    ]
    repaired = read_json(tmp_path / "out" / "annotations" / "a.json")["annotations"]
    assert [row["id"] for row in repaired] == [row["id"] for row in rows[:6]]
    assert (repaired[4]["num_keypoints"], repaired[5]["area_from_box"]) == (14, True)


def test_images_of_a_repaired_copy(tmp_path: Path) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    images = content["images"]
    image = sample_folder() / "images" / images[0]["file_name"]
    (tmp_path / "in" / "images").mkdir(parents=True)
    (tmp_path / "in" / "elsewhere.jpg").write_bytes(image.read_bytes())
    (tmp_path / "in" / "images" / "a.jpg").symlink_to("../elsewhere.jpg")
    for row, name in zip(images, ["a.jpg", "./a.jpg", "b.jpg", "../c.jpg"], strict=False):
        row["file_name"] = name
    file = tmp_path / "in" / "annotations" / "a.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**content, "images": images[:4]}))
    record = write_repaired(tmp_path / "in", tmp_path / "out")
    copy = tmp_path / "out" / "images" / "a.jpg"
    assert copy.read_bytes() == image.read_bytes()
    assert not copy.is_symlink()
    assert [path.name for path in copy.parent.iterdir()] == ["a.jpg"]
    assert record["missing_images"] == ["b.jpg"]


@pytest.mark.parametrize(
    "names",
    [["_annotations.coco.json"] * 3, ["a.json", "b.json", "c.json"]],
    ids=["one", "several"],
)
def test_splits_in_folders_of_their_own_stay_apart(tmp_path: Path, names: list[str]) -> None:
    """As Roboflow writes them, each beside its images."""
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    content["annotations"][0].pop("area")
    for number, part in enumerate(("train", "valid", "test")):
        (tmp_path / part).mkdir()
        image = content["images"][number]
        shutil.copy(sample_folder() / "images" / image["file_name"], tmp_path / part / "a.jpg")
        people = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        own = {**content, "images": [{**image, "file_name": "a.jpg"}], "annotations": people}
        (tmp_path / part / names[number]).write_text(json.dumps(own))
    before = load_dataset(tmp_path)
    record = write_repaired(tmp_path, tmp_path / "out")
    first = "train/_annotations.coco.json" if len(set(names)) == 1 else "a.json"
    assert record["inputs"][0]["file"] == first
    after = load_dataset(tmp_path / "out")
    assert {s: len(d) for s, d in after.items()} == {s: len(d) for s, d in before.items()}
    for split, dataset in after.items():
        picture = (dataset.root / "a.jpg").read_bytes()
        assert picture == (before[split].root / "a.jpg").read_bytes()
    report = validate(tmp_path)
    assert report.findings[0].where.startswith(f"{first}: annotations[0]")


def test_missing_images_remain(tmp_path: Path) -> None:
    shutil.copytree(sample_folder(), tmp_path / "in")
    next((tmp_path / "in" / "images").rglob("*.jpg")).unlink()
    record = write_repaired(tmp_path / "in", tmp_path / "out", images=True)
    assert record["remaining"]["image-missing"] == 1
    assert validate(tmp_path / "out", images=True).counts == record["remaining"]


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"):
        write_repaired(sample_folder(), tmp_path / "out")


def test_nothing_is_left_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]x")
    with pytest.raises(InputError):
        write_repaired(tmp_path / "a.json", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_rotated_box_of_nothing_but_nan_is_put_aside(tmp_path: Path) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    content["annotations"][0]["rotated_box"] = [float("nan")] * 5
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert validate(tmp_path / "a.json").counts == {"not-finite": 1}
    record = write_repaired(tmp_path / "a.json", tmp_path / "out")
    assert record["remaining"] == {}
    person = read_json(tmp_path / "out" / "annotations" / "a.json")["annotations"][0]
    assert "rotated_box" not in person


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("box", "code"),
    [
        (float("nan"), "structure"),
        (float("inf"), "structure"),
        ([float("inf"), 2, 3, 4], "not-finite"),
        ([float("inf"), 2, float("-inf"), float("inf")], "not-finite"),
    ],
    ids=str,
)
def test_a_box_of_nan_or_infinity_is_that_of_the_joints(
    tmp_path: Path, box: Any, code: str
) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    content["annotations"][0]["bbox"] = box
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert code in validate(tmp_path / "a.json").counts
    record = write_repaired(tmp_path / "a.json", tmp_path / "out")
    assert record["remaining"] == {}
    person = read_json(tmp_path / "out" / "annotations" / "a.json")["annotations"][0]
    assert person["bbox"] == extent_of_joints(person["keypoints"])


@pytest.mark.parametrize(
    "categories",
    [
        *(float("nan"), True, 3),
        [{"id": float("nan"), "name": "person", "keypoints": ["a", "b", "c", "d"]}],
        [{"id": 1, "name": "person", "keypoints": float("inf")}],
    ],
    ids=str,
)
def test_categories_that_cannot_be_read_stay_and_are_said(tmp_path: Path, categories: Any) -> None:
    content = one_person(keypoints=[20, 20, 2] * 4, num_keypoints=4) | {"categories": categories}
    (tmp_path / "a.json").write_text(json.dumps(content))
    record = write_repaired(tmp_path / "a.json", tmp_path / "out")
    assert record["remaining"]["category"] == 1
    assert record["labels"]["before"] == record["labels"]["after"]


@pytest.mark.parametrize("area", [10**400, float("-inf"), 1e39])
def test_an_area_that_is_no_finite_number_is_that_of_the_box(area: float) -> None:
    made = repair(one_person(area=area), "a.json", file=Path("a.json")).content["annotations"][0]
    assert (made["area"], made["area_from_box"]) == (pytest.approx(0.53 * 30 * 40), True)


def one_person(**fields: Any) -> dict[str, Any]:
    """A file with a person of four joints on one image."""
    person = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [2, 2, 30, 40]}
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [{**person, "area": 636, **fields}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["a", "b", "c", "d"]}],
    }


def test_visibilities_of_ai_challenger_are_read_as_they_are_meant() -> None:
    """3 is absent there: at 0, 0 it is no label; 1 is visible, and 2 hidden."""
    joints = [5, 6, 1, 7, 8, 2, 0, 0, 3, 9, 9, 1]
    repaired = repair(one_person(keypoints=joints, num_keypoints=3), "a.json")
    person = repaired.content["annotations"][0]
    assert person["keypoints"] == [5, 6, 2, 7, 8, 1, 0, 0, 0, 9, 9, 2]
    assert person["num_keypoints"] == 3
    assert (repaired.before.joints, repaired.after.joints) == (3, 3)


def test_an_odd_visibility_makes_no_joint_where_no_place_is() -> None:
    joints = [5, 6, 2, 7, 8, 7, 0, 0, 7, 0, 0, 0]
    repaired = repair(one_person(keypoints=joints, num_keypoints=2), "a.json")
    assert repaired.content["annotations"][0]["keypoints"] == [5, 6, 2, 7, 8, 2] + [0] * 6


@pytest.mark.parametrize("value", ["001", "1"])
def test_the_number_of_one_image_and_the_file_of_another_is_nobodys(value: str) -> None:
    content = one_person(keypoints=[5, 6, 2] * 4, num_keypoints=4, image_id=value)
    content["images"].append({**content["images"][0], "id": 3, "file_name": f"cam/{value}.jpg"})
    repaired = repair(content, "a.json")
    assert repaired.content["annotations"][0]["image_id"] == value
    content["images"][1]["id"] = 1
    del content["images"][0]
    assert repair(content, "a.json").content["annotations"][0]["image_id"] == 1


@pytest.mark.parametrize(
    ("files", "texts", "found"),
    [
        # A whole name goes before its end.
        (["cam1/7.jpg", "cam2/7.jpg"], ["cam2/7.jpg"], [2]),
        (["7.jpg", "cam2/7.jpg"], ["7.jpg", "7"], [1, 1]),
        (["cam1/7.jpg"], ["all/cam1/7.jpg", "cam1\\7.jpg", "cam1/7"], [1, 1, 1]),
        # The frames of other cameras have the same names.
        (["cam1/7.jpg"], ["cam2/7.jpg", "cam2/7"], [None, None]),
        (["7.jpg"], ["cam1/7.jpg", "cam2/7.jpg"], [None, None]),
        (["cam1/7.jpg", "cam2/7.jpg"], ["7.jpg", "7"], [None, None]),
        (["a.png"], ["a.jpg", "", "/"], [None, None, None]),
    ],
)
def test_the_image_of_a_file(files: list[str], texts: list[str], found: list[int | None]) -> None:
    content = one_person(keypoints=[5, 6, 2] * 4, num_keypoints=4)
    image, one = content["images"][0], content["annotations"][0]
    content["images"] = [
        {**image, "id": n, "file_name": name} for n, name in enumerate(files, start=1)
    ]
    content["annotations"] = [
        {**one, "id": n, "image_id": text} for n, text in enumerate(texts, start=1)
    ]
    people = repair(content, "a.json").content["annotations"]
    expected = [text if n is None else n for text, n in zip(texts, found, strict=True)]
    assert [row["image_id"] for row in people] == expected


OTHER_TRIPLES = {
    "x, y, z": [5, 6, -12.5, 7, 8, 40, 9, 9, -0.5, 4, 4, 31],
    "visibility first": [2, 5, 6, 2, 7, 8, 2, 9, 9, 2, 4, 4],
    "all x, then all y": [5, 7, 9, 4, 6, 8, 9, 4, 2, 2, 2, 2],
    "per cent": [5, 6, 93, 7, 8, 81, 9, 9, 12, 4, 4, 99],
}


@pytest.mark.parametrize("joints", OTHER_TRIPLES.values(), ids=list(OTHER_TRIPLES))
def test_numbers_that_are_no_visibilities_are_not_written_over(joints: list[float]) -> None:
    content = one_person(keypoints=joints, num_keypoints=4)
    content["annotations"] *= 6
    content["annotations"] = [
        {**a, "id": n, "track_id": n} for n, a in enumerate(content["annotations"], start=1)
    ]
    for drop in (False, True):
        repaired = repair(content, "a.json", drop=drop)
        assert {tuple(a["keypoints"]) for a in repaired.content["annotations"]} == {tuple(joints)}
        assert repaired.dropped.joints == 0


@pytest.mark.parametrize("nested", [False, True])
def test_pairs_stay_where_another_field_says_what_is_seen(nested: bool) -> None:
    joints = [[5, 6], [7, 8], [9, 9], [4, 4]]
    flat = [number for joint in joints for number in joint]
    fields = {"keypoints": joints if nested else flat, "keypoints_visible": [1, 0, 1, 1]}
    content = one_person(**fields, num_keypoints=3)
    assert repair(content, "a.json").content == content


@pytest.mark.parametrize("keypoints", [[5, 6, 0, 7, 8, 0, 9, 9, 0, 4, 4, 0], [], None])
def test_joints_that_somebody_counted_are_not_denied(keypoints: list[int] | None) -> None:
    content = one_person(keypoints=keypoints, num_keypoints=4)
    repaired = repair(content, "a.json")
    assert repaired.content == content


@pytest.mark.parametrize(
    ("name", "other", "value"),
    [
        ("file_name", "filename", "a.png"),
        ("file_name", "path", "a.png"),
        ("width", "image_width", 64),
    ],
)
def test_a_field_of_an_image_under_the_name_of_another_tool(
    name: str, other: str, value: Any
) -> None:
    content = one_person(keypoints=[5, 6, 2] * 4, num_keypoints=4)
    good = copy.deepcopy(content)
    del content["images"][0][name]
    content["images"][0][other] = value
    assert repair(content, "a.json").content == good


def test_fields_of_a_person_under_the_names_of_another_tool() -> None:
    content = one_person(keypoints=[5, 6, 2] * 4, num_keypoints=4)
    good = copy.deepcopy(content)
    person = content["annotations"][0]
    for name, other in (("image_id", "imageId"), ("bbox", "box"), ("keypoints", "keypoint")):
        person[other] = person.pop(name)
    assert repair(content, "a.json").content == good


@pytest.mark.parametrize("asked", [123, "123"])
def test_an_image_id_with_zeros_before_it(asked: Any) -> None:
    content = one_person(image_id=asked)
    content["images"][0]["id"] = "000123"
    assert repair(content, "a.json").content["annotations"][0]["image_id"] == "000123"
    content["images"].append({**content["images"][0], "id": "0123", "file_name": "b.jpg"})
    assert repair(content, "a.json").content["annotations"][0]["image_id"] == asked


@pytest.mark.parametrize(
    ("box", "joints", "made"),
    [
        ([32, 42, -30, -40], [5, 6, 2], [2, 2, 30, 40]),
        ([2, 42, 30, -40], [5, 6, 2], [2, 2, 30, 40]),
        ([32, 42, -30, -40], [], [2, 2, 30, 40]),
        ([32, 42, -30, -40], [40, 6, 2], None),
        ([60, 42, -30, 40], [5, 6, 2], None),
        ([5, 5, -1, -1], [], None),
    ],
    ids=["both", "one", "no joints", "joint outside", "over the edge", "no box"],
)
def test_a_box_that_was_drawn_from_another_corner(
    box: list[int], joints: list[int], made: list[int] | None
) -> None:
    joints = [*joints, 7, 8, 2][: 6 if joints else 0]
    keypoints = joints + [0] * (12 - len(joints))
    content = one_person(bbox=box, keypoints=keypoints, num_keypoints=len(joints) // 3)
    repaired = repair(content, "a.json").content["annotations"][0]["bbox"]
    if made is not None:
        assert repaired == made
    elif joints:
        x, y = min(joints[::3]), min(joints[1::3])
        assert repaired == [x, y, max(joints[::3]) - x, max(joints[1::3]) - y]
    else:
        assert repaired == box
