"""No reader opens what lies outside of the data set: by name, by link, or what is no file."""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.conversion.registry import READERS
from wepdtof_pose.errors import InputError

JOINTS = [[10, 20]] * 16
BOX = [50, 40, 20, 30, -30]


def jpeg(path: Path, orientation: int | None = None) -> Path:
    """A JPEG of 120 x 90, with an EXIF orientation where one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1].tobytes()
    if orientation is not None:
        entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation, 0, 0, 0])
        tiff = b"II*\x00\x08\x00\x00\x00\x01\x00" + entry + bytes(4)
        exif = b"Exif\x00\x00" + tiff
        content = (
            content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
        )
    path.write_bytes(content)
    return path


def annotations(form: str, folder: Path, stem: str) -> Path:
    """Annotations of one image `stem`.jpg below images/; return what the reader takes."""
    content: Any
    name = f"{stem}.jpg"
    if form == "ai_challenger":
        person = {"human1": [1, 2, 30, 40]}
        joints = {"human1": [1, 2, 1] * 14}
        content = [{"image_id": stem, "human_annotations": person, "keypoint_annotations": joints}]
    elif form == "mpii":
        crop = {"center": [50.0, 40.0], "scale": 0.3}
        content = [{"image": name, "joints": JOINTS, "joints_vis": [1] * 16, **crop}]
    elif form == "wepdtof":
        content = [{"img_name": stem, "bboxes": [BOX], "id": [1]}]
    elif form == "rapid":
        content = [{"image_id": stem, "bbox": BOX, "score": 0.5}]
    else:
        text = f'<image id="0" name="{name}" width="9" height="9"><box label="person" xtl="1"'
        text += ' ytl="1" xbr="2" ybr="2"/></image>'
        (folder / "a.xml").write_text(
            "<annotations><meta><labels><label><name>nose</name><type>points</type>"
            f"<parent>p</parent></label></labels></meta>{text}</annotations>"
        )
        return folder / "a.xml"
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


FORMS = ["ai_challenger", "mpii", "wepdtof", "rapid", "cvat"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["../../out", "..\\..\\out", "/tmp/out", "C:/out"])
def test_names_that_lead_out(tmp_path: Path, form: str, name: str) -> None:
    jpeg(tmp_path / "out.jpg")
    (tmp_path / "set" / "images").mkdir(parents=True)
    path = annotations(form, tmp_path / "set", name)
    with pytest.raises(InputError, match="leads out of the image folder"):
        READERS[form](path, None, None)


@pytest.mark.parametrize("form", FORMS)
def test_links_that_lead_out(tmp_path: Path, form: str) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "a.jpg").symlink_to(jpeg(tmp_path / "out.jpg"))
    path = annotations(form, tmp_path / "set", "a")
    with pytest.raises(InputError, match=r"a\.jpg: is a link out of the data set"):
        convert(path, tmp_path / "made", source_format=form)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.jpg", "set"]


def yolo(folder: Path) -> Path:
    (folder / "labels").mkdir(parents=True)
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.25 0.5 0.25 0.5 2\n")
    text = "train: images\nval: images\nkpt_shape: [1, 3]\nkpt_names: [nose]\n"
    (folder / "data.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_among_the_images_of_yolo(tmp_path: Path, kind: str) -> None:
    path = yolo(tmp_path / "set")
    (path / "images").mkdir()
    if kind == "link":
        (path / "images" / "a.jpg").symlink_to(jpeg(tmp_path / "out.jpg"))
    else:
        os.mkfifo(path / "images" / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: is a (link out of the data set|pipe)"):
        READERS["yolo"](path, None, None)


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize(
    ("form", "name"), [("yolo", "labels/a.txt"), ("habbof", "a.txt"), ("voc", "a.xml")]
)
def test_links_and_pipes_among_the_labels(tmp_path: Path, form: str, name: str, kind: str) -> None:
    path = tmp_path / "set"
    path.mkdir()
    if form == "yolo":
        jpeg(yolo(path) / "images" / "a.jpg")
        jpeg(path / "images" / "b.jpg")
        (path / "labels" / "b.txt").write_text("")
    else:
        jpeg(path / "a.jpg")
    (path / name).unlink(missing_ok=True)
    if kind == "link":
        (tmp_path / "private").write_text("of somebody else")
        (path / name).symlink_to(tmp_path / "private")
    else:
        os.mkfifo(path / name)
    with pytest.raises(InputError, match=rf"{name}: is a (link out of the data set|pipe, not a)"):
        READERS[form](path, None, None)


def test_labels_may_be_links_within_the_data_set(tmp_path: Path) -> None:
    path = yolo(tmp_path / "set")
    jpeg(path / "images" / "a.jpg")
    (path / "labels" / "a.txt").rename(path / "first.txt")
    (path / "labels" / "a.txt").symlink_to(path / "first.txt")
    assert len(READERS["yolo"](path, None, None).datasets["all"]) == 1


def test_labels_of_a_turned_photograph_are_of_the_upright_view(tmp_path: Path) -> None:
    path = yolo(tmp_path / "set")
    jpeg(path / "images" / "a.jpg", orientation=6)
    dataset = READERS["yolo"](path, None, None).datasets["all"]
    assert dataset.frames[["width", "height"]].values.tolist() == [[90, 120]]
    assert dataset.boxes.tolist() == [[33.75, 30, 22.5, 60]]
    assert dataset.keypoints[0, 0].tolist() == [22.5, 60, 2]
