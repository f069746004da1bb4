import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.images import whole_image
from wepdtof_pose.validation.validate import validate

FIRST = "images/scene_0002/scene_0002_000001.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_folder(), tmp_path / "a set ü"))


def test_images_are_read_only_on_request(folder: Path) -> None:
    (folder / FIRST).unlink()
    assert not validate(folder).counts
    report = validate(folder, images=True)
    assert report.counts == {"image-missing": 1}
    assert report.findings[0].where == "person_keypoints.json: images[0] (id 6)"


@pytest.mark.parametrize("end", [1, 2, 100, 5000])
def test_a_truncated_jpeg(folder: Path, end: int) -> None:
    content = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content[:-end])
    assert validate(folder, images=True).counts == {"image-truncated": 1}


@pytest.mark.parametrize("end", [1, 4, 12, 13, 500])
def test_a_truncated_png(end: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    content = cv2.imencode(".png", noise)[1].tobytes()
    assert whole_image(content)
    assert whole_image(content + b"junk after the end")
    assert not whole_image(content[:-end])


def test_a_preview_does_not_end_a_jpeg() -> None:
    preview = b"\xff\xd8..\xff\xda..\xff\xd9"
    assert not whole_image(b"\xff\xd8\xff\xe1" + preview + b"\xff\xda more")
    assert whole_image(b"\xff\xd8\xff\xe1" + preview + b"\xff\xda more\xff\xd9 padding")


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff\xda\xff\xd9"])
def test_what_is_no_image(folder: Path, content: bytes) -> None:
    (folder / FIRST).write_bytes(content)
    assert validate(folder, images=True).counts == {"image-unreadable": 1}


def test_sizes(folder: Path) -> None:
    image = np.zeros((320, 200, 3), dtype=np.uint8)
    (folder / FIRST).write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    report = validate(folder, images=True)
    assert report.counts == {"image-size": 1}
    assert "200 x 320 pixels, not 320 x 320" in report.findings[0].message


def test_the_same_content_twice_in_a_split(folder: Path) -> None:
    shutil.copy(folder / FIRST, folder / FIRST.replace("000001", "000002"))
    assert validate(folder, images=True).counts == {"image-repeated": 1}


def split(folder: Path, test_names: list[str]) -> None:
    """Two annotation files, the frames of one renamed."""
    file = folder / "annotations" / "person_keypoints.json"
    content = read_json(file)
    images = content["images"]
    train, test = images[:3], images[3:]
    for image, name in zip(test, test_names, strict=False):
        image["file_name"] = name
    for side, rows in (("train", train), ("test", test)):
        ids = {row["id"] for row in rows}
        people = [row for row in content["annotations"] if row["image_id"] in ids]
        part = {**content, "images": rows, "annotations": people}
        write_json(folder / "annotations" / f"person_keypoints_{side}.json", part)
    file.unlink()


def test_one_file_in_two_splits(folder: Path) -> None:
    split(folder, [FIRST.removeprefix("images/")])
    report = validate(folder)
    assert report.counts == {"file-name-leak": 1}
    assert "of person_keypoints_train.json" in report.findings[0].message


def test_copies_of_one_picture_in_two_splits(folder: Path) -> None:
    split(folder, ["hall_png.rf.0a.jpg", "x_png.rf.0b.jpg"])
    file = folder / "annotations" / "person_keypoints_train.json"
    content = read_json(file)
    for image, name in zip(content["images"], ("hall_png.rf.0c.jpg", "y.jpg"), strict=False):
        image["file_name"] = name
    write_json(file, content)
    report = validate(folder)
    assert report.counts == {"copy-leak": 1}
    assert "'hall_png.rf.0a.jpg' is 'hall_png.rf.0c.jpg' of" in report.findings[0].message


def test_one_content_in_two_splits(folder: Path) -> None:
    split(folder, ["copy.jpg"])
    shutil.copy(folder / FIRST, folder / "images" / "copy.jpg")
    assert not validate(folder).counts
    assert validate(folder, images=True).counts == {"image-leak": 1}
