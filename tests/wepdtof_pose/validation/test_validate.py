"""Each defect gives its code and no other; broken files give findings and never a traceback."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_edits import (
    Edit,
    all_per_cent,
    box_per_cent,
    boxes_of_larger_images,
    busts,
    by_corners,
    by_own_corners,
    by_two_corners,
    centres,
    centres_of_a_pool,
    copied,
    corners,
    detectrons,
    exchanged,
    image,
    joint,
    joint_shares,
    joints_of_crops,
    joints_rows_first,
    mirrored,
    multiplied,
    only_crowds,
    only_dogs,
    person,
    placeholder,
    places_in_space,
    plain_boxes_of_heads,
    radians,
    read_as_centres,
    rotated_shares,
    rows_first,
    scaled,
    several,
    shares,
    shares_of_boxes,
    unsaid,
    without,
)
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import keypoint_set_from_names
from wepdtof_pose.validation.codes import CODES
from wepdtof_pose.validation.findings import PLACES, Report
from wepdtof_pose.validation.joints import unpaired_joints
from wepdtof_pose.validation.validate import validate, validate_dataset


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    return read_json(sample_folder() / "annotations" / "person_keypoints.json")


@pytest.fixture
def findings_of(sample: dict, tmp_path: Path) -> Callable[[Edit], Report]:
    def run(edit: Edit) -> Report:
        content = copy.deepcopy(sample)
        edit(content)
        (tmp_path / "ä b.json").write_text(json.dumps(content))
        return validate(tmp_path / "ä b.json")

    return run


CASES: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda content: None, set()),
    "an entry that is no object": (lambda c: c["annotations"].append(7), {"structure"}),
    "a text for a number": (person(bbox=["a", 1, 2, 3]), {"structure"}),
    "a short box": (person(bbox=[1, 2, 3]), {"structure"}),
    "a float for an id": (image(1, id=7.0), {"structure"}),
    "an id that is a fraction": (person(id=1.5), {"structure"}),
    "an id of half a character": (person(id="\ud800"), {"structure"}),
    "a width of 0": (image(width=0), {"structure"}),
    "nothing at all": (lambda c: c.update(images=[], annotations=[]), {"no-images"}),
    "no categories": (lambda c: c.pop("categories"), {"category"}),
    "two categories": (several, {"category"}),
    "a category twice": (lambda c: c["categories"].append(c["categories"][0]), set()),
    "a category that nobody uses": (
        lambda c: c["categories"].append({"id": 9, "name": "hand", "keypoints": ["thumb"]}),
        set(),
    ),
    "a skeleton of names": (
        lambda c: c["categories"][0].update(skeleton=[["neck", "head_top"]]),
        {"skeleton"},
    ),
    "a category without joints": (placeholder, {"category-without-joints"}),
    "a category twice a joint": (
        lambda c: c["categories"][0]["keypoints"].__setitem__(0, "neck"),
        {"category"},
    ),
    "sides without an opposite": (
        lambda c: c["categories"][0].update(
            keypoint_set="ours", keypoints=["shoulderright", *c["categories"][0]["keypoints"][1:]]
        ),
        {"joint-sides"},
    ),
    "nobody but dogs": (only_dogs, {"nobody"}),
    "crowds alone": (only_crowds, {"crowds-alone"}),
    "another category": (person(category_id=5), {"category-unknown"}),
    "an image id twice": (image(1, id=6), {"image-id-repeated", "image-unknown"}),
    "an image that is not there": (person(image_id=10**6), {"image-unknown"}),
    "a person id twice": (person(1, id=20), {"person-id-repeated"}),
    "no person id": (without("id"), {"person-id-missing"}),
    "person id 0": (person(id=0), {"person-id-zero"}),
    "a box of NaN": (person(bbox=[float("nan"), 1, 2, 3]), {"not-finite", "joint-outside-box"}),
    "an infinite joint": (joint(0, float("inf")), {"not-finite", "num-keypoints"}),
    "a joint of 1000 digits": (joint(0, 10**999), {"not-finite", "num-keypoints"}),
    "an area of NaN": (person(area=float("nan")), {"area-missing"}),
    "a number too few": (lambda c: c["annotations"][0]["keypoints"].pop(), {"keypoint-count"}),
    "visibility 3": (joint(2, 3), {"visibility"}),
    "visibility -1": (joint(2, -1), {"visibility", "num-keypoints"}),
    "visibility 0.5": (joint(2, 0.5), {"visibility"}),
    "an empty box": (person(bbox=[10, 10, 0, 5]), {"box-empty"}),
    "a box of a joint": (person(bbox=[100, 100, 1, 1], area=1), {"box-small", "joint-outside-box"}),
    "a box outside": (person(bbox=[400, 10, 5, 5], area=20), {"box-outside", "joint-outside-box"}),
    "a box over the edge": (
        lambda c: c["annotations"][0]["bbox"].__setitem__(2, 1000),
        {"box-over-edge", "area-doubtful"},
    ),
    "a joint outside the image": (joint(0, 320.1), {"joint-outside-image"}),
    "a joint at 0, 0": (
        lambda c: c["annotations"][0]["keypoints"].__setitem__(slice(36, 39), [0, 0, 2]),
        {"joint-nowhere", "joint-outside-box"},
    ),
    "a joint at -1, -1": (
        lambda c: c["annotations"][0]["keypoints"].__setitem__(slice(36, 39), [-1, -1, 2]),
        {"joint-nowhere", "joint-outside-image"},
    ),
    "a joint on the edge of the image": (joint(0, 319.5), {"joint-outside-box"}),
    "a wrong count": (person(num_keypoints=3), {"num-keypoints"}),
    "no count": (without("num_keypoints"), {"num-keypoints"}),
    "no area": (without("area"), {"area-missing"}),
    "area 0": (person(area=0), {"area-not-positive"}),
    "an area of millimetres": (person(area=1e7), {"area-doubtful"}),
    "a rotated box on its side": (
        lambda c: c["annotations"][0]["rotated_box"].__setitem__(2, 500),
        {"rotated-box"},
    ),
    "a rotated box turned by more than half a turn": (
        lambda c: c["annotations"][0]["rotated_box"].__setitem__(4, 200),
        {"rotated-box"},
    ),
    "a rotated box without sides": (
        lambda c: c["annotations"][0].update(rotated_box=[160, 160, 0, 0, 0]),
        {"rotated-box-empty"},
    ),
    "a rotated box of NaN": (
        lambda c: c["annotations"][0]["rotated_box"].__setitem__(4, float("nan")),
        {"not-finite"},
    ),
    "left and right": (exchanged, {"sides-exchanged"}),
    "a track twice": (person(1, track_id=5), {"track-repeated"}),
    "a person twice": (copied, {"people-alike"}),
    "a box twice": (
        lambda c: c["annotations"][1].update(bbox=list(c["annotations"][0]["bbox"]), area=9),
        {"box-repeated", "joint-outside-box", "area-doubtful"},
    ),
    "no box": (without("bbox"), {"box-missing"}),
    "an empty box list": (person(bbox=[]), {"box-missing"}),
    "NaN in a field of others": (person(more={"x": float("nan")}), {"not-writable"}),
    "half a character in the file": (
        lambda c: c["info"].update(who="\ud800"),
        {"not-writable"},
    ),
    "no crowd flag": (without("iscrowd"), {"coco-fields"}),
    "no category": (without("category_id"), {"coco-fields"}),
    "shares of the image": (shares, {"units-shares"}),
    "shares for joints alone": (joint_shares, {"units-shares"}),
    "per cent for boxes": (box_per_cent, {"units-per-cent"}),
    "per cent for boxes and joints": (all_per_cent, {"units-per-cent"}),
    "shares multiplied twice": (multiplied, {"units-multiplied", "box-outside", "area-doubtful"}),
    "boxes by corners": (corners, {"units-corners"}),
    "boxes that say so": (detectrons, {"units-corners"}),
    "boxes by centres": (centres, {"units-boxes"}),
    "boxes by centres without joints": (centres_of_a_pool, {"units-boxes"}),
    "boxes of the pictures before they were resized": (
        boxes_of_larger_images,
        {"units-boxes", "box-outside"},
    ),
    "boxes y before x": (rows_first, {"units-boxes"}),
    "corners read as centres": (read_as_centres, {"units-boxes", "area-doubtful"}),
    "joints y before x": (joints_rows_first, {"units-boxes"}),
    "joints of crops": (joints_of_crops, {"units-joints", "joint-outside-image"}),
    "joints in shares of boxes": (shares_of_boxes, {"units-joints"}),
    "places without visibility": (unsaid, {"visibility-unsaid", "num-keypoints"}),
    "places with z": (places_in_space, {"units-visibility", "visibility", "num-keypoints"}),
    "rotated boxes by corners": (by_corners, {"units-rotated"}),
    "rotated boxes by corners of their own": (by_own_corners, {"units-rotated"}),
    "rotated boxes by two corners": (by_two_corners, {"units-rotated", "rotated-box"}),
    "rotated boxes in shares": (rotated_shares, {"units-rotated"}),
    "a fault beside rotated boxes by corners": (
        lambda content: (by_corners(content), person(bbox=[5, 5, 1, 1])(content))[0],
        {"units-rotated", "box-small", "joint-outside-box", "area-doubtful"},
    ),
    "angles in radians": (radians, {"angles-radians"}),
    "angles counter-clockwise": (mirrored, {"angles-mirrored"}),
    "a scene with an escape": (image(scene="cam\x1b[31m"), {"structure"}),
    "a name with a drive": (image(file_name="C:a.jpg"), {"file-name"}),
    "a name that leads out": (image(file_name="../a.jpg"), {"file-name"}),
    "a name of two lines": (image(file_name="a\nb.jpg"), {"file-name"}),
    "a name twice": (
        image(1, file_name="scene_0002/scene_0002_000001.jpg"),
        {"file-name-repeated"},
    ),
    "a name in capitals": (
        image(1, file_name="SCENE_0002/scene_0002_000001.jpg"),
        {"file-name-case"},
    ),
}
LOOSE = {"joint-outside-box", "area-doubtful", "box-over-edge", "people-alike", "track-repeated"}
LOOSE |= {"joint-outside-image"}


@pytest.mark.parametrize("name", CASES)
def test_every_defect_is_found(findings_of: Callable, name: str) -> None:
    edit, expected = CASES[name]
    report = findings_of(edit)
    # A defect may make others (a box that is cut has joints outside), which only may be found.
    assert expected - LOOSE <= set(report.counts) <= expected | LOOSE
    if len(expected) == 1 or not expected:
        assert set(report.counts) == expected
    report.as_text().encode()
    for finding in report.findings:
        assert finding.where.startswith("ä b.json")
        assert finding.message
        assert finding.fix == CODES[finding.code].fix


def test_one_split_may_have_no_image(tmp_path: Path, sample: dict) -> None:
    """`convert` takes it, too; where no split has one it refuses the data set."""
    empty = {**sample, "images": [], "annotations": []}
    for content, expected in ((sample, {}), (empty, {"no-images": 1})):
        folder = tmp_path / str(len(expected))
        write_json(folder / "annotations" / "person_keypoints_train.json", content)
        write_json(folder / "annotations" / "person_keypoints_val.json", empty)
        assert validate(folder).counts == expected


def test_people_are_counted_apart_from_other_categories(findings_of: Callable) -> None:
    def one_dog(content: dict) -> None:
        content["categories"].append({"id": 2, "name": "dog"})
        content["annotations"][0] = {"id": 1, "image_id": 6, "category_id": 2}

    report = findings_of(one_dog)
    people = findings_of(lambda content: None).checked[0]["people"]
    assert (report.checked[0]["people"], report.checked[0]["others"]) == (people - 1, 1)
    assert "; 1 annotation of other categories" in report.as_text()


def per_cent_of_240_pixels(content: dict) -> None:
    scaled(content, lambda side: 100 / side)
    for row in content["images"]:
        row |= {"width": 240, "height": 240}


def test_per_cent_in_small_images(findings_of: Callable) -> None:
    assert set(findings_of(per_cent_of_240_pixels).counts) - LOOSE == {"units-per-cent"}


def small_images(content: dict) -> None:
    """The same people in images of 100 pixels a side, which their coordinates are right for."""
    scaled(content, lambda side: 100 / side)
    for row in content["images"]:
        row |= {"width": 100, "height": 100}


def a_few(content: dict) -> None:
    """Four people, whose coordinates are in per cent, are too few to tell."""
    scaled(content, lambda side: 100 / side)
    del content["annotations"][4:]


@pytest.mark.parametrize("edit", [small_images, a_few])
def test_people_who_may_be_in_pixels_are_not_said_to_be_in_per_cent(
    findings_of: Callable, edit: Edit
) -> None:
    assert "units-per-cent" not in findings_of(edit).counts


@pytest.mark.parametrize("edit", [busts, plain_boxes_of_heads])
def test_boxes_that_are_larger_or_smaller_than_their_people_need_are_in_pixels(
    findings_of: Callable, edit: Edit
) -> None:
    assert not [code for code in findings_of(edit).counts if code.startswith("units")]


def test_every_code_of_a_file_has_a_case() -> None:
    covered = {code for _, codes in CASES.values() for code in codes}
    elsewhere = {"json", "file-name-leak", "copy-leak", "joints-differ"}
    elsewhere |= {code for code in CODES if code.startswith("image-")}
    assert set(CODES) - covered <= elsewhere


def test_what_an_area_does_is_said(findings_of: Callable) -> None:
    text = findings_of(person(area=0)).as_text()
    assert "AP is 0" in text
    assert "annotations[0] (id 20)" in text


def test_crowds_are_exempt(findings_of: Callable) -> None:
    crowd = person(iscrowd=1, keypoints=[0] * 42, num_keypoints=0, area=0, bbox=[0, 0, 0, 0])
    assert not findings_of(crowd).counts


@pytest.mark.parametrize("crowd", [0, 1])
@pytest.mark.parametrize(
    ("field", "code"), [("num_keypoints", "num-keypoints"), ("area", "area-missing")]
)
def test_what_pycocotools_reads_of_everybody(
    tmp_path: Path, findings_of: Callable, field: str, code: str, crowd: int
) -> None:
    found: list[dict] = []

    def edit(content: dict) -> None:
        row = content["annotations"][0]
        row |= {"iscrowd": crowd, "keypoints": [0] * 42, "num_keypoints": 0}
        del row[field]
        found.append(content)

    assert findings_of(edit).counts == {code: 1}
    (tmp_path / "all.json").write_text(json.dumps(found[0]))
    people = COCO(tmp_path / "all.json")
    everybody = [
        {**{name: row[name] for name in ("image_id", "category_id", "keypoints")}, "score": 1}
        for row in found[0]["annotations"]
    ]
    evaluation = COCOeval(people, people.loadRes(everybody), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.full(14, 0.05)
    with pytest.raises(KeyError, match=field):
        evaluation.evaluate()


def test_many_findings_are_counted_and_cut(findings_of: Callable) -> None:
    def edit(content: dict) -> None:
        rows = content["annotations"]
        content["annotations"] = [{**rows[0], "id": i + 1, "area": 0} for i in range(PLACES + 5)]

    report = findings_of(edit)
    assert report.counts["area-not-positive"] == PLACES + 5
    assert sum(f.code == "area-not-positive" for f in report.findings) == PLACES
    assert report.as_dict()["findings_left_out"] > 0


@pytest.mark.parametrize(
    "content", ["", "[", "[1, 2]", "{}", '{"images": 3, "annotations": []}', '"a"', "\xff"]
)
def test_what_is_no_annotation_file_is_one_finding(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="latin-1")
    report = validate(tmp_path / "a.json")
    assert report.counts == {"json": 1}
    assert "wepdtof-pose convert" in report.as_text()


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        validate(tmp_path / "nothing")


def test_boxes_of_wepdtof(tmp_path: Path) -> None:
    frames = [
        {
            "img_name": "a_000001",
            "bboxes": [[50, 50, 10, 20, 0], [80, 50, 10, 20, 9]],
            "id": [3, 3],
        },
        {"img_name": "a_000002", "bboxes": [[50, 50, 30, 20, 0]], "id": [3]},
    ]
    write_json(tmp_path / "a.json", frames)
    assert validate(tmp_path / "a.json").counts == {"track-repeated": 1, "rotated-box": 1}
    coco_like = {
        "images": [{"id": "a_000001", "file_name": "a_000001.jpg", "width": 60, "height": 60}],
        "annotations": [
            {"image_id": "a_000001", "bbox": box, "person_id": 3} for box in frames[0]["bboxes"]
        ],
    }
    write_json(tmp_path / "b.json", coco_like)
    assert validate(tmp_path / "b.json").counts == {"track-repeated": 1, "box-outside": 1}


def test_a_pool_of_boxes_alone(findings_of: Callable) -> None:
    """Nobody in it is scored, so nobody needs a count of joints."""

    def boxes_alone(content: dict) -> None:
        for row in content["annotations"]:
            del row["keypoints"], row["num_keypoints"]

    assert not findings_of(boxes_alone).counts


def test_other_categories_are_nobody(findings_of: Callable) -> None:
    def with_chairs(content: dict) -> None:
        content["categories"].append({"id": 7, "name": "chair"})
        content["annotations"].append({"id": 999, "image_id": 6, "category_id": 7, "bbox": [1, 2]})

    assert not findings_of(with_chairs).counts

    def with_a_dog(content: dict) -> None:
        content["categories"].append({"id": 7, "name": "dog", "keypoints": ["snout", "tail"]})
        dog = {"id": 999, "image_id": 6, "category_id": 7, "keypoints": [1, 2, 2, 3, 4, 2]}
        content["annotations"].append(dog)

    assert not findings_of(with_a_dog).counts


@pytest.mark.parametrize(
    ("names", "alone"),
    [
        (["nose", "righteyelid", "lefteyelid"], ["righteyelid", "lefteyelid"]),
        (["tail", "LF_paw", "RF_paw"], ["lf_paw", "rf_paw"]),
        (["paw_L_front", "paw_R_front"], ["paw_l_front", "paw_r_front"]),
        (["schulter_links", "schulter_rechts"], ["schulter_links", "schulter_rechts"]),
        (["linke_hand", "rechte_hand"], ["linke_hand", "rechte_hand"]),
        (["left_wing"], ["left_wing"]),
        (["eye1", "eye2", "spine1", "spine2"], ["eye1", "eye2"]),
        (["tail", "trail", "belly"], []),
        (["new-point-0", "new-point-1", "2", "3"], ["new_point_0", "new_point_1", "2", "3"]),
        (["spine1", "spine2", "spine3", "spine4"], []),
        (["left_eye", "right_eye", "neck", "collar", "roll", "lol"], []),
    ],
)
def test_joints_without_a_mirror_pair(names: list[str], alone: list[str]) -> None:
    assert unpaired_joints(keypoint_set_from_names(names)) == alone


def test_one_other_count_for_all_names_the_category(findings_of: Callable) -> None:
    def coco_joints(content: dict) -> None:
        for row in content["annotations"]:
            row["keypoints"] += [0] * 9

    report = findings_of(coco_joints)
    assert report.counts == {"keypoint-count": 60}
    assert "51 numbers, not 42, as all people have" in report.findings[0].message
    assert "--source-keypoints coco-17" in report.findings[0].message


def test_directions_along_the_radius_raise_no_alarm(findings_of: Callable) -> None:
    assert not findings_of(lambda content: None).counts
    report = findings_of(mirrored)
    assert "counter-clockwise" in report.as_text()


def test_a_dataset_in_memory() -> None:
    dataset = load_dataset(sample_folder())["all"]
    assert not validate_dataset(dataset).counts


@pytest.mark.parametrize("people", [1, 0], ids=["people", "nobody in one"])
def test_files_of_one_data_set_that_name_other_joints(
    sample: dict, tmp_path: Path, people: int
) -> None:
    other = copy.deepcopy(sample)
    other["categories"][0].pop("keypoint_set")
    other["categories"][0]["keypoints"][0] = "beak"
    (tmp_path / "annotations").mkdir()
    other["annotations"] = other["annotations"] if people else []
    for split, content in (("train", sample), ("val", other)):
        write_json(tmp_path / "annotations" / f"{split}.json", content)
    found = validate(tmp_path).findings
    (finding,) = (one for one in found if one.code == "joints-differ")
    assert finding.where == "val.json"
    assert "but train.json has wepdtof-pose-14" in finding.message
    with pytest.raises(InputError, match="convert them to one keypoint set first"):
        load_dataset(tmp_path)
