from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.layout import SPELLED, TWICE
from wepdtof_pose.formats.tools import cvat, cvat_writer
from wepdtof_pose.keypoints import get_keypoint_set

META = (
    "<meta><job><labels><label><name>body</name><type>skeleton</type></label>"
    "<label><name>nose</name><type>points</type><parent>body</parent></label>"
    "<label><name>left eye</name><type>points</type><parent>body</parent></label>"
    "</labels></job></meta>"
)


def box(extra: str = "", corners: tuple = (10, 20, 30, 60), label: str = "person") -> str:
    xtl, ytl, xbr, ybr = corners
    sides = f'xtl="{xtl}" ytl="{ytl}" xbr="{xbr}" ybr="{ybr}"'
    return f'<box label="{label}" {sides} {extra}></box>'


def point(label: str, points: str = "12,30", extra: str = "") -> str:
    return f'<points label="{label}" points="{points}" {extra}></points>'


def skeleton(*points: str, extra: str = "") -> str:
    return f'<skeleton label="body" {extra}>{"".join(points)}</skeleton>'


def write(folder: Path, *shapes: str, meta: str = META, image: str | None = None) -> Path:
    head = image or '<image id="4" name="a.jpg" width="100" height="80">'
    text = f"<annotations><version>1.1</version>{meta}{head}{''.join(shapes)}</image></annotations>"
    (folder / "annotations.xml").write_text(text)
    return folder / "annotations.xml"


G = 'group_id="1"'


@pytest.mark.parametrize(
    "shapes",
    [
        (box(G), skeleton(point("nose"), point("left eye", extra='occluded="1"'), extra=G)),
        (skeleton(point("nose"), point("left eye", extra='occluded="1"'), extra=G), box(G)),
        (skeleton(point("nose"), point("left eye", extra='occluded="1"')), box()),
        (point("nose", extra=G), point("left eye", extra=f'occluded="1" {G}'), box(G)),
    ],
    ids=["grouped", "box last", "only box around", "single points"],
)
def test_one_person(tmp_path: Path, shapes: tuple[str, ...]) -> None:
    dataset = cvat.read(write(tmp_path, *shapes)).datasets["all"]
    assert dataset.boxes.tolist() == [[10, 20, 20, 40]]
    assert dataset.keypoint_set.joints == ("nose", "left_eye")
    assert dataset.keypoints.tolist() == [[[12, 30, 2], [12, 30, 1]]]
    assert dataset.frames["id"].tolist() == [4]


def write_project(folder: Path, *subsets: str) -> Path:
    """An export of a project: each subset has its own image a.jpg."""
    parts = []
    for number, subset in enumerate(subsets):
        shapes = "".join(skeleton(point("nose", f"12,{y}")) for y in range(number + 1))
        head = f'<image id="{number}" name="a.jpg" subset="{subset}" width="100" height="80">'
        parts.append(f"{head}{shapes}</image>")
        (folder / "images" / subset).mkdir(parents=True)
        (folder / "images" / subset / "a.jpg").write_text(subset)
    (folder / "annotations.xml").write_text(
        f"<annotations><version>1.1</version>{META}{''.join(parts)}</annotations>"
    )
    return folder


@pytest.mark.parametrize("given", [False, True])
def test_subsets_of_a_project_are_splits(tmp_path: Path, given: bool) -> None:
    path = write_project(tmp_path, "Train", "Validation")
    datasets = cvat.read(path, images=path / "images" if given else None).datasets
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 1, "val": 2}
    roots = {name: dataset.root for name, dataset in datasets.items()}
    assert roots == {
        "train": tmp_path / "images" / "Train",
        "val": tmp_path / "images" / "Validation",
    }


def test_the_only_subset_is_no_split(tmp_path: Path) -> None:
    datasets = cvat.read(write_project(tmp_path, "default")).datasets
    assert {name: dataset.root for name, dataset in datasets.items()} == {
        "all": tmp_path / "images" / "default"
    }


@pytest.mark.parametrize("subsets", [("Train", "default"), ("val", "Validation")])
def test_subsets_that_are_no_splits(tmp_path: Path, subsets: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"has the subsets .*: name them Train, Validation and"):
        cvat.read(write_project(tmp_path, *subsets))


def test_subsets_beside_other_files(tmp_path: Path) -> None:
    file = write_project(tmp_path, "Train", "Test") / "annotations.xml"
    file.rename(tmp_path / "annotations_train.xml")
    write(tmp_path).rename(tmp_path / "annotations_val.xml")
    with pytest.raises(InputError, match=r"annotations_train\.xml: has several subsets"):
        cvat.read(tmp_path)


def test_a_skeleton_alone_gets_the_extent_of_its_joints(tmp_path: Path) -> None:
    path = write(tmp_path, skeleton(point("nose", "1,2"), point("left eye", "5,4")))
    reading = cvat.read(path)
    assert reading.datasets["all"].boxes.tolist() == [[1, 2, 4, 2]]
    assert reading.left_out == {"boxes that are the extent of the joints": 1}


def test_ids_that_are_not_unique_are_numbered_anew_and_counted(tmp_path: Path) -> None:
    own_id = '><attribute name="person_id">7</attribute></box>'
    boxes = [box(corners=(x, 20, 30, 60)).replace("></box>", own_id) for x in (10, 11)]
    reading = cvat.read(write(tmp_path, *boxes))
    assert reading.datasets["all"].people["id"].tolist() == [1, 2]
    (count,) = reading.left_out.values()
    assert count == 2


@pytest.mark.parametrize("extra", ["", 'group_id="2"', 'source="file"'])
def test_who_is_drawn_twice_is_one_person(tmp_path: Path, extra: str) -> None:
    shapes = [skeleton(point("nose"), extra=more) for more in ('group_id="1"', extra)]
    other = skeleton(point("nose", "12,30.5"))
    reading = cvat.read(write(tmp_path, *shapes, other))
    assert reading.datasets["all"].keypoints[:, 0, 1].tolist() == [30, 30.5]
    assert reading.left_out[TWICE] == 1


def test_a_box_drawn_twice_around_a_skeleton_is_its_box(tmp_path: Path) -> None:
    reading = cvat.read(write(tmp_path, skeleton(point("nose")), box(), box()))
    assert reading.datasets["all"].boxes.tolist() == [[10, 20, 20, 40]]
    assert reading.datasets["all"].keypoints[:, 0].tolist() == [[12, 30, 2]]
    assert reading.left_out == {TWICE: 1}


@pytest.mark.parametrize("boxes", [1, 2])
def test_a_skeleton_drawn_twice_inside_a_box_is_one_person(tmp_path: Path, boxes: int) -> None:
    shapes = [skeleton(point("nose")), skeleton(point("nose"), extra='group_id="2"')]
    reading = cvat.read(write(tmp_path, *shapes, *[box()] * boxes))
    assert reading.datasets["all"].boxes.tolist() == [[10, 20, 20, 40]]
    assert reading.left_out == {TWICE: boxes}


def test_a_turned_box_is_a_rotated_box(tmp_path: Path) -> None:
    people = cvat.read(write(tmp_path, box('rotation="330"'))).datasets["all"].people
    assert people["rotated_angle"].tolist() == [-30]
    assert people["rotated_cx"].tolist() == [20]
    assert people["w"][0] == pytest.approx(20 * np.cos(np.pi / 6) + 40 * 0.5)


@pytest.mark.parametrize("mark", ["1", "true", "True"])
def test_points_that_are_outside_are_not_labelled(tmp_path: Path, mark: str) -> None:
    left = point("left eye", extra=f'outside="{mark}"')
    path = write(tmp_path, skeleton(point("nose", extra='outside="false"'), left))
    assert cvat.read(path).datasets["all"].keypoints[0, :, 2].tolist() == [2, 0]


def test_all_points_in_one_shape_need_the_joints(tmp_path: Path) -> None:
    path = write(tmp_path, point("person", ";".join(["1,2"] * 14)), meta="")
    with pytest.raises(InputError, match=r"14 points without names: .* --source-keypoints"):
        cvat.read(path)
    found = cvat.read(path, keypoint_set=get_keypoint_set("lsp-14")).datasets["all"]
    assert found.keypoints[0, 3].tolist() == [1, 2, 2]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    others = ('<polygon label="car" points="1,2;3,4;5,6"></polygon>', box(label="car"))
    reading = cvat.read(write(tmp_path, *others, point("nose"), box()))
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {
        "shapes labelled 'car' (polygon)": 1,
        "shapes labelled 'car' (box)": 1,
        "joints in no group": 1,
    }


def test_attributes(tmp_path: Path) -> None:
    attributes = "".join(
        f'<attribute name="{name}">{value}</attribute>'
        for name, value in {"track_id": "7", "area": "", "mood": "fine"}.items()
    )
    shape = box().replace("></box>", f">{attributes}</box>")
    people = cvat.read(write(tmp_path, shape)).datasets["all"].people
    assert people["track_id"].tolist() == [7]
    assert people["extra"].tolist() == [{"mood": "fine"}]
    assert people["area_from_box"].tolist() == [True]


@pytest.mark.parametrize(
    ("shapes", "error"),
    [
        ((box(corners=("x", 1, 2, 3)),), r"image 1 \('a.jpg'\): shape 1 <box>: 'xtl' is 'x'"),
        ((box(G), box(G)), "two boxes; a group is one person"),
        ((skeleton(point("nose"), point("nose")),), "'nose' twice"),
        ((skeleton(point("nose", "1;2")),), "instead of x,y"),
        ((skeleton(point("nose", "1,2;3,4")),), "2 points instead of 1"),
        ((skeleton(point("tail")),), "'tail' is no joint of"),
        ((skeleton(point("nose", extra='outside="x"')),), "'nose': 'outside' is 'x', not 0 or 1"),
    ],
    ids=str,
)
def test_broken_shapes(tmp_path: Path, shapes: tuple[str, ...], error: str) -> None:
    with pytest.raises(InputError, match=error):
        cvat.read(write(tmp_path, *shapes))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<annotations><track/></annotations>", "names no joints"),
        ("<other/>", "not <annotations>"),
        ("<annotations>", "no element found at line 1"),
        ("<annotations></annotation>", "mismatched tag at line 1"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "line 1: declares"),
        ("<a>" * 60, "nested too deeply"),
        ("<annotations/>", "names no joints"),
        ("", "no element found"),
        ('<annotations><image name="a" width="0" height="5"/></annotations>', "'width' is '0'"),
        ('<annotations><image name="a" width="9.5" height="5"/></annotations>', "'width' is '9.5'"),
        ('<annotations><image width="9" height="5"/></annotations>', "'name' is not a usable"),
    ],
    ids=str,
)
def test_broken_files(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=error) as raised:
        cvat.read(tmp_path / "a.xml")
    assert "a.xml" in str(raised.value)


def test_the_only_box_of_a_group_may_have_any_label(tmp_path: Path) -> None:
    path = write(tmp_path, box(G, label="pedestrian"), skeleton(point("nose"), extra=G))
    reading = cvat.read(path)
    assert reading.datasets["all"].boxes.tolist() == [[10, 20, 20, 40]]
    assert reading.left_out == {}


def test_of_two_other_boxes_of_a_group_neither_is_taken(tmp_path: Path) -> None:
    boxes = (box(G, label="bag"), box(G, label="hat"))
    reading = cvat.read(write(tmp_path, *boxes, skeleton(point("nose", "1,2"), extra=G)))
    assert reading.datasets["all"].boxes.tolist() == [[1, 2, 0, 0]]
    assert reading.left_out["shapes labelled 'bag' (box)"] == 1
    own = cvat.read(write(tmp_path, box(G), boxes[0], skeleton(point("nose"), extra=G)))
    assert own.left_out == {"shapes labelled 'bag' (box)": 1}


HANDS = META.replace(
    "</labels>",
    "<label><name>hand</name><type>skeleton</type></label>"
    "<label><name>thumb</name><type>points</type><parent>hand</parent></label></labels>",
).replace("body", "person")


def hand_and_person() -> tuple[str, str]:
    person = skeleton(point("nose"), point("left eye")).replace("body", "person")
    return skeleton(point("thumb", "50,60")).replace("body", "hand"), person


def test_other_skeletons_are_no_people(tmp_path: Path) -> None:
    reading = cvat.read(write(tmp_path, *hand_and_person(), meta=HANDS))
    dataset = reading.datasets["all"]
    assert dataset.keypoint_set.joints == ("nose", "left_eye")
    assert dataset.keypoints.tolist() == [[[12, 30, 2], [12, 30, 2]]]
    assert reading.left_out["shapes labelled 'hand' (skeleton)"] == 1


def test_the_user_says_which_skeletons_are_people(tmp_path: Path) -> None:
    path = write(tmp_path, *hand_and_person(), meta=HANDS)
    reading = cvat.read(path, category="Hand")
    assert reading.datasets["all"].keypoints.tolist() == [[[50, 60, 2]]]
    assert reading.left_out["shapes labelled 'person' (skeleton)"] == 1
    with pytest.raises(InputError, match="has no 'foot', only 'hand', 'person'"):
        cvat.read(path, category="foot")


def test_several_skeletons_none_of_which_says_person(tmp_path: Path) -> None:
    dogs = [shape.replace('"person"', '"dog"') for shape in hand_and_person()]
    with pytest.raises(InputError, match=r"labels 'dog', 'hand', none .* --category NAME"):
        cvat.read(write(tmp_path, *dogs, meta=HANDS))


def test_nobody_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nobody is left: left out 1 shape labelled 'car'"):
        cvat.read(write(tmp_path, '<polygon label="car" points="1,2;3,4;5,6"/>'))


@pytest.mark.parametrize("name", ["wepdtof-pose-14", "coco-17"])
def test_the_labels_to_paste_are_a_skeleton_of_these_joints(name: str) -> None:
    joints = get_keypoint_set(name)
    boxes, rotated, pose = cvat_writer.label_definitions(joints)
    assert [one["name"] for one in (boxes, rotated)] == ["person", "rotated_box"]
    assert (pose["name"], pose["type"]) == ("person_pose", "skeleton")
    assert [one["name"] for one in pose["sublabels"]] == list(joints.joints)
    drawing = ElementTree.fromstring(f"<svg>{pose['svg']}</svg>")
    circles = {int(c.get("data-node-id")): c for c in drawing.iterfind("circle")}
    assert [circles[n + 1].get("data-label-name") for n in range(len(joints))] == list(
        joints.joints
    )
    edges = [
        (int(line.get("data-node-from")) - 1, int(line.get("data-node-to")) - 1)
        for line in drawing.iterfind("line")
    ]
    assert edges == [tuple(edge) for edge in joints.skeleton]
    places = {(c.get("cx"), c.get("cy")) for c in circles.values()}
    assert len(places) == len(joints)
    assert all(0 < float(value) < 100 for place in places for value in place)
    right, left = (
        float(circles[joints.joints.index(f"{side}_wrist") + 1].get("cx"))
        for side in ("right", "left")
    )
    assert right < left


def test_a_writer_puts_the_labels_beside_the_annotations(tmp_path: Path) -> None:
    from wepdtof_pose.annotations import sample_folder

    from wepdtof_pose.formats.loading import load_dataset

    layout = cvat_writer.write(load_dataset(sample_folder()))
    assert layout.files["labels.json"][2]["name"] == "person_pose"


def test_a_skeleton_without_a_labelled_point_is_nobody(tmp_path: Path) -> None:
    empty, unseen = skeleton(), skeleton(point("nose", extra='outside="1"'))
    reading = cvat.read(write(tmp_path, skeleton(point("nose")), box(), empty, unseen))
    assert reading.datasets["all"].boxes.tolist() == [[10, 20, 20, 40]]
    assert reading.left_out == {"people without a box or a labelled joint": 2}


def test_a_box_drawn_from_its_lower_right_corner(tmp_path: Path) -> None:
    dataset = cvat.read(write(tmp_path, box(corners=(30, 60, 10, 20)))).datasets["all"]
    assert dataset.boxes.tolist() == [[10, 20, 20, 40]]


def test_attributes_as_people_set_them(tmp_path: Path) -> None:
    """Check boxes say true and false, and ids of tracks may be names."""
    people = [
        f'<box label="person" xtl="{x}" ytl="0" xbr="{x + 5}" ybr="9">'
        f'<attribute name="track_id">{track}</attribute>'
        f'<attribute name="iscrowd">{crowd}</attribute></box>'
        for x, track, crowd in ((0, "A7", "no"), (10, "B", "true"), (20, "A7", "False"))
    ]
    reading = cvat.read(write(tmp_path, *people))
    table = reading.datasets["all"].people
    assert table["track_id"].tolist() == [1, 2, 1]
    assert table["iscrowd"].tolist() == [0, 1, 0]
    assert reading.left_out == {"track ids (numbered anew: some are no whole numbers)": 3}


def test_a_subset_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    head = '<image id="4" name="a.jpg" subset="../.." width="100" height="80">'
    with pytest.raises(InputError, match="leads out of the image folder"):
        cvat.read(write(tmp_path, box(), image=head))


def test_text_in_an_encoding_that_is_not_read(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="gbk"?><annotations/>'
    (tmp_path / "annotations.xml").write_bytes(text.encode("gbk"))
    with pytest.raises(InputError, match="save it as UTF-8"):
        cvat.read(tmp_path)


def test_a_folder_of_several_tasks_names_one_of_them(tmp_path: Path) -> None:
    for name in ("task_1", "task_2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "annotations.xml").write_text("<annotations/>")
    first = tmp_path / "task_1" / "annotations.xml"
    with pytest.raises(InputError, match=rf"\*\.xml, but {first} is below it: name one of those"):
        cvat.read(tmp_path)


def test_frames_of_a_film_that_are_named_without_a_suffix(tmp_path: Path) -> None:
    head = '<image id="0" name="frame_000000" width="100" height="80">'
    path = write(tmp_path, skeleton(point("nose")), image=head)
    assert cvat.read(path).datasets["all"].frames["file_name"].tolist() == ["frame_000000"]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "frame_000000.PNG").write_bytes(b"a picture")
    reading = cvat.read(path)
    assert reading.datasets["all"].frames["file_name"].tolist() == ["frame_000000.PNG"]
    assert reading.left_out[SPELLED] == 1
