from collections.abc import Callable
from pathlib import Path

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.layout import files_in
from wepdtof_pose.formats.loading import load_dataset, take_split


def test_a_file_and_a_folder_with_one_are_the_whole(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "Ordner mit Ä", person_keypoints_train2017=make_dataset())
    file = folder / "annotations" / "person_keypoints_train2017.json"
    for path in (folder, file, str(folder)):
        datasets = load_dataset(path)
        assert list(datasets) == ["all"]
        assert datasets["all"].content_hash() == make_dataset().content_hash()
        assert datasets["all"].root == folder / "images"


def test_splits_come_in_order_and_by_name(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    names = ["person_keypoints_validation", "person_keypoints_test-1", "person_keypoints_train2017"]
    sizes = dict(zip(names, (1, 2, 3), strict=True))
    write_folder(tmp_path, **{name: make_dataset([n]) for name, n in sizes.items()})
    (tmp_path / "annotations" / "captions_train2017.json").write_text("[]")
    datasets = load_dataset(tmp_path)
    assert {name: len(dataset) for name, dataset in datasets.items()} == {
        "train": 3,
        "val": 1,
        "test": 2,
    }
    assert list(datasets) == ["train", "val", "test"]


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ((), r"has no \*.json"),
        (("train", "latest"), "latest.json: one of 2 annotation files"),
        (("train_a", "train_b"), "both 'train'"),
        (("a_train_val", "train"), "its name says neither"),
    ],
)
def test_folders_that_say_no_splits(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, files: tuple, error: str
) -> None:
    (tmp_path / "annotations").mkdir()
    write_folder(tmp_path, **{name: make_dataset([1]) for name in files})
    with pytest.raises(InputError, match=error):
        load_dataset(tmp_path)


def test_folder_without_annotations(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="annotations/ is missing"):
        load_dataset(tmp_path)


def test_what_only_fiftyone_reads_names_the_step_that_works(tmp_path: Path) -> None:
    for name in ("metadata.json", "samples.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=r"FiftyOneDataset export.*COCODetectionDataset"):
        load_dataset(tmp_path)


def test_annotations_beside_the_images_of_each_split(
    make_dataset: Callable, tmp_path: Path
) -> None:
    for part, people in {"train": 2, "valid": 1, "test": 3}.items():
        dataset = make_dataset([people])
        coco.write(dataset, tmp_path / part / "_annotations.coco.json")
        (tmp_path / part / dataset.frames["file_name"][0]).write_bytes(b"")
    (tmp_path / "README.roboflow.txt").write_text("")
    datasets = load_dataset(tmp_path)
    assert {name: len(dataset) for name, dataset in datasets.items()} == {
        "train": 2,
        "val": 1,
        "test": 3,
    }
    assert datasets["val"].root == tmp_path / "valid"
    coco.write(make_dataset([1]), tmp_path / "val" / "_annotations.coco.json")
    with pytest.raises(InputError, match=r"several annotation files of 'val' .*give the path of o"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(("file", "images"), [("annotations", "images"), ("labels", "data")])
def test_annotations_beside_the_folder_of_images(
    make_dataset: Callable, tmp_path: Path, file: str, images: str
) -> None:
    dataset = make_dataset([1])
    coco.write(dataset, tmp_path / f"{file}.json")
    (tmp_path / images).mkdir()
    (tmp_path / images / dataset.frames["file_name"][0]).write_bytes(b"")
    (tmp_path / "manifest.json").write_text("{}")
    assert load_dataset(tmp_path)["all"].root == tmp_path / images


def test_archives_are_for_convert(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(InputError, match="is an archive: unpack it first, or wepdtof-pose convert"):
        load_dataset(tmp_path / "a.zip")


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        load_dataset(tmp_path / "nothing")


def test_joints_must_agree(make_dataset: Callable, write_folder: Callable, tmp_path: Path) -> None:
    write_folder(tmp_path, train=make_dataset(), val=make_dataset(keypoint_set="lsp-14"))
    with pytest.raises(InputError, match=r"train.json \(wepdtof-pose-14\) and val.json \(lsp-14\)"):
        load_dataset(tmp_path)


def test_take_split_lists_those_there_are(make_dataset: Callable) -> None:
    with pytest.raises(InputError, match="data: has no split 'val', only train, test"):
        take_split({"train": make_dataset(), "test": make_dataset()}, "val", path="data")


def test_suffixes_in_upper_case_are_the_same(tmp_path: Path) -> None:
    for name in ("b.JSON", "a.json", "._a.json", "c.txt", "d/e.Json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [path.name for path in files_in(tmp_path, ".json")] == ["a.json", "b.JSON"]
    deep = files_in(tmp_path, ".json", ".txt", deep=True)
    assert [path.name for path in deep] == ["a.json", "b.JSON", "c.txt", "e.Json"]
