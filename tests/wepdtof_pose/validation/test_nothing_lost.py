"""Data sets with faults of every kind: a repair loses no label, and what passes is read by all.

WEPDTOF_EXAMPLES sets the number of data sets (12 by default).
"""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from faults import FAULTS, JOINTS, SIZES, Content, Draw, contents, usable
from generated import generated
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from wepdtof_pose.annotations import sample_folder

from sspcm.config import DataConfig
from sspcm.data.sets import make_sets
from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.pictures.frames import write_frames
from wepdtof_pose.splits.label_budgets import choose_people
from wepdtof_pose.splits.partitions import partition
from wepdtof_pose.statistics.tables import all_tables, counts
from wepdtof_pose.validation.codes import CODES
from wepdtof_pose.validation.repaired_copy import write_repaired
from wepdtof_pose.validation.units import UNITS
from wepdtof_pose.validation.validate import validate


def labels(content: Content) -> tuple[int, int, int]:
    """Frames, boxes and labelled joints, however they are written; a copy is no other frame."""
    # A copy may lack a field of the other one.
    images = [image for image in content["images"] if isinstance(image, dict) and image]
    frames = {repr([as_id(image.get("id")), image.get("file_name")]) for image in images}
    people = [a for a in content["annotations"] if isinstance(a, dict)]
    boxes = [a.get("bbox") for a in people]
    four = [b for b in boxes if isinstance(b, list) and len(b) == 4]
    # True may be a visibility, and is no place.
    whole = [b for b in four if all(usable(v) and not isinstance(v, bool) for v in b)]
    lists = [k for a in people if isinstance(k := a.get("keypoints"), list) and k]
    pairs = bool(lists) and all(len(k) == 2 * content[JOINTS] for k in lists)
    joints = sum(map(is_label, (joint for k in lists for joint in joints_of(k, pairs))))
    return len(frames), sum(float(b[2]) > 0 and float(b[3]) > 0 for b in whole), joints


def joints_of(keypoints: list[Any], pairs: bool) -> list[list[Any]]:
    """Joints as they are written: lists of their own, or two or three numbers of one list."""
    nested = all(isinstance(joint, list) for joint in keypoints)
    if nested and max(map(len, keypoints)) <= 3:
        return keypoints
    numbers = [value for joint in keypoints for value in joint] if nested else keypoints
    step = 2 if pairs else 3
    return [numbers[at : at + step] for at in range(0, len(numbers) - step + 1, step)]


def is_label(joint: list[Any]) -> bool:
    if len(joint) not in (2, 3) or not all(map(usable, joint)):
        return False
    seen = float(joint[2]) if len(joint) == 3 else 3.0
    # At 0, 0 only a visibility of COCO's says that there is a joint.
    return seen > 0 and (seen in (1, 2) or any(map(float, joint[:2])))


def as_id(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value == value // 1 else value


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, (width, height) in SIZES.items():
        pixels = np.full((height, width, 3), ord(name[0]), dtype=np.uint8)
        cv2.imwrite(str(folder / name), pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(folder / "d.jpg", exif=exif)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@generated(12)
@given(
    parts=st.lists(contents(), min_size=1, max_size=2),
    names=st.lists(st.sampled_from(list(FAULTS)), min_size=1, max_size=3),
    data=st.data(),
)
def test_no_label_is_lost_and_what_passes_is_read(
    pictures: Path, parts: list[Content], names: list[str], data: st.DataObject
) -> None:
    for name in names:
        FAULTS[name](data.draw(st.sampled_from(parts)), data.draw)
    files = ["a.json"] if len(parts) == 1 else ["a_train.json", "a_val.json"]
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "in"
        (folder / "annotations").mkdir(parents=True)
        (folder / "images").symlink_to(pictures)
        for file, content in zip(files, parts, strict=True):
            (folder / "annotations" / file).write_text(json.dumps(content))
        before = labels_in(folder)
        plain = write_repaired(folder, Path(parent) / "plain", images=True)
        after = labels_in(Path(parent) / "plain")
        assert all(now >= then for now, then in zip(after, before, strict=True)), (before, after)
        assert not any(plain["labels"]["dropped"].values())
        read_by_every_command(Path(parent) / "plain", plain, data.draw)

        dropped = write_repaired(folder, Path(parent) / "dropped", images=True, drop=True)
        gone = dropped["labels"]["dropped"]
        after = labels_in(Path(parent) / "dropped")
        less = (gone["frames"], gone["boxes"], gone["joints"])
        assert all(now >= then - lost for now, then, lost in zip(after, before, less, strict=True))
        # Most often there is nothing to drop: the same is not read twice.
        if written(Path(parent) / "dropped") != written(Path(parent) / "plain"):
            read_by_every_command(Path(parent) / "dropped", dropped, data.draw)
        if not (OF_THE_FILE | {"image-missing"}) & set(dropped["remaining"]):
            load_dataset(Path(parent) / "dropped")


def labels_in(folder: Path) -> tuple[int, ...]:
    """The labels of all files of a folder together."""
    files = (folder / "annotations").glob("*.json")
    return tuple(map(sum, zip(*(labels(read_json(file)) for file in files), strict=True)))


def written(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "annotations").iterdir()}


OF_THE_FILE = {
    *("json", "category", "keypoint-count", "category-unknown", "category-without-joints"),
    *("joints-differ", "nobody"),
    *UNITS,
}
"""Faults of the file as a whole, which no entry can be dropped for."""


def read_by_every_command(folder: Path, record: dict[str, Any], draw: Draw) -> None:
    """What has no error left is read; what has is read or refused with a message, nothing else."""
    assert validate(folder, images=True).counts == record["remaining"]
    errors = {code for code in record["remaining"] if CODES[code].severity == "error"}
    said = ""
    try:
        for split, dataset in load_dataset(folder).items():
            use(dataset, folder, split)
        for target in ("coco", draw(st.sampled_from(["yolo", "cvat", "label_studio"]))):
            out = folder.with_name(f"{folder.name}_{target}")
            convert(folder, out, source_format="coco", target_format=target)
    except InputError as error:
        said = str(error)
    # Where everybody was dropped, or is a crowd, there is nothing to draw or to write.
    nobody = not record["labels"]["after"]["people"] or said.startswith("nobody is left that")
    nobody = nobody or ("has no images" in said and not people_in_every_file(folder))
    assert not said or errors or nobody or record["missing_images"], (record["remaining"], said)
    read_by_the_engine(folder, known=bool(errors or record["missing_images"]))


def people_in_every_file(folder: Path) -> bool:
    """Whether each file has somebody of a category with joints: others are no people."""
    for file in (folder / "annotations").glob("*.json"):
        content = read_json(file)
        with_joints = [one["id"] for one in content["categories"] if one.get("keypoints")]
        if not any(one["category_id"] in with_joints for one in content["annotations"]):
            return False
    return True


def use(dataset: PoseDataset, folder: Path, split: str) -> None:
    counts(dataset)
    all_tables(dataset)
    if dataset.trainable().sum() > 1:
        partition(dataset, {"train": 50, "val": 50}, by="person", seed=0)
        choose_people(dataset, 1, order="file", by="person", seed=0)
    out = folder.with_name(f"{folder.name}_{split}_frames")
    rng = np.random.default_rng(0)
    if len(dataset.people):
        write_frames(dataset, out, limit=1, rng=rng)
    else:
        with pytest.raises(InputError, match="nobody to draw"):
            write_frames(dataset, out, limit=1, rng=rng)


def read_by_the_engine(folder: Path, *, known: bool) -> None:
    """Training reads it, or says what it lacks; `known` is whether validate says so, too."""
    said = ""
    try:
        make_sets(DataConfig(path=str(folder), labels="all"))
    except InputError as error:
        said = str(error)
    assert known or not said or any(words in said for words in FEW), said


FEW = ("usable", "of tested people", "nobody", "labelled people")
"""What training says where the people of so small a set do not suffice."""


@pytest.mark.parametrize("first", [0, 1])
def test_ids_as_texts_are_no_files_that_are_numbered_from_0(tmp_path: Path, first: int) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    ids = [image["id"] for image in content["images"]]
    assert ids == sorted(ids)
    number = {one: at for at, one in enumerate(ids, start=1)}
    for image in content["images"]:
        image |= {"id": number[image["id"]], "file_name": f"{number[image['id']] - 1 + first}.jpg"}
    for person in content["annotations"]:
        person["image_id"] = number[person["image_id"]]
    texts = copy.deepcopy(content)
    for person in texts["annotations"]:
        person["image_id"] = str(person["image_id"])
    file = tmp_path / "a.json"
    file.write_text(json.dumps(texts))
    write_repaired(file, tmp_path / "out")
    assert read_json(tmp_path / "out" / "annotations" / "a.json") == content


def test_true_is_no_place_of_a_box_that_could_be_lost(tmp_path: Path) -> None:
    content = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    content["annotations"][0] |= {"image_id": None, "bbox": [True, 9, 25, 20]}
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    record = write_repaired(file, tmp_path / "out")
    assert record["labels"]["before"] == record["labels"]["after"]
    repaired = read_json(tmp_path / "out" / "annotations" / "a.json")
    (kept,) = [one for one in repaired["annotations"] if one["image_id"] is None]
    assert kept["original_bbox"] == [True, 9, 25, 20]
