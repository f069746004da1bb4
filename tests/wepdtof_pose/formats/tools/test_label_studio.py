import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.layout import SPELLED
from wepdtof_pose.formats.tools import label_studio
from wepdtof_pose.formats.tools.label_studio import HIDDEN
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import get_keypoint_set


def region(kind: str, key: str, value: dict, **fields: Any) -> dict[str, Any]:
    size = {"original_width": 200, "original_height": 80}
    return {"id": key, "type": kind, "value": value, **size, **fields}


def rectangle(key: str = "r", **fields: Any) -> dict[str, Any]:
    value = {"x": fields.pop("x", 10), "y": 25, "width": 30, "height": 50}
    value["rotation"] = fields.pop("rotation", 0)
    label = fields.pop("label", "person")
    return region("rectanglelabels", key, {**value, "rectanglelabels": [label]}, **fields)


def keypoint(name: str = "nose", key: str = "k", x: float = 20, **fields: Any) -> dict[str, Any]:
    value = {"x": x, "y": 50, "width": 0.5, "keypointlabels": [name]}
    return region("keypointlabels", key, value, **fields)


def write(folder: Path, *regions: Any, link: Any = "images/a.jpg", **task: Any) -> Path:
    content = {"id": 9, "data": {"image": link}, "annotations": [{"result": list(regions)}], **task}
    (folder / "tasks.json").write_text(json.dumps([content]))
    return folder / "tasks.json"


@pytest.mark.parametrize("fields", [{"parentID": "r"}, {}], ids=["parent", "only box around"])
def test_one_person(tmp_path: Path, fields: dict) -> None:
    choice = region("choices", "k", {"choices": [HIDDEN]})
    path = write(tmp_path, keypoint(**fields), rectangle(), keypoint("left eye", "e"), choice)
    dataset = label_studio.read(path).datasets["all"]
    assert dataset.boxes.tolist() == [[20, 20, 60, 40]]
    assert dataset.keypoints.tolist() == [[[40, 40, 1], [40, 40, 2]]]
    assert dataset.keypoint_set.joints == ("nose", "left_eye")
    assert dataset.frames[["id", "width", "height"]].values.tolist() == [[9, 200, 80]]


def test_a_rectangle_turns_about_its_upper_left_corner(tmp_path: Path) -> None:
    path = write(tmp_path, rectangle(rotation=30), keypoint(parentID="r"))
    people = label_studio.read(path).datasets["all"].people
    turned = people[[f"rotated_{key}" for key in ("cx", "cy", "w", "h", "angle")]].to_numpy()[0]
    np.testing.assert_allclose(rotated_box_corners(turned)[0], [20, 20], atol=1e-9)
    assert turned[2:].tolist() == [60, 40, 30]


def test_the_interface_says_the_order_of_the_joints(tmp_path: Path) -> None:
    labels = "".join(f'<Label value="{name}"/>' for name in ("left_eye", "nose", "neck"))
    (tmp_path / label_studio.INTERFACE).write_text(
        f'<View><KeyPointLabels name="j">{labels}</KeyPointLabels></View>'
    )
    dataset = label_studio.read(write(tmp_path, rectangle(), keypoint())).datasets["all"]
    assert dataset.keypoint_set.joints == ("left_eye", "nose", "neck")


def test_the_last_annotation_that_was_not_cancelled(tmp_path: Path) -> None:
    first, last = {"result": []}, {"result": [rectangle(), keypoint()]}
    cancelled = {"result": [], "was_cancelled": True}
    reading = label_studio.read(write(tmp_path, annotations=[first, last, cancelled]))
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {
        "annotations of a task beside the last with regions": 1,
        "annotations that were skipped": 1,
    }
    skipped = {"result": [rectangle(), keypoint()], "was_cancelled": True}
    data = {"image": "a.jpg", "width": 9, "height": 9}
    path = write(tmp_path, annotations=[skipped], data=data)
    with pytest.raises(InputError, match=r"holds no people \(left out: 1 annotation .* skipped"):
        label_studio.read(path)


def test_joints_that_say_whose_they_are(tmp_path: Path) -> None:
    joint = keypoint(parentID="r")
    joint["value"]["keypointlabels"] = ["person", "nose"]
    (dataset,) = label_studio.read(write(tmp_path, rectangle(), joint)).datasets.values()
    assert dataset.keypoint_set.joints == ("nose",)
    assert dataset.keypoints[..., 2].tolist() == [[2]]


def test_an_annotation_that_is_ground_truth_goes_before_later_ones(tmp_path: Path) -> None:
    truth = {"result": [rectangle(), keypoint()], "ground_truth": True}
    later = {"result": [rectangle()], "ground_truth": False}
    reading = label_studio.read(write(tmp_path, annotations=[truth, later]))
    assert reading.datasets["all"].keypoints[..., 2].tolist() == [[2]]
    assert reading.left_out == {"annotations of a task beside the last with regions": 1}


@pytest.mark.parametrize("width", [200.0, "200"])
def test_a_size_that_is_a_float_or_a_text(tmp_path: Path, width: Any) -> None:
    path = write(tmp_path, rectangle(original_width=width), keypoint())
    frames = label_studio.read(path).datasets["all"].frames
    assert frames[["width", "height"]].values.tolist() == [[200, 80]]


def test_drafts_and_tasks_without_an_annotation_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, rectangle(), keypoint())
    (first,) = json.loads(path.read_text())
    draft = {**first, "annotations": [], "drafts": [{"result": [rectangle()]}]}
    draft |= {"id": 10, "data": {**first["data"], "width": 9, "height": 8}}
    path.write_text(json.dumps([first, draft]))
    assert label_studio.read(path).left_out == {
        "drafts (only annotations are read)": 1,
        "tasks not annotated (taken to have no people)": 1,
    }


def test_places_are_of_the_picture_as_it_is(tmp_path: Path) -> None:
    """Annotated at 200 x 80, stored at half of that; another shape is another picture."""
    path = write(tmp_path, rectangle(), keypoint())
    (tmp_path / "images").mkdir()
    for size, box in (((40, 100), [10, 10, 30, 20]), ((40, 90), [20, 20, 60, 40])):
        cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.zeros((*size, 3), np.uint8))
        assert label_studio.read(path).datasets["all"].boxes.tolist() == [box]


def test_joints_in_no_box_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, rectangle(), keypoint(), keypoint("neck", "n", x=90))
    assert label_studio.read(path).left_out == {"joints in no person's box": 1}


@pytest.mark.parametrize("person", ["person", "Person"])
def test_rectangles_of_other_labels_are_no_people(tmp_path: Path, person: str) -> None:
    chair, dog = rectangle("c", label="chair"), rectangle("d", label="dog")
    path = write(tmp_path, chair, rectangle(label=person), keypoint(), dog)
    reading = label_studio.read(path)
    assert reading.datasets["all"].keypoints.tolist() == [[[40, 40, 2]]]
    assert reading.left_out == {"rectangles labelled 'chair'": 1, "rectangles labelled 'dog'": 1}


def test_a_rectangle_with_joints_is_a_person(tmp_path: Path) -> None:
    people = [rectangle("a", label="adult"), rectangle("c", label="child")]
    joints = [keypoint(parentID="a"), keypoint(key="l", x=21, parentID="c")]
    path = write(tmp_path, *people, *joints, rectangle("d", label="dog"))
    assert len(label_studio.read(path).datasets["all"]) == 2


def test_the_only_label_may_be_any(tmp_path: Path) -> None:
    others = [rectangle("s", label="worker", x=60), keypoint(parentID="r")]
    path = write(tmp_path, rectangle(label="worker"), *others)
    assert len(label_studio.read(path).datasets["all"]) == 2


def test_labels_of_all_splits_together(tmp_path: Path) -> None:
    for split, regions in {
        "train": [rectangle(), keypoint(), rectangle("c", label="chair")],
        "val": [rectangle("c", label="chair"), keypoint()],
    }.items():
        write(tmp_path, *regions).rename(tmp_path / f"tasks_{split}.json")
    (tmp_path / label_studio.INTERFACE).write_text(
        '<View><KeyPointLabels name="j"><Label value="nose"/></KeyPointLabels></View>'
    )
    datasets = label_studio.read(tmp_path).datasets
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 1, "val": 0}


@pytest.mark.parametrize(
    ("link", "there", "name"),
    [
        ("images/a.jpg", "images/a.jpg", "a.jpg"),
        ("/data/local-files/?d=some%20where/a.jpg", "images/a.jpg", "a.jpg"),
        ("/data/upload/3/0a1b2c3d-a.jpg", "images/a.jpg", "a.jpg"),
        ("https://host/x/sub/a%20b.jpg?token=5", "images/sub/a b.jpg", "sub/a b.jpg"),
        ("C:\\data\\a.jpg", "a.jpg", "a.jpg"),
        ("https://host/x/a.jpg?token=5&d=3", "images/a.jpg", "a.jpg"),
        ("/tasks/1/resolve/?fileuri=czM6Ly9iL3gvYS5qcGc=", "images/a.jpg", "a.jpg"),
        ("/tasks/1/presign?fileuri=a.jpg", "images/presign", "presign"),
        ("../../a.jpg", "images/a.jpg", "a.jpg"),
    ],
)
def test_where_the_image_is(tmp_path: Path, link: str, there: str, name: str) -> None:
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    image = cv2.imencode(".jpg", np.zeros((8, 9, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / there).write_bytes(image)
    dataset = label_studio.read(write(tmp_path, rectangle(), keypoint(), link=link)).datasets["all"]
    assert dataset.frames["file_name"].tolist() == [name]
    assert (dataset.root / name).read_bytes() == image


def test_an_image_spelled_in_another_way_is_that_of_the_folder_given(tmp_path: Path) -> None:
    path = write(tmp_path, rectangle(), keypoint(), link="/data/local-files/?d=x/A%20b.JPG")
    image = cv2.imencode(".jpg", np.zeros((8, 9, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / "a b.jpg").write_bytes(image)
    reading = label_studio.read(path, images=tmp_path)
    assert reading.datasets["all"].frames["file_name"].tolist() == ["a b.jpg"]
    assert reading.left_out[SPELLED] == 1


@pytest.mark.parametrize(
    ("regions", "error"),
    [
        ((rectangle(), keypoint(x="left")), "task 1.*: region 2: 'x' and 'y' holds 'left'"),
        ((rectangle(), rectangle()), "region 2: another rectangle has its id 'r'"),
        ((rectangle(), keypoint(), keypoint(key="l")), "the joint 'nose' twice"),
        ((rectangle(original_width=9), keypoint()), "different image sizes"),
        ((rectangle(image_rotation=90), keypoint()), "turned by 90 degrees"),
        ((rectangle(label="rotated_box"), keypoint()), "no rectangle as its parent"),
        ((rectangle(original_height=-1),), "'original_height' is -1"),
        ((rectangle(original_width=10**400), keypoint()), "different image sizes"),
        ((rectangle(x=10**400), keypoint()), r"region 1: .* holds 1000.*, which is not a finite"),
        ((rectangle(),), "names no joints"),
        (
            (rectangle("a", label="adult"), rectangle("c", label="child"), keypoint()),
            "labelled 'adult', 'child': label people 'person', make them parents",
        ),
        ((5,), "'result': expected a JSON list of regions"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_broken_regions(tmp_path: Path, regions: tuple, error: str) -> None:
    with pytest.raises(InputError, match=error):
        label_studio.read(write(tmp_path, *regions))


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ({"link": 5}, "names no image"),
        ({"data": None}, "has no object 'data'"),
        ({"annotations": {}}, "'annotations': expected a JSON list"),
        ({"annotations": []}, r"a\.jpg: no such image"),
        ({"link": "data:image/png;base64,iVBORw0KGgo="}, "task 1: holds its image itself, not"),
    ],
    ids=str,
)
def test_broken_tasks(tmp_path: Path, task: dict, error: str) -> None:
    with pytest.raises(InputError, match=error):
        label_studio.read(write(tmp_path, rectangle(), **task))


def relation(start: str, end: str) -> dict[str, Any]:
    return {"type": "relation", "from_id": start, "to_id": end, "direction": "right"}


@pytest.mark.parametrize("turned", [False, True], ids=["to the box", "from the box"])
def test_relations_say_whose_joints_they_are(tmp_path: Path, turned: bool) -> None:
    boxes = [rectangle("a"), rectangle("b")]
    joints = [keypoint(key="k"), keypoint(key="l", x=25)]
    pairs = [("k", "b"), ("l", "a")]
    arrows = [relation(*(pair[::-1] if turned else pair)) for pair in pairs]
    reading = label_studio.read(write(tmp_path, *boxes, *joints, *arrows))
    assert reading.datasets["all"].keypoints.tolist() == [[[50, 40, 2]], [[40, 40, 2]]]
    assert reading.left_out == {}


def test_keypoints_without_any_rectangle_are_one_person(tmp_path: Path) -> None:
    path = write(tmp_path, keypoint(), keypoint("neck", "n", x=30))
    reading = label_studio.read(path)
    assert reading.datasets["all"].boxes.tolist() == [[40, 40, 20, 0]]
    assert reading.datasets["all"].keypoint_set.joints == ("nose", "neck")
    assert reading.left_out == {"boxes that are the extent of the joints": 1}
    with pytest.raises(InputError, match="'nose' twice: keypoints of several people need a rect"):
        label_studio.read(write(tmp_path, keypoint(), keypoint(key="l")))


def with_labels(region: dict[str, Any], *labels: str) -> dict[str, Any]:
    region["value"][region["type"]] = list(labels)
    return region


def test_a_second_label_says_that_a_joint_is_hidden(tmp_path: Path) -> None:
    joints = [with_labels(keypoint(), "nose", "occluded"), keypoint("neck", "n")]
    shaded = with_labels(rectangle(), "occluded", "person")
    dataset = label_studio.read(write(tmp_path, shaded, *joints)).datasets["all"]
    assert dataset.keypoints[0, :, 2].tolist() == [1, 2]
    odd = with_labels(keypoint(key="o"), "left eye", "right eye")
    reading = label_studio.read(write(tmp_path, rectangle(), *joints, odd))
    assert reading.left_out == {"keypoints with no or several names of joints": 1}


def test_a_later_empty_annotation_takes_nothing_away(tmp_path: Path) -> None:
    annotations = [{"result": [rectangle(), keypoint()]}, {"result": []}]
    reading = label_studio.read(write(tmp_path, annotations=annotations))
    assert reading.datasets["all"].keypoints.tolist() == [[[40, 40, 2]]]
    assert reading.left_out == {"annotations of a task beside the last with regions": 1}


def test_predictions_alone(tmp_path: Path) -> None:
    predictions = [{"result": [rectangle(), keypoint()]}]
    data = {"image": "a.jpg", "width": 9, "height": 9}
    path = write(tmp_path, annotations=[], predictions=predictions, data=data)
    with pytest.raises(InputError, match=r"left out: .*1 prediction"):
        label_studio.read(path)
    joints = get_keypoint_set("lsp-14")
    with pytest.raises(InputError, match=r"nobody is left: left out .*1 prediction"):
        label_studio.read(path, keypoint_set=joints)


def dog_and_person() -> list[dict[str, Any]]:
    dog = [rectangle("d", label="dog"), keypoint("snout", "s", parentID="d")]
    return [*dog, rectangle(), keypoint(parentID="r")]


def test_other_rectangles_with_joints_are_no_people(tmp_path: Path) -> None:
    reading = label_studio.read(write(tmp_path, *dog_and_person()))
    assert reading.datasets["all"].keypoint_set.joints == ("nose",)
    assert reading.left_out == {
        "rectangles labelled 'dog'": 1,
        "joints of other rectangles than people's": 1,
    }


def test_the_user_says_which_rectangles_are_people(tmp_path: Path) -> None:
    path = write(tmp_path, *dog_and_person())
    reading = label_studio.read(path, category="dog")
    assert reading.datasets["all"].keypoint_set.joints == ("snout",)
    with pytest.raises(InputError, match="has no 'cat', only 'dog', 'person'"):
        label_studio.read(path, category="cat")


def test_old_exports_call_annotations_completions(tmp_path: Path) -> None:
    path = write(tmp_path, annotations=None)
    (task,) = json.loads(path.read_text())
    del task["annotations"]
    task["completions"] = [{"result": [rectangle(), keypoint()]}]
    path.write_text(json.dumps([task]))
    assert label_studio.read(path).datasets["all"].boxes.tolist() == [[20, 20, 60, 40]]


def test_regions_with_tags_of_their_own_for_shape_and_label(tmp_path: Path) -> None:
    """`<KeyPoint>`, `<Rectangle>` and `<Labels>` give two regions of one id for each shape."""
    regions = []
    for made in (rectangle(), keypoint(parentID="r")):
        kind = made["type"]
        label = made["value"].pop(kind)
        regions.append({**made, "type": kind.removesuffix("labels")})
        regions.append({**made, "type": "labels", "value": {**made["value"], "labels": label}})
    reading = label_studio.read(write(tmp_path, *regions))
    dataset = reading.datasets["all"]
    assert (dataset.boxes.tolist(), reading.left_out) == ([[20, 20, 60, 40]], {})
    assert dataset.keypoints.tolist() == [[[40, 40, 2]]]


def test_of_a_task_with_pages_only_the_first_is_read(tmp_path: Path) -> None:
    other = [rectangle("s", item_index=1), keypoint(key="l", parentID="s", item_index=1)]
    reading = label_studio.read(write(tmp_path, rectangle(), keypoint(item_index=0), *other))
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {"regions of other pages than a task's first": 2}


@pytest.mark.parametrize(
    ("choice", "visibility", "left_out"),
    [("Hidden", 1, 0), ("occluded", 1, 0), ("blurred", 2, 1)],
)
def test_choices_at_a_keypoint(tmp_path: Path, choice: str, visibility: int, left_out: int) -> None:
    choices = region("choices", "k", {"choices": [choice]})
    reading = label_studio.read(write(tmp_path, rectangle(), keypoint(), choices))
    assert reading.datasets["all"].keypoints[0, 0, 2] == visibility
    assert sum(reading.left_out.values()) == left_out


def test_joints_in_two_boxes_are_counted_and_stay_in_the_joint_set(tmp_path: Path) -> None:
    """Left out for want of an owner, a joint is a joint of people all the same."""
    boxes = [rectangle("a"), rectangle("b", x=12)]
    path = write(tmp_path, *boxes, keypoint(), keypoint("neck", "n", parentID="a"))
    reading = label_studio.read(path)
    assert reading.datasets["all"].keypoint_set.joints == ("nose", "neck")
    assert reading.left_out == {"joints in several people's boxes": 1}


@pytest.mark.parametrize(
    ("wide", "high", "error"),
    [
        (2, 0.8, r"such as 180, are no per cent .* pixels\?"),
        (0.01, 0.01, "shares .* multiply them by 100"),
    ],
    ids=["pixels", "shares"],
)
def test_places_that_are_not_in_per_cent(
    tmp_path: Path, wide: float, high: float, error: str
) -> None:
    regions = [rectangle(), keypoint(x=90)]
    for made in regions:
        made["value"]["x"] *= wide
        made["value"]["y"] *= high
    with pytest.raises(InputError, match=error):
        label_studio.read(write(tmp_path, *regions))


def test_one_of_many_joints_may_lie_outside(tmp_path: Path) -> None:
    joints = [keypoint(f"joint {n}", f"k{n}") for n in range(30)]
    joints[3]["value"]["y"] = 130
    reading = label_studio.read(write(tmp_path, *joints))
    assert reading.datasets["all"].keypoints[0, 3].tolist() == [40, 104, 2]


def test_a_rectangle_drawn_from_its_lower_right_corner(tmp_path: Path) -> None:
    drawn = rectangle()
    drawn["value"] |= {"x": 40, "y": 75, "width": -30, "height": -50}
    assert label_studio.read(write(tmp_path, drawn, keypoint())).datasets["all"].boxes.tolist() == [
        [20, 20, 60, 40]
    ]


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ({"image": "a.jpg", "kp": []}, "export JSON .* not JSON-MIN"),
        ({"data": {"pages": ["a.jpg", "b.jpg"]}, "annotations": []}, "'pages' has 2 images"),
        ({"data": {"video": "a.mp4"}, "annotations": []}, "names no image but a video"),
    ],
)
def test_exports_of_another_kind(tmp_path: Path, task: dict[str, Any], error: str) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    with pytest.raises(InputError, match=error):
        label_studio.read(tmp_path / "tasks.json")


def test_regions_on_two_images_of_a_task(tmp_path: Path) -> None:
    regions = [rectangle(to_name="one"), keypoint(parentID="r", to_name="two")]
    label_studio.read(write(tmp_path, *regions))  # the same image, shown twice
    data = {"image": "images/a.jpg", "other": "images/b.jpg"}
    with pytest.raises(InputError, match=r"regions on several images \('one', 'two'\)"):
        label_studio.read(write(tmp_path, *regions, data=data))


def test_an_interface_that_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "other.xml").write_text("<View/>")
    (tmp_path / "in" / label_studio.INTERFACE).symlink_to(tmp_path / "other.xml")
    with pytest.raises(InputError, match="link out of the data set"):
        label_studio.read(write(tmp_path / "in", rectangle(), keypoint()))
