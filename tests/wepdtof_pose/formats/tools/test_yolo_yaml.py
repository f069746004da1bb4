"""What a data.yaml says: splits, folders and lists, classes, joints and their exchange."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from yolo_folder import CLASSES, LINE, NAMES, OTHER, write

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.layout import counts_in_words
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.formats.tools import yolo, yolo_yaml
from wepdtof_pose.keypoints import get_keypoint_set


@pytest.mark.parametrize("images", ["far", "far/images"])
def test_labels_stay_where_the_yaml_is_when_images_lie_elsewhere(
    tmp_path: Path, images: str
) -> None:
    path = write(tmp_path / "in")
    (tmp_path / "far").mkdir()
    (path / "images").rename(tmp_path / "far" / "images")
    datasets = yolo.read(path, images=tmp_path / images).datasets
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 1, "val": 0}
    assert datasets["train"].root == tmp_path / "far" / "images" / "train"


@pytest.mark.parametrize(
    "place",
    ["images\\{}", ".\\images\\{}", "D:\\sets\\mine\\images\\{}", "/content/mine/images/{}"],
)
@pytest.mark.parametrize("given", ["folder", "file"])
def test_places_on_another_machine(tmp_path: Path, place: str, given: str) -> None:
    """As Windows writes them, or with the path that the data had elsewhere."""
    splits = "".join(f"{name}: {place.format(name)}\n" for name in ("train", "val"))
    text = f"path: C:\\sets\\mine\n{splits}kpt_shape: [3, 3]\n{NAMES}"
    path = write(tmp_path / "in", text=text)
    datasets = yolo.read(path if given == "folder" else path / "data.yaml").datasets
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 1, "val": 0}
    assert datasets["train"].root == path / "images" / "train"


@pytest.mark.parametrize("place", ["D:\\sets\\images", "/home/anna/images", "sets\\images"])
def test_the_only_folder_of_images_on_another_machine(tmp_path: Path, place: str) -> None:
    text = f"train: {place}\nval: {place}\nkpt_shape: [3, 3]\n{NAMES}"
    path = write(tmp_path / "in", text=text)
    reading = yolo.read(path)
    assert {name: len(dataset) for name, dataset in reading.datasets.items()} == {"all": 1}
    assert reading.datasets["all"].root == path / "images"
    # It need not be called so.
    (path / "images").rename(path / "pictures")
    shutil.copy(path / "labels" / "train" / "a.txt", path / "pictures" / "train")
    (path / "data.yaml").write_text(text.replace("images", "pictures"))
    assert len(yolo.read(path).datasets["all"]) == 1


@pytest.mark.parametrize(
    ("train", "val", "error"),
    [
        (
            "D:\\a\\images",
            "D:\\b\\images",
            "no such folder .*: write there where it lies",
        ),
        ("D:\\a\\images\\train", "D:\\b\\images\\train", "other places, but of both no more than"),
    ],
)
def test_places_on_another_machine_of_which_one_is_here(
    tmp_path: Path, train: str, val: str, error: str
) -> None:
    text = f"train: {train}\nval: {val}\nkpt_shape: [3, 3]\n{NAMES}"
    with pytest.raises(InputError, match=error):
        yolo.read(write(tmp_path / "in", text=text))


def test_labels_lie_by_images_that_are_given_where_the_yaml_says_another_place(
    tmp_path: Path,
) -> None:
    text = f"train: D:\\sets\\pictures\nval: D:\\sets\\pictures\nkpt_shape: [3, 3]\n{NAMES}"
    path = write(tmp_path / "in", text=text)
    assert len(yolo.read(path, images=path / "images" / "train").datasets["all"]) == 1


def test_a_list_of_images_is_found_by_its_name(tmp_path: Path) -> None:
    text = f"train: D:\\sets\\mine.txt\nval: D:\\sets\\mine.txt\nkpt_shape: [3, 3]\n{NAMES}"
    path = write(tmp_path / "in", text=text)
    (path / "mine.txt").write_text("D:\\sets\\images\\train\\a.png\n")
    assert len(yolo.read(path).datasets["all"]) == 1


@pytest.mark.parametrize("places", [("images/train", "images"), ("images", "images/val")])
def test_a_split_in_the_folder_of_another_is_refused(tmp_path: Path, places: tuple) -> None:
    """Its images would be in both, and tested people learned from."""
    text = f"train: {places[0]}\nval: {places[1]}\nkpt_shape: [3, 3]\n{NAMES}"
    with pytest.raises(InputError, match=r"are among those of '(train|val)', in .*a folder of its"):
        yolo.read(write(tmp_path / "in", text=text))


def test_a_split_without_a_place_is_none(tmp_path: Path) -> None:
    text = f"train: images/train\nval: ''\ntest:\nkpt_shape: [3, 3]\n{NAMES}"
    assert list(yolo.read(write(tmp_path / "in", text=text)).datasets) == ["all"]


def test_another_file_in_place_of_the_yaml(tmp_path: Path) -> None:
    (tmp_path / "set.ndjson").write_text('{"type": "dataset"}\n{"type": "image"}\n')
    with pytest.raises(InputError, match=r"set\.ndjson: is no data\.yaml"):
        yolo.read(tmp_path / "set.ndjson")


def test_folders_of_roboflow_have_one_step_up_too_many(tmp_path: Path) -> None:
    path = write(tmp_path / "in")
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (path / split).mkdir(exist_ok=True)
            (path / kind / split).rename(path / split / kind)
    (path / "val" / "labels" / "a.txt").write_text(LINE + OTHER)
    places = "train: ../train/images\nval: ../val/images\n"
    (path / "data.yaml").write_text(f"{places}kpt_shape: [3, 3]\n{NAMES}")
    datasets = yolo.read(path).datasets
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 1, "val": 2}
    # Where the step up leads to a folder, it is meant, but for who gives the folder of the set.
    (tmp_path / "train" / "images").mkdir(parents=True)
    root = yolo.read(path / "data.yaml").datasets["train"].root
    assert root.resolve() == tmp_path / "train" / "images"
    assert yolo.read(path).datasets["train"].root.resolve() == path / "train" / "images"


def test_a_folder_given_by_a_link_has_absolute_paths_of_where_it_lies(tmp_path: Path) -> None:
    folder = write(tmp_path / "real")
    text = (folder / "data.yaml").read_text()
    (tmp_path / "link").symlink_to(folder)
    for stated in (f"path: {folder}\n{text}", text.replace("images/", f"{folder}/images/")):
        (folder / "data.yaml").write_text(stated)
        assert len(yolo.read(tmp_path / "link").datasets["train"]) == 1


@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_is_read_and_nothing_outside_of_it(tmp_path: Path, absolute: bool) -> None:
    far = write(tmp_path / "far")
    (far / "labels" / "train" / "a.txt").write_text(LINE + OTHER)
    place = far if absolute else "../far"
    text = (far / "data.yaml").read_text()
    (tmp_path / "near").mkdir()
    for name in ("by path", "by split"):
        steps = f"path: {place}\n{text}"
        if name == "by split":
            steps = text.replace("images/", f"{place}/images/")
        (tmp_path / "near" / "data.yaml").write_text(steps)
        with pytest.raises(InputError, match=r"leads out of .*near, to .*data.yaml itself to read"):
            yolo.read(tmp_path / "near")
        assert len(yolo.read(tmp_path / "near" / "data.yaml").datasets["train"]) == 2
    # A copy whose YAML names the original is read as it is, and not the original.
    own = write(tmp_path / "own", text=f"path: {place}\n{text}")
    assert len(yolo.read(own).datasets["train"]) == 1


LISTED = f"train: train.txt\nval: [images/val]\nkpt_shape: [3, 3]\n{NAMES}"


@pytest.mark.parametrize(
    "line",
    ["./images/train/a.png", "images\\train\\a.png", "/home/me/set/images/train/a.png"],
    ids=["beside the list", "of Windows", "of another machine"],
)
def test_a_split_may_be_a_list_of_images(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, text=LISTED)
    (path / "train.txt").write_text(f"{line}\n\nimages/train/gone.png\n")
    (path / "images" / "train" / "b.png").write_bytes((path / "images/train/a.png").read_bytes())
    reading = yolo.read(path)
    train = reading.datasets["train"]
    assert train.frames["file_name"].tolist() == ["images/train/a.png"]
    assert train.boxes.tolist() == [[75, 20, 50, 40]]
    assert len(reading.datasets["val"].frames) == 1
    said = "listed images that are not there ('images/train/gone.png' is the first)"
    assert {kind: n for kind, n in reading.left_out.items() if "listed" in kind} == {said: 1}
    convert(path, tmp_path / "out", source_format="yolo")
    again = load_dataset(tmp_path / "out")
    assert {split: len(dataset) for split, dataset in again.items()} == {"train": 1, "val": 0}


@pytest.mark.parametrize("once_more", ["images/train/a.png", "./images/train/a.png"])
def test_an_image_that_a_list_names_twice_is_read_once_and_counted(
    tmp_path: Path, once_more: str
) -> None:
    path = write(tmp_path, text=LISTED)
    (path / "train.txt").write_text(f"images/train/a.png\n{once_more}\n{once_more}\n")
    reading = yolo.read(path)
    assert reading.datasets["train"].frames["file_name"].tolist() == ["images/train/a.png"]
    said = "lines that name an image once more ('images/train/a.png' is the first)"
    assert reading.left_out[said] == 2


def test_a_split_may_be_several_folders(tmp_path: Path) -> None:
    text = f"train: [images/train, images/val]\nkpt_shape: [3, 3]\n{NAMES}"
    path = write(tmp_path, text=text)
    (path / "labels" / "val" / "a.txt").write_text(LINE + OTHER)
    everybody = yolo.read(path).datasets["all"]
    assert everybody.frames["file_name"].tolist() == ["images/train/a.png", "images/val/a.png"]
    assert everybody.people["frame_id"].tolist() == [1, 2, 2]


@pytest.mark.parametrize("place", ["../far.txt", "far.txt"], ids=["outside", "a link out"])
def test_a_list_outside_the_data_set_is_not_read(tmp_path: Path, place: str) -> None:
    (tmp_path / "far.txt").write_text("a secret\n")
    path = write(tmp_path / "in", text=LISTED.replace("train.txt", place))
    if place == "far.txt":
        (path / place).symlink_to(tmp_path / "far.txt")
    with pytest.raises(InputError, match="out of the data set") as raised:
        yolo.read(path)
    assert "secret" not in str(raised.value)


def test_several_folders_lie_below_the_data_set(tmp_path: Path) -> None:
    text = f"train: [images/train, {tmp_path}/in/images/val]\nkpt_shape: [3, 3]\n{NAMES}"
    with pytest.raises(InputError, match="as they lie below"):
        yolo.read(write(tmp_path / "in", text=text))


def test_a_list_of_images_of_which_none_is_there(tmp_path: Path) -> None:
    path = write(tmp_path, text=LISTED)
    (path / "train.txt").write_text("far/b.png\n")
    with pytest.raises(InputError, match=r"none of the images that 'train' lists .*far/b\.png"):
        yolo.read(path)


def test_the_folder_of_the_only_split_may_be_given(tmp_path: Path) -> None:
    text = f"train: images/train\nval: images/train\nkpt_shape: [3, 3]\n{NAMES}"
    path = write(tmp_path / "in", text=text)
    (path / "images").rename(tmp_path / "far")
    assert len(yolo.read(path, images=tmp_path / "far" / "train").datasets["all"]) == 1


FLAT = "kpt_names: [nose, left_eye, right_eye]\n"


@pytest.mark.parametrize(
    ("text", "category", "left_out"),
    [
        ("names: [bed, person]\n" + NAMES, None, "bed"),
        ("names: {0: bed, 1: thing}\n" + NAMES.replace("0:", "1:"), None, "bed"),
        ("names: {0: bed, 1: thing}\n" + NAMES, "thing", "bed"),
        ("names: {0: person, 1: worker}\n" + NAMES, "Worker", "person"),
        ("names: {0: person, 1: worker}\n" + NAMES, None, "worker"),
    ],
    ids=["named person", "with joints", "said", "said and not person", "person"],
)
def test_which_class_is_people(
    tmp_path: Path, text: str, category: str | None, left_out: str
) -> None:
    path = write(tmp_path, text=CLASSES + text, labels=LINE + "1" + LINE[1:])
    reading = yolo.read(path, category=category)
    assert reading.left_out == {f"objects of class '{left_out}'": 1}
    assert len(reading.datasets["all"]) == 1


def test_joints_may_be_named_by_number(tmp_path: Path) -> None:
    names = "kpt_names: {1: left_eye, 0: nose, 2: right_eye}\n"
    reading = yolo.read(write(tmp_path, text=f"{CLASSES}names: [person]\n{names}"))
    assert reading.datasets["all"].keypoint_set.joints == ("nose", "left_eye", "right_eye")


def test_several_classes_may_be_people(tmp_path: Path) -> None:
    text = "names: [climbing, walking, bed]\n" + FLAT
    path = write(tmp_path, text=CLASSES + text, labels=LINE + "1" + LINE[1:] + "2" + LINE[1:])
    reading = yolo.read(path, category="climbing,Walking")
    assert reading.left_out == {"objects of class 'bed'": 1}
    assert len(reading.datasets["all"]) == 2
    other = text.replace(FLAT, "kpt_names: {0: [nose, a, b], 1: [a, nose, b]}\n")
    (tmp_path / "data.yaml").write_text(CLASSES + other)
    with pytest.raises(InputError, match="classes of people have different joints"):
        yolo.read(path, category="climbing,walking")


@pytest.mark.parametrize(
    ("names", "category", "error"),
    [
        ("names: [bed, sofa, 5]", None, "labels '5', 'bed', 'sofa', none .* --category NAME"),
        ("names: [person]", "cook", "has no 'cook', only 'person'"),
        ("", "cook", "does not name its classes: no --category"),
        ("names: 5", None, "'names' is 5, not the names of the classes"),
    ],
)
def test_no_class_is_people(tmp_path: Path, names: str, category: str | None, error: str) -> None:
    with pytest.raises(InputError, match=error):
        yolo.read(write(tmp_path, text=f"{CLASSES}{names}\n{FLAT}"), category=category)


def test_numbers_of_classes_may_be_texts(tmp_path: Path) -> None:
    text = f"train: images/train\nkpt_shape: [3, 3]\nnames: {{'0': person, '1': dog}}\n{NAMES}"
    reading = yolo.read(write(tmp_path, text=text, labels=LINE + LINE.replace("0", "1", 1)))
    assert len(reading.datasets["all"]) == 1
    assert reading.left_out == {"objects of class 'dog'": 1}


def test_joints_may_be_given(tmp_path: Path) -> None:
    text = "train: images/train\nkpt_shape: [14, 3]\n"
    path = write(tmp_path, text=text, labels="0 0.5 0.5 0.25 0.5" + " 0.5 0.5 2" * 14)
    with pytest.raises(InputError, match="--source-keypoints"):
        yolo.read(path)
    found = yolo.read(path, keypoint_set=get_keypoint_set("aic-14")).datasets["all"]
    assert found.keypoint_set.name == "aic-14"


def test_data_file_of_loaders(make_dataset: Callable) -> None:
    content = yaml.safe_load(yolo.write({"all": make_dataset()}).files["data.yaml"])
    assert content["kpt_shape"] == [14, 3]
    assert content["flip_idx"] == [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8, 12, 13]
    assert (content["train"], content["val"]) == ("images", "images")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("train: images/train\n" + NAMES, "'kpt_shape' is None"),
        ("kpt_shape: [3, 3]\n" + NAMES, "names no folder"),
        (f"train: [a, 5]\nkpt_shape: [3, 3]\n{NAMES}", "'train' is a list of 2"),
        (f"train: []\nkpt_shape: [3, 3]\n{NAMES}", "'train' is an empty list"),
        (f"train: [a]\nkpt_shape: [3, 3]\n{NAMES}", "a: no such folder"),
        (f"train: a.txt\nkpt_shape: [3, 3]\n{NAMES}", r"a\.txt: no such list of images"),
        (f"train: nowhere\nkpt_shape: [3, 3]\n{NAMES}", "nowhere: no such folder"),
        (f"train: images/train\nkpt_shape: [4, 3]\n{NAMES}", "has 4 joints, but 'custom' has 3"),
        (f"train: images/train\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\n{NAMES}", "another order"),
        (f"train: images/train\nkpt_shape: [3, 3]\nflip_idx: [1, 2, 0]\n{NAMES}", "0 to 2 become"),
        (f"train: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 2]\n{NAMES}", "0 to 2 become"),
        (f"train: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 9]\n{NAMES}", "0 to 2 become"),
        (f"train: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, a, 1]\n{NAMES}", "0 to 2 become"),
        (f"train: images/train\nkpt_shape: [3, 3]\nflip_idx: 5\n{NAMES}", "0 to 2 become"),
        ("a: &a [*a]\n", "stands for itself or for very many values, at line 1"),
        ("a: [1\nb: 2", "at line 2"),
        ("[" * 5000, "nested too deeply"),
        ('{"a":' * 5000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        (
            'train: images/train\nkpt_shape: [1, 3]\nkpt_names: ["a\\0b"]\n',
            "'kpt_names' is no list of joint names",
        ),
        ("a: !!int x", "not usable YAML"),
        ("5", "expected names and values"),
    ],
    ids=str,
)
def test_broken_data_file(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        yolo.read(write(tmp_path, text=text))


@pytest.mark.parametrize(
    "names", ["nose, shoulder_left, shoulder_right", "nose, a, b"], ids=["said by names", "not"]
)
def test_mirror_pairs_of_the_yaml_survive_conversions(tmp_path: Path, names: str) -> None:
    text = "train: images/train\nval: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\n"
    path = write(tmp_path / "in", text=f"{text}kpt_names:\n  0: [{names}]\n")
    convert(path, tmp_path / "coco", source_format="yolo")
    assert load_dataset(tmp_path / "coco")["all"].keypoint_set.flip_pairs == ((1, 2),)
    manifest = convert(
        tmp_path / "coco", tmp_path / "out", source_format="coco", target_format="yolo"
    )
    assert not any("mirror" in what for what in manifest["not_held"])
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())["flip_idx"] == [0, 2, 1]
    assert yolo.read(tmp_path / "out").datasets["all"].keypoint_set.flip_pairs == ((1, 2),)


@pytest.mark.parametrize("key", ["valid", "validation"])
def test_validation_by_another_name(tmp_path: Path, key: str) -> None:
    text = f"train: images/train\n{key}: images/val\nkpt_shape: [3, 3]\n{NAMES}"
    assert list(yolo.read(write(tmp_path, text=text)).datasets) == ["train", "val"]
    (tmp_path / "data.yaml").write_text(f"{text}val: images/train\n")
    with pytest.raises(InputError, match=f"'val' and '{key}' are one split"):
        yolo.read(tmp_path)


@pytest.mark.parametrize(
    "test", ["../test/images", "/far/test/images", "test-dev2017.txt", "listed.txt"]
)
def test_a_test_set_that_is_not_there_is_counted(tmp_path: Path, test: str) -> None:
    text = f"train: images/train\nval: images/val\ntest: {test}\nkpt_shape: [3, 3]\n{NAMES}"
    (write(tmp_path, text=text) / "listed.txt").write_text("images/test/far.jpg\n")
    reading = yolo.read(tmp_path)
    assert list(reading.datasets) == ["train", "val"]
    assert reading.left_out["test sets whose images are not there"] == 1


def test_an_exchange_of_no_joints_says_nothing(tmp_path: Path) -> None:
    text = "train: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 1, 2]\n"
    reading = yolo.read(write(tmp_path / "sides", text=text + NAMES))
    assert reading.datasets["all"].keypoint_set.flip_pairs == ((1, 2),)
    assert "1 list 'flip_idx' without an exchange" in counts_in_words(reading.left_out)
    reading = yolo.read(write(tmp_path / "none", text=f"{text}kpt_names: [nose, a, b]\n"))
    assert reading.datasets["all"].keypoint_set.flip_pairs == ()
    assert not reading.left_out


def test_a_wrong_exchange_of_joints_that_are_given(tmp_path: Path) -> None:
    text = f"train: images/train\nkpt_shape: [14, 3]\nflip_idx: {list(range(14))[::-1]}\n"
    path = write(tmp_path, text=text, labels="")
    with pytest.raises(InputError, match="'flip_idx' is not the left-right exchange of 'aic-14'"):
        yolo.read(path, keypoint_set=get_keypoint_set("aic-14"))


@pytest.mark.parametrize(
    "splits", [["train", "val"], ["train", "test"], ["val", "test"], ["val"], ["test"]], ids=str
)
def test_yaml_text_is_read_back(tmp_path: Path, splits: list[str]) -> None:
    joints = get_keypoint_set("lsp-14")
    text = yolo_yaml.yaml_text(joints, splits)
    assert {"train", "val"} <= set(yaml.safe_load(text))
    (tmp_path / "data.yaml").write_text(text)
    data = yolo_yaml.read_data_file(tmp_path)
    assert data.keypoint_set == joints
    assert data.splits == {split: f"images/{split}" for split in splits}


@pytest.mark.parametrize("other", ["./images/train", "images/train/", "images/../images/train"])
def test_one_folder_is_one_split_however_it_is_written(tmp_path: Path, other: str) -> None:
    text = f"train: images/train\nval: {other}\nkpt_shape: [3, 3]\n{NAMES}"
    assert list(yolo.read(write(tmp_path, text=text)).datasets) == ["all"]


def test_which_yaml_is_meant(tmp_path: Path) -> None:
    path = write(tmp_path)
    (path / "args.yaml").write_text("epochs: 3\n")
    assert yolo_yaml.read_data_file(path).file == path / "data.yaml"
    (path / "data.yaml").rename(path / "pose.yml")
    with pytest.raises(InputError, match=r"args.yaml, pose.yml\): give the path of one"):
        yolo.read(path)
    for name in ("args.yaml", "pose.yml"):
        (path / name).unlink()
    with pytest.raises(InputError, match=r"write a data.yaml that says 'train: images'"):
        yolo.read(path)
    (path / "obj.names").write_text("person\n")
    with pytest.raises(InputError, match=r"CVAT's YOLO 1.1, which has boxes alone"):
        yolo.read(path)
