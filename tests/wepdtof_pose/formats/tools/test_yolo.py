from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from yolo_folder import CLASSES, LINE, NAMES, write

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.layout import RESPELLED
from wepdtof_pose.formats.tools import yolo


def test_numbers_are_relative_to_the_image(tmp_path: Path) -> None:
    datasets = yolo.read(write(tmp_path)).datasets
    train = datasets["train"]
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 1, "val": 0}
    assert train.boxes.tolist() == [[75, 20, 50, 40]]
    np.testing.assert_allclose(train.keypoints[0], [[20, 16, 2], [60, 32, 1], [0, 0, 0]])
    assert train.keypoint_set.joints == ("nose", "left_eye", "right_eye")


@pytest.mark.parametrize("labels", [None, "", "\n"], ids=["no file", "empty file", "empty line"])
def test_images_without_people(tmp_path: Path, labels: str | None) -> None:
    path = write(tmp_path, labels=labels)
    (path / "labels" / "val" / "a.txt").write_text(LINE)
    reading = yolo.read(path)
    dataset = reading.datasets["train"]
    assert (len(dataset), len(dataset.frames)) == (0, 1)
    assert sum(reading.left_out.values()) == (labels is None)


@pytest.mark.parametrize("name", ["A.txt", "a.TXT"])
def test_label_files_that_are_spelled_in_another_way(tmp_path: Path, name: str) -> None:
    path = write(tmp_path)
    folder = path / "labels" / "train"
    (folder / "a.txt").rename(folder / name)
    reading = yolo.read(path)
    assert len(reading.datasets["train"]) == 1
    assert reading.left_out[RESPELLED] == 1
    # What may be of two images is nobody's.
    image = next((path / "images" / "train").iterdir())
    (image.parent / f"A{image.suffix}").write_bytes(image.read_bytes())
    (folder / name).rename(folder / "A.TXT")
    with pytest.raises(InputError, match=r"no image has a label file.*1 label file without.*A.TXT"):
        yolo.read(path)


def test_without_any_label_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has a label file, such as .*labels/train/a\.txt"):
        yolo.read(write(tmp_path, labels=None))


def test_only_other_classes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nobody is left: .*, 1 object of class '1'"):
        yolo.read(write(tmp_path, labels="1" + LINE[1:]))


def test_joints_that_are_padded_to_those_of_another_skeleton(tmp_path: Path) -> None:
    """As CVAT exports a skeleton of people beside one of hands, which has more joints."""
    text = CLASSES.replace("[3, 3]", "[5, 3]") + "flip_idx: [0, 2, 1, 3, 4]\n"
    text += "names: {0: hand, 1: person}\n"
    hand = LINE[:-1] + " 0.1 0.1 2 0.2 0.2 2\n"
    person = "1" + LINE[1:-1] + " 0.0 0.0 0 0.0 0.0 0\n"
    path = write(tmp_path, text=f"{text}kpt_names: {{1: [nose, left_eye, right_eye]}}\n")
    (path / "labels" / "train" / "a.txt").write_text(hand + person)
    reading = yolo.read(path)
    assert reading.datasets["all"].keypoints.shape == (1, 3, 3)
    assert reading.datasets["all"].keypoint_set.flip_pairs == ((1, 2),)
    assert reading.left_out == {"objects of class 'hand'": 1}
    (path / "labels" / "train" / "a.txt").write_text("1" + hand[1:])
    with pytest.raises(InputError, match=r"a\.txt: people have 5 joints, but 'custom' has 3"):
        yolo.read(path)


def test_lines_of_a_box_alone_are_people_without_joints(tmp_path: Path) -> None:
    reading = yolo.read(write(tmp_path, labels=LINE + "0 0.5 0.5 0.25 0.5\n1 0.5 0.5 0.25 0.5\n"))
    train = reading.datasets["train"]
    assert train.boxes[1].tolist() == [75, 20, 50, 40]
    assert (train.keypoints[..., 2] > 0).sum(axis=1).tolist() == [2, 0]
    assert reading.left_out["people with a box and no joints"] == 1
    assert reading.left_out["objects of class '1'"] == 1
    with pytest.raises(InputError, match=r"states 3 joints .* all lines have 5 numbers"):
        yolo.read(write(tmp_path / "b", labels="0 0.5 0.5 0.25 0.5\n"))


@pytest.mark.parametrize("line", [LINE, "0 0.5 0.5 0.25 0.5\n"], ids=["joints", "a box alone"])
def test_lines_given_twice_are_one_person(tmp_path: Path, line: str) -> None:
    other = LINE.replace("0.5", "0.4", 1)
    # The same numbers are the same person, however they are written.
    again = line.replace("0.25", "0.250").replace(" ", "\t").rstrip() + " \r\n"
    reading = yolo.read(write(tmp_path / "in", labels=line + other + again + line))
    (twice,) = (n for what, n in reading.left_out.items() if "given twice" in what)
    assert (len(reading.datasets["train"]), twice) == (2, 2)
    once = yolo.read(write(tmp_path / "once", labels=line + other)).datasets["train"]
    assert reading.datasets["train"].content_hash() == once.content_hash()


def test_label_files_without_an_image_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path)
    for name in ("b", "deep/c"):
        file = path / "labels" / "train" / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(LINE)
    (path / "labels" / "train" / "classes.txt").write_text("person\n")
    (path / "images" / "train" / "d.HEIC").write_bytes(b"?")
    (path / "labels" / "train" / "d.txt").write_text(LINE)
    reading = yolo.read(path)
    assert reading.left_out["label files without an image ('b.txt' is the first)"] == 2
    assert reading.left_out["images of kinds that are not read ('d.HEIC' is the first)"] == 1


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (LINE.replace("0.25", "40"), r"a\.txt: line 1 has the coordinate 40, .*: are these pixels"),
        (LINE.replace("0.3", "1.02"), "has the coordinate 1.02"),
        (LINE.replace("0.25", "-0.05"), "has the coordinate -0.05"),
    ],
)
def test_numbers_that_are_no_shares(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        yolo.read(write(tmp_path, labels=line))


def test_rounded_numbers_and_places_of_unlabelled_joints_are_taken(tmp_path: Path) -> None:
    line = LINE.replace("0.3", "1.004").replace("0 0 0\n", "7 7 0\n")
    dataset = yolo.read(write(tmp_path, labels=line)).datasets["train"]
    assert dataset.keypoints[0, :, 2].tolist() == [2, 1, 0]


def test_people_with_an_empty_box_are_not_written(make_dataset: Callable) -> None:
    dataset = make_dataset([2, 1], w=[-40.0, 20, 20], h=[-80.0, 20, 20], x=[60.0, 30, 300])
    dataset.keypoints[[0, 2]] = 0
    layout = yolo.write({"all": dataset})
    lines = [text.splitlines() for name, text in layout.files.items() if name.endswith(".txt")]
    assert sorted(map(len, lines)) == [0, 1]
    assert layout.not_held["people whose box is empty in the image (left out)"] == 2


def test_who_has_an_empty_box_gets_that_of_the_joints(make_dataset: Callable) -> None:
    dataset = make_dataset([1], w=[-40.0], h=[-80.0], x=[60.0])
    dataset.keypoints[0] = 0
    dataset.keypoints[0, :2] = [(4, 8, 2), (12, 24, 1)]
    width, height = dataset.frames[["width", "height"]].to_numpy()[0]
    layout = yolo.write({"all": dataset})
    (line,) = (text for name, text in layout.files.items() if name.endswith(".txt"))
    box = np.array([float(word) for word in line.split()[1:5]])
    np.testing.assert_allclose(box * [width, height, width, height], [8, 16, 8, 16], rtol=1e-9)
    assert layout.not_held["empty boxes (the extent of the joints is written)"] == 1


def test_two_numbers_a_joint(tmp_path: Path) -> None:
    text = f"train: images/train\nkpt_shape: [3, 2]\n{NAMES}"
    path = write(tmp_path, text=text, labels="0 0.5 0.5 0.25 0.5 0.1 0.2 0 0 0.5 0\n")
    assert yolo.read(path).datasets["all"].keypoints[0, :, 2].tolist() == [2, 0, 2]


def test_other_classes_are_counted(tmp_path: Path) -> None:
    reading = yolo.read(write(tmp_path, labels=LINE + "1" + LINE[1:]))
    assert len(reading.datasets["train"]) == 1
    assert len(yolo.read(tmp_path).datasets["val"]) == 0
    assert reading.left_out["objects of class '1'"] == 1


def test_what_loaders_would_refuse_is_cut_and_counted() -> None:
    boxes = np.array([[-5.0, 10, 20, 30], [10, 10, 20, 30]])
    keypoints = np.array([[[-1, 5, 2]], [[50, 5, 1]]], dtype=np.float32)
    cut, kept, counts = yolo.inside(boxes, keypoints, np.array([[100, 80]] * 2))
    assert cut.tolist() == [[0, 10, 15, 30], [10, 10, 20, 30]]
    assert kept.tolist() == [[[0, 0, 0]], [[50, 5, 1]]]
    assert list(counts.values()) == [0, 1, 1]


@pytest.mark.parametrize("name", ["a.jpg", "images/a.jpg", "cam/images/b/a.jpg", "images.jpg"])
def test_labels_lie_where_loaders_look(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, name: str
) -> None:
    dataset = make_dataset([1])
    write_folder(tmp_path / "made", x=dataset)
    dataset.frames["file_name"] = [name]
    coco.write(dataset, tmp_path / "in" / "annotations" / "person_keypoints.json")
    image = tmp_path / "in" / "images" / name
    image.parent.mkdir(parents=True)
    (tmp_path / "made" / "images" / "5.png").rename(image)
    convert(tmp_path / "in", tmp_path / "out", source_format="coco", target_format="yolo")
    (written,) = tmp_path.glob("out/images/**/*.jpg")
    # The rule of the published loaders, word for word: the last /images/ of the path.
    label = "/labels/".join(str(written).rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt"
    assert len(Path(label).read_text().splitlines()) == 1
    assert len(yolo.read(tmp_path / "out").datasets["all"]) == 1


def test_labels_of_a_split(make_dataset: Callable) -> None:
    dataset = make_dataset([1, 1])
    dataset.frames["file_name"] = ["a.jpg", "images/b.jpg"]
    files = yolo.write({"train": dataset}).files
    assert set(files) == {"data.yaml", "labels/train/a.txt", "images/train/labels/b.txt"}


@pytest.mark.parametrize("name", ["frame_1", "a.gif"])
def test_images_that_yolo_would_not_find_are_refused(make_dataset: Callable, name: str) -> None:
    dataset = make_dataset([1, 1])
    dataset.frames["file_name"] = ["a.JPG", name]
    with pytest.raises(InputError, match=f"'{name}': yolo finds images by their suffixes"):
        yolo.write({"all": dataset})


def test_images_that_differ_in_the_suffix_only(make_dataset: Callable) -> None:
    dataset = make_dataset([1, 1])
    dataset.frames["file_name"] = ["a.png", "a.jpg"]
    with pytest.raises(InputError, match="the same name but for the suffix"):
        yolo.write({"all": dataset})


@pytest.mark.parametrize("name", ["a.png", "./a.png"])
def test_people_of_an_image_that_is_listed_twice_come_together(
    make_dataset: Callable, name: str
) -> None:
    dataset = make_dataset([1, 2])
    dataset.frames["file_name"] = ["a.png", name]
    layout = yolo.write({"all": dataset})
    assert len(layout.files["labels/a.txt"].splitlines()) == len(dataset) == 3
    assert layout.not_held["images listed again"] == 1


def test_a_split_without_images_is_not_written(make_dataset: Callable) -> None:
    empty = make_dataset().select_frames(np.array([], dtype=np.int64))
    with pytest.raises(InputError, match="split 'val' has no images"):
        yolo.write({"train": make_dataset(), "val": empty})


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (LINE + "0 1 2\n", r"a\.txt: line 2 has 3 numbers instead of 14"),
        (LINE.replace("0.25", "wide"), "line 1 is 'wide', not a number"),
        (LINE.replace("0.25", "0,25"), "is '0,25', not a number: write a point in place of"),
        (LINE.replace("0.25", "0.2_5"), "is '0.2_5', not a number$"),
        ("# by me\n" + LINE, "line 1 has 3 numbers instead of 14 .*: remove the comment"),
        (LINE.replace(" ", ","), "1 numbers instead of 14 .*: put spaces between numb"),
        (LINE.replace("0.25", "-0.005"), "line 1 has a box of -0.005 x 0.5: a side is below 0"),
        (LINE.replace("0.25", "nan"), "line 1 is 'nan', not a finite"),
        (LINE.replace("0.25", "1e20"), "not relative to the image"),
        (
            LINE.replace(" 1 0 0 0", " 3 0 0 0"),
            r"are not all 0, 1 or 2 \(one is 3, in the line that begins with 0 0.5 0.5\)$",
        ),
        (
            LINE.replace(" 1 0 0 0", " 0.75 0 0 0"),
            "one is 0.75, .* 0 0.5 0.5.: confidences of predictions",
        ),
        (LINE.replace("\n", " 0.9\n"), "15 numbers instead of 14 .*: the last one, a confidence"),
    ],
    ids=str,
)
def test_broken_labels(tmp_path: Path, labels: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        yolo.read(write(tmp_path, labels=labels))


@pytest.mark.parametrize(
    ("content", "counted"),
    [
        (b"\xef\xbb\xbf" + LINE.encode(), True),
        (LINE.encode("utf-16"), True),
        (b"\n" * 100 + LINE.encode(), True),
        (b"# made by hand\n" + LINE.encode(), True),
        (LINE.replace("0 ", "person ", 1).encode(), True),
        (LINE.replace("0 ", "-1 ", 1).encode(), True),
        (b"0", False),
        (b"person\ndog\n", False),
        (b"images/a.jpg\nimages/b.jpg\n", False),
        (b"Made in 2024, 14 joints of 2 people.\n", False),
    ],
)
def test_labels_without_an_image_are_counted_however_they_are_written(
    tmp_path: Path, content: bytes, counted: bool
) -> None:
    path = write(tmp_path)
    (path / "labels" / "train" / "gone.txt").write_bytes(content)
    counts = yolo.read(path).left_out
    assert ("label files without an image ('gone.txt' is the first)" in counts) == counted


def test_images_that_share_a_label_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    (path / "images" / "train" / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.jpg and a\.png have one label file"):
        yolo.read(path)


@pytest.mark.parametrize("number", ["7", "-1", "0.5"])
def test_a_class_without_a_name_is_counted_by_its_number(tmp_path: Path, number: str) -> None:
    path = write(tmp_path, labels=LINE + LINE.replace("0 ", f"{number} ", 1))
    left_out = yolo.read(path).left_out
    assert left_out[f"objects of class '{number}'"] == 1


def test_what_splits_leave_out_alike_adds_up(tmp_path: Path) -> None:
    path = write(tmp_path)
    for split in ("train", "val"):
        (path / "labels" / split / "gone.txt").write_text(LINE)
    counts = yolo.read(path).left_out
    assert counts["label files without an image ('gone.txt' is the first)"] == 2


def test_an_image_whose_name_no_reader_takes(tmp_path: Path) -> None:
    path = write(tmp_path)
    image = path / "images" / "train" / "a.png"
    image.rename(image.with_name("a\x1b[31m.png"))
    with pytest.raises(InputError, match=r"'a\\x1b\[31m.png': 'name' is not a usable file name"):
        yolo.read(path)
