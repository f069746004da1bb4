from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import wepdtof
from wepdtof_pose.formats.layout import TWICE
from wepdtof_pose.formats.tools import voc


def item(box: str, name: str = "person", more: str = "") -> str:
    return f"<object><name>{name}</name>{more}{box}</object>"


def plain(*values: object) -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    tags = "".join(f"<{k}>{v}</{k}>" for k, v in zip(keys, values, strict=True))
    return f"<bndbox>{tags}</bndbox>"


def turned(*values: object) -> str:
    keys = ("cx", "cy", "w", "h", "angle")
    tags = "".join(f"<{k}>{v}</{k}>" for k, v in zip(keys, values, strict=True))
    return f"<robndbox>{tags}</robndbox>"


def write(
    folder: Path, *items: str, size: tuple[object, object] = (160, 120), name: str = "f1"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    (folder / f"{name}.xml").write_text(f"<annotation>{sides}{''.join(items)}</annotation>")
    image = cv2.imencode(".jpg", np.zeros((120, 160, 3), dtype=np.uint8))[1]
    (folder / f"{name}.jpg").write_bytes(image.tobytes())
    return folder


@pytest.mark.parametrize("whole", [True, False])
def test_what_of_a_folder_is_not_read_is_counted(tmp_path: Path, whole: bool) -> None:
    outlined = item(plain(9, 9, 30, 40), more="<polygon><x1>9</x1></polygon><keypoints/>")
    path = write(tmp_path, outlined)
    write(tmp_path, name="f2")
    (tmp_path / "f2.xml").unlink()
    counts = voc.read(path if whole else path / "f1.xml").left_out
    without = "images without a file of labels ('f2.jpg' is the first)"
    assert counts.pop("outlines and points of objects") == 2
    assert counts == ({without: 1} if whole else {})


PEOPLE = [(10, 10, 30, 40), (60, 20, 20, 50), (90, 30, 25, 60), (120, 5, 35, 30), (40, 70, 20, 45)]


@pytest.mark.parametrize("read", [voc.read, wepdtof.read], ids=["voc", "wepdtof"])
def test_width_and_height_in_place_of_the_second_corner_are_told_from_the_set(
    tmp_path: Path, read: object
) -> None:
    assert callable(read)
    sides = write(tmp_path / "sides", *(item(plain(*box)) for box in PEOPLE))
    with pytest.raises(InputError, match=r"in 4 of 5 objects .* write x \+ width into <xmax>"):
        read(sides)
    ends = [(x + w, y + h, x, y) for x, y, w, h in PEOPLE]
    dataset = read(write(tmp_path / "ends", *(item(plain(*box)) for box in ends))).datasets["all"]
    boxes = dataset.people[["x", "y", "w", "h"]].to_numpy()
    assert boxes.tolist() == [list(map(float, box)) for box in PEOPLE]


BOTH = (item(turned(40, 50, 30, 80, 0.26)), item(plain(90, 10, 130, 90)))


@pytest.mark.parametrize("read", [voc.read, wepdtof.read], ids=["voc", "wepdtof"])
def test_upright_and_rotated_boxes_in_one_file(tmp_path: Path, read: object) -> None:
    assert callable(read)
    dataset = read(write(tmp_path / "Lab", *BOTH)).datasets["all"]
    rotated = dataset.people[list(ROTATED_BOX_COLUMNS)].to_numpy()
    np.testing.assert_allclose(rotated[0], [40, 50, 30, 80, np.degrees(0.26)])
    assert np.isnan(rotated[1]).all()
    assert dataset.boxes[1].tolist() == [90, 10, 40, 80]
    np.testing.assert_allclose(dataset.people["area"], [0.53 * 30 * 80, 0.53 * 40 * 80])
    assert dataset.frames[["scene", "width", "height"]].values.tolist() == [["Lab", 160, 120]]


def test_other_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    parts = "<part><name>head</name></part>"
    path = write(
        tmp_path,
        item(plain(1, 2, 3, 4), "Person", parts),
        item(plain(1, 2, 3, 4), "chair"),
        item("", "person"),
    )
    reading = voc.read(path)
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {
        "objects labelled 'chair'": 1,
        "objects without a box": 1,
        "parts of objects": 1,
    }
    assert len(voc.read(path, category="chair").datasets["all"]) == 1


def test_the_layout_of_the_challenge(tmp_path: Path) -> None:
    write(tmp_path / "Annotations", *BOTH, size=(0, 0))
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations" / "f1.jpg").rename(tmp_path / "JPEGImages" / "f1.jpg")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("f1")
    reading = voc.read(tmp_path)
    dataset = reading.datasets["all"]
    assert (dataset.root / dataset.frames["file_name"][0]).is_file()
    assert dataset.frames[["width", "height"]].values.tolist() == [[160, 120]]
    assert reading.left_out == {"lists of splits (all images are one split)": 1}


def test_folders_that_name_their_frames_alike(tmp_path: Path) -> None:
    for scene in ("a", "b"):
        write(tmp_path / scene, *BOTH)
    dataset = voc.read(tmp_path).datasets["all"]
    assert dataset.frames[["id", "file_name", "scene"]].values.tolist() == [
        ["a/f1", "a/f1.jpg", "a"],
        ["b/f1", "b/f1.jpg", "b"],
    ]


def test_whole_sizes_may_have_a_point(tmp_path: Path) -> None:
    path = write(tmp_path, item(plain(1, 2, 3, 4)), size=("160.0", "120.0"))
    assert voc.read(path).datasets["all"].frames[["width", "height"]].values.tolist() == [
        [160, 120]
    ]
    with pytest.raises(InputError, match=r"<size>/<width> is '160\.5', not a positive whole"):
        voc.read(write(tmp_path, size=("160.5", "120")))


def test_marks_are_kept(tmp_path: Path) -> None:
    marks = "<difficult>1</difficult><truncated>0</truncated>"
    people = voc.read(write(tmp_path, item(plain(1, 2, 3, 4), more=marks))).datasets["all"].people
    assert people["extra"].tolist() == [{"difficult": "1"}]


def test_an_object_given_twice_is_one_person(tmp_path: Path) -> None:
    marked = item(plain(1, 2, 3, 4), more="<difficult>1</difficult>")
    reading = voc.read(write(tmp_path, marked, item(plain(1, 2, 3, 4)), marked))
    assert len(reading.datasets["all"]) == 2
    assert reading.left_out == {TWICE: 1}


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ((item(plain("x", 2, 3, 4)),), r"f1\.xml: object 1: <xmin> is 'x', not a number"),
        ((item(plain("1,5", 2, 3, 4)),), "is '1,5', not a number: write a point in place of"),
        ((item(plain("", 2, 3, 4)),), "object 1: <xmin> is missing$"),
        ((item(plain(1, 2, 3, 4).replace("xmax>", "x2>")),), "object 1: <xmax> is missing$"),
        ((item(plain("1_0", 2, 3, 4)),), "is '1_0', not a number$"),
        ((item(plain(1, 2, 3, 4), "dog"),), "labels 'dog', none of which says person"),
        ((item(turned(1, 2, 3, 4, "")),), "<angle> is missing"),
        (
            (item(plain(1, 2, 3, 4), more=plain(5, 6, 7, 8)),),
            r"object 1: has <bndbox> 2 times: each person is an <object>",
        ),
        ((item(plain("1</xmin><xmin>2", 2, 3, 4)),), "object 1: has <xmin> 2 times"),
        ((item(plain(1, 12, 30, 40), more=plain(11, 2, 30, 40)),), "has <bndbox> 2 times"),
        ((item("<polygon/>"),), "nobody is left: left out 1 object without a box"),
    ],
    ids=str,
)
def test_broken_objects(tmp_path: Path, items: tuple[str, ...], error: str) -> None:
    with pytest.raises(InputError, match=error):
        voc.read(write(tmp_path, *items))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no XML files"):
        voc.read(tmp_path)


def test_degrees_in_the_place_of_radians_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", item(turned(40, 50, 30, 80, 45)))
    with pytest.raises(
        InputError, match=r"object 1: <angle> is 45, more than a whole turn: .*radi"
    ):
        voc.read(folder)
    folder = write(tmp_path / "in", item(turned(40, 50, 30, 80, 6.28)))
    assert len(voc.read(folder).datasets["all"]) == 1


def test_corners_in_any_order(tmp_path: Path) -> None:
    corners = "<xmin>62</xmin><ymin>92</ymin><xmax>18</xmax><ymax>8</ymax>"
    (tmp_path / "a.XML").write_text(
        "<annotation><size><width>160</width><height>120</height></size>"
        f"<object><name>person</name><bndbox>{corners}</bndbox></object></annotation>"
    )
    (tmp_path / "a.JPG").write_bytes(b"")
    dataset = voc.read(tmp_path).datasets["all"]
    assert dataset.boxes.tolist() == [[18, 8, 44, 84]]
    assert dataset.frames["file_name"].tolist() == ["a.JPG"]


def test_an_image_that_the_file_alone_names(tmp_path: Path) -> None:
    """Tools save labels under any name; where image and labels were renamed, theirs counts."""
    path = write(tmp_path, f"<filename>D:\\\\f1.jpg</filename>{item(plain(9, 9, 30, 40))}")
    (tmp_path / "f1.xml").rename(tmp_path / "labels.xml")
    assert voc.read(path).datasets["all"].frames["file_name"].tolist() == ["f1.jpg"]
    (tmp_path / "f1.jpg").rename(tmp_path / "labels.jpg")
    assert voc.read(path).datasets["all"].frames["file_name"].tolist() == ["labels.jpg"]
