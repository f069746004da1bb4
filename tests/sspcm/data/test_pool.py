"""The unlabelled pool out of what detectors and cameras give: boxes without joints, bare images."""

import shutil

import numpy as np
import pytest

from sspcm.config import DataConfig, TrainConfig
from sspcm.config_io import load_config
from sspcm.data.pool import left_out, unlabelled_people
from sspcm.data.sets import make_sets
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set

JOINTS = get_keypoint_set("wepdtof-pose-14")


def pool(path, **values):
    values = {"unlabelled_boxes": True, **values}
    return unlabelled_people(DataConfig(path="x", unlabelled=str(path), **values), JOINTS)


@pytest.fixture
def detected(tiny_fisheye, tmp_path):
    """What a detector of several things gives: boxes of people and chairs, no joint names."""
    content = read_json(tiny_fisheye / "annotations" / "person_keypoints.json")
    content["categories"] = [{"id": 3, "name": "chair"}, {"id": 7, "name": "person"}]
    for number, one in enumerate(content["annotations"]):
        one["category_id"] = 3 if number < 5 else 7
        del one["keypoints"]
    write_json(tmp_path / "boxes" / "annotations" / "detections.json", content)
    (tmp_path / "boxes" / "images").symlink_to(tiny_fisheye / "images")
    return tmp_path / "boxes"


def test_boxes_without_joint_names_are_a_pool(detected, tiny_fisheye):
    people, unusable, unread = pool(detected)
    assert (len(people), unusable, unread) == (43, {}, [])
    assert people.keypoint_set == JOINTS
    assert people.left_out == {"annotations of category 'chair'": 5}
    wanted = load_dataset(tiny_fisheye)["all"].people["id"].tolist()[5:]
    assert people.people["id"].tolist() == wanted
    config = DataConfig(
        path=str(tiny_fisheye), labels="8", unlabelled=str(detected), unlabelled_boxes=True
    )
    assert len(make_sets(config).unlabelled) > 30


def test_what_is_no_annotation_of_a_pool_is_said(detected):
    file = detected / "annotations" / "detections.json"
    content = read_json(file)
    content["annotations"] += [None, 7]
    write_json(file, content)
    with pytest.raises(InputError, match="'annotations' lists None, which is no JSON object"):
        pool(detected)


@pytest.mark.parametrize("number", [9, None, "7", [7]])
def test_categories_that_a_pool_does_not_list_are_left_out(detected, number):
    file = detected / "annotations" / "detections.json"
    content = read_json(file)
    del content["annotations"][10]["category_id"]
    content["annotations"][20]["category_id"] = number
    write_json(file, content)
    people, _, _ = pool(detected)
    what = f"annotations of category {shown(number)}, which 'categories' does not list"
    assert people.left_out == {"annotations of category 'chair'": 5, what: 1}
    # The id of a lone category says nothing.
    content["annotations"][20]["category_id"] = 9
    write_json(file, {**content, "categories": [{"id": 1, "name": "head"}]})
    assert len(pool(detected).people) == 48


def test_who_is_left_out_is_said_where_nobody_stays(detected):
    file = detected / "annotations" / "detections.json"
    content = read_json(file)
    for one in content["annotations"]:
        one["category_id"] = 8
    write_json(file, content)
    with pytest.raises(
        InputError, match=r"nobody .* \(left out: 48 annotations of category 8, which"
    ):
        pool(detected)


def test_without_the_option_joints_must_be_named(detected):
    with pytest.raises(InputError, match="no category names its keypoints"):
        pool(detected, unlabelled_boxes=False)


@pytest.fixture
def photos(tiny_fisheye, tmp_path):
    """A folder of three images and nothing else."""
    names = load_dataset(tiny_fisheye)["all"].frames["file_name"].tolist()[:3]
    for number, name in enumerate(names, start=1):
        target = tmp_path / "photos" / f"{number:03d}.jpg"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(tiny_fisheye / "images" / name, target)
    return tmp_path / "photos"


def test_each_image_of_a_folder_is_a_person(photos):
    people = pool(photos).people
    assert people.boxes.tolist() == [[0, 0, 256, 256]] * 3
    assert people.frames["file_name"].tolist() == ["001.jpg", "002.jpg", "003.jpg"]
    with pytest.raises(InputError, match=r"data\.unlabelled_boxes=true takes each whole image"):
        pool(photos, unlabelled_boxes=False)


def test_whole_images_are_not_turned_head_up(photos):
    with pytest.raises(InputError, match=rf"sspcm find {photos} -o boxes\.json finds the people"):
        pool(photos, upright=True)


@pytest.mark.parametrize("content", [b"<html>", None], ids=["another file", "cut short"])
def test_images_that_cannot_be_read_are_left_out_and_counted(photos, content):
    bad = photos / "002.jpg"
    bad.write_bytes(bad.read_bytes()[:-700] if content is None else content)
    # Whatever lies behind the end of a picture is no fault of it.
    (photos / "003.jpg").write_bytes((photos / "003.jpg").read_bytes() + bytes(100_000))
    people, _, (why,) = pool(photos)
    assert people.frames["file_name"].tolist() == ["001.jpg", "003.jpg"]
    assert people.left_out == {"images that cannot be read": 1}
    assert why.startswith(f"{bad}: is ")
    for file in photos.iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"no image can be read: .*001\.jpg"):
        pool(photos)


@pytest.mark.parametrize(
    "entry",
    [
        {"file_name": "002.jpg"},
        {"file_name": "D:\\far\\002.jpg"},
        {"image_id": 2},
        {"image_id": "002"},
    ],
    ids=["file name", "elsewhere", "number", "stem"],
)
def test_boxes_of_a_results_file_on_the_images_of_a_folder(photos, tmp_path, entry):
    rows = [
        {**entry, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.9},
        {**entry, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 99, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9},
    ]
    write_json(tmp_path / "boxes.json", rows)
    people, _, _ = pool(photos, unlabelled_detections=str(tmp_path / "boxes.json"))
    assert people.boxes.tolist() == [[10, 20, 30, 40]]
    assert people.frames["file_name"].tolist() == ["002.jpg"]
    assert people.left_out == {"boxes on no image of the pool": 1, "boxes of other categories": 1}


def test_a_name_that_two_images_have_names_neither(photos, tmp_path):
    (photos / "b").mkdir()
    (photos / "b" / "002.jpg").write_bytes((photos / "001.jpg").read_bytes())
    boxes = [("002.jpg", [1, 2, 30, 40]), ("b/002.jpg", [3, 4, 50, 60])]
    rows = [{"file_name": name, "bbox": box} for name, box in boxes]
    rows += [{"image_id": 2, "bbox": [5, 6, 7, 8]}, {"image_id": "001", "bbox": [9, 9, 9, 9]}]
    write_json(tmp_path / "boxes.json", rows)
    people, _, _ = pool(photos, unlabelled_detections=str(tmp_path / "boxes.json"))
    named = people.frames.set_index("id")["file_name"]
    names = named[people.people["frame_id"]].tolist()
    assert sorted(zip(names, people.boxes[:, 0].tolist(), strict=True)) == [
        *(("001.jpg", 9), ("002.jpg", 1), ("b/002.jpg", 3)),
    ]
    assert people.left_out == {"boxes on no image of the pool": 1}


def test_a_box_given_twice_is_one_person_of_the_pool(photos, tmp_path):
    rows = [
        {"file_name": "001.jpg", "bbox": [1, 2, 30, 40]},
        {"image_id": 1, "bbox": [1, 2, 30, 40]},
        {"file_name": "001.jpg", "bbox": [1, 2, 30, 41]},
        {"file_name": "002.jpg", "bbox": [1, 2, 30, 40]},
    ]
    write_json(tmp_path / "boxes.json", rows)
    people, _, _ = pool(photos, unlabelled_detections=str(tmp_path / "boxes.json"))
    assert people.boxes.tolist() == [[1, 2, 30, 40], [1, 2, 30, 41], [1, 2, 30, 40]]
    assert people.left_out == {"boxes given twice for their frame, of which one is used": 1}


def test_rotated_boxes_on_the_images_of_a_folder(photos, tmp_path):
    rows = [{"file_name": "001.jpg", "bbox": [50, 60, 10, 20, 90], "score": 0.9}]
    write_json(tmp_path / "boxes.json", rows)
    people, _, _ = pool(photos, unlabelled_detections=str(tmp_path / "boxes.json"))
    np.testing.assert_allclose(people.boxes, [[40, 55, 20, 10]])
    rotated = people.people[list(ROTATED_BOX_COLUMNS)].to_numpy()
    assert rotated.tolist() == [[50, 60, 10, 20, 90]]


def test_the_unit_of_angles_may_be_said(photos, tmp_path):
    rows = [{"file_name": "001.jpg", "bbox": [50, 60, 10, 20, angle]} for angle in (0.5, -1.25)]
    write_json(tmp_path / "boxes.json", rows)
    boxes = str(tmp_path / "boxes.json")
    with pytest.raises(InputError, match=r"data\.unlabelled_angles"):
        pool(photos, unlabelled_detections=boxes)
    people, _, _ = pool(photos, unlabelled_detections=boxes, unlabelled_angles="degrees")
    assert people.people[ROTATED_BOX_COLUMNS[4]].tolist() == [0.5, -1.25]
    with pytest.raises(InputError, match="choose one of degrees, radians"):
        TrainConfig(data=DataConfig(unlabelled_angles="grad"))
    with pytest.raises(InputError, match=r"no meaning without data\.unlabelled_detections"):
        TrainConfig(data=DataConfig(unlabelled_angles="radians"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"image_id": 1, "bbox": [1, 2, 3]}], "entry 0: 'bbox' is not a list of 4 numbers"),
        ({"images": []}, "neither a COCO results file .* nor a COCO data set"),
        ([{"image_id": 99, "bbox": [1, 2, 3, 4]}], "none of its 1 boxes is on an image"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4]}, None], "lists None, which is no JSON object"),
    ],
    ids=["three numbers", "no list", "unknown images", "no object"],
)
def test_unusable_boxes_are_one_line(photos, tmp_path, rows, said):
    write_json(tmp_path / "boxes.json", rows)
    with pytest.raises(InputError, match=said):
        pool(photos, unlabelled_detections=str(tmp_path / "boxes.json"))


def test_what_is_no_pool_names_the_step_that_works(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"0")
    with pytest.raises(InputError, match="is a video: write its frames into a folder"):
        pool(tmp_path / "clip.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither annotations"):
        pool(tmp_path / "empty")
    with pytest.raises(InputError, match=r"needs data\.unlabelled_boxes=true"):
        TrainConfig(data=DataConfig(unlabelled_detections="boxes.json"))
    assert load_config().data.unlabelled_detections == ""


def test_reasons_count_everybody_once(tiny_fisheye):
    whole = load_dataset(tiny_fisheye)["all"]
    whole.people.loc[[0, 1], "iscrowd"] = 1
    whole.people.loc[[1, 2], "w"] = 0
    whole.people.loc[[2, 3, 4, 5], "area"] = 0
    whole.keypoints[[5, 6]] = 0
    assert left_out(whole) == {
        "crowds": 2,
        "boxes that are empty in the frame": 1,
        "a box and no labelled joint": 2,
        "area 0": 2,
    }
    assert sum(left_out(whole).values()) == (~whole.trainable()).sum()
    assert sum(left_out(whole, boxes_suffice=True).values()) == (~whole.boxed()).sum()
