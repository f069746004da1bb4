import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import write_image
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.pictures.people import frame_picture
from wepdtof_pose.validation.repaired_copy import write_repaired
from wepdtof_pose.validation.validate import validate

CHANGED = {
    "annotations": "annotations/person_keypoints.json",
    "new image": "images/new.png",
    "other image": "images/5.png",
    "extra": "notes.txt",
    "manifest": "manifest.json",
}


@pytest.fixture
def source(make_dataset: Callable, write_folder: Callable, tmp_path: Path) -> Path:
    return write_folder(tmp_path / "Quelle ä", person_keypoints=make_dataset())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_one_file_for_several_images_is_said(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    """Exports of several videos name frame 66 of each alike, and hold the picture of one."""
    dataset = make_dataset([1, 1, 1])
    dataset.frames["file_name"] = ["66.png", "66.png", "67.png"]
    manifest = convert(
        write_folder(tmp_path / "in", person_keypoints=dataset),
        tmp_path / "out",
        source_format="coco",
    )
    (doubt,) = manifest["doubts"]["all"]
    assert doubt == "1 image has the file of another one, '66.png' first: are all people its?"


def test_shares_of_the_image_are_refused_in_every_format(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a.png", np.zeros((90, 120, 3), dtype=np.uint8))
    boxes = [[0.25, 0.4, 0.1, 0.3, 20], [0.75, 0.4, 0.1, 0.3, -20]]
    (tmp_path / "in" / "a.json").write_text(json.dumps([{"img_name": "a", "bboxes": boxes}]))
    with pytest.raises(InputError, match="all boxes lie between 0 and 1: they are shares"):
        convert(tmp_path / "in", tmp_path / "out", source_format="wepdtof")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("target", "box", "crowd", "message"),
    [
        ("mpii", None, 0, "1 image without people"),
        ("mpii", [10, 10, 30, 30], 1, "1 crowd region"),
        ("yolo", [10, 10, 30, 30], 1, "1 crowd region"),
        ("yolo", [-90, 10, 30, 30], 0, "1 person whose box is empty"),
        ("ai_challenger", [10, 10, 30, 30], 1, "1 crowd region"),
    ],
)
def test_nobody_left_is_no_success(
    tmp_path: Path, target: str, box: list[int] | None, crowd: int, message: str
) -> None:
    joints = {"mpii": "mpii-16", "ai_challenger": "aic-14"}.get(target, "mpii-16")
    image = {"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": crowd, "area": 9}
    names = list(get_keypoint_set(joints).joints)
    content = {
        "images": [image],
        "annotations": [person | {"keypoints": [20, 20, 2] * len(names)}] if box else [],
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }
    (tmp_path / "in" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in" / "images" / "a.jpg"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"nobody is left that {target} can hold: {message}"):
        convert(tmp_path / "in", tmp_path / "out", source_format="coco", target_format=target)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    manifest = convert(tmp_path / "in", tmp_path / "out", source_format="coco")
    assert manifest["splits"]["all"]["people"] == bool(box)


def test_same_joints_same_data(source: Path, tmp_path: Path) -> None:
    before = contents(source)
    out = tmp_path / "neu" / "out"
    manifest = convert(source, out, source_format="coco")
    assert contents(source) == before
    original, converted = load_dataset(source)["all"], load_dataset(out)["all"]
    assert converted.content_hash() == original.content_hash()
    assert converted.root == out / "images"
    assert sorted(p.name for p in out.iterdir()) == ["annotations", "images", "manifest.json"]
    assert json.loads((out / "manifest.json").read_text()) == manifest
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    assert (out / "images" / "5.png").read_bytes() == before["images/5.png"]


def test_other_joints_say_what_is_lost(source: Path, tmp_path: Path) -> None:
    manifest = convert(source, tmp_path / "out", source_format="coco", keypoints="coco-17")
    split = manifest["splits"]["all"]
    assert split["labels_of_joints_dropped"] == {"head_top": 6, "neck": 6}
    assert split["joints_never_labelled"][0] == "nose"
    assert split["people"] == 6
    assert load_dataset(tmp_path / "out")["all"].keypoint_set.name == "coco-17"


def test_again_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert(source, out, source_format="coco")
    first = contents(out)
    convert(source, out, source_format="coco")
    assert contents(out) == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Quelle ä", "out"]


def test_images_are_copied_where_links_are_not_possible(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    convert(source, tmp_path / "out", source_format="coco")
    copy = tmp_path / "out" / "images" / "5.png"
    assert copy.read_bytes() == (source / "images" / "5.png").read_bytes()
    assert not copy.samefile(source / "images" / "5.png")


def test_splits_keep_their_names(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", a_train=make_dataset(), a_val=make_dataset([1]))
    convert(source, tmp_path / "out", source_format="coco", keypoints="lsp-14")
    datasets = load_dataset(tmp_path / "out")
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 6, "val": 1}
    assert datasets["val"].root == tmp_path / "out" / "images" / "val"


def test_lspet_folder(tmp_path: Path) -> None:
    joints = np.ones((14, 3, 2))
    joints[:, :2] = np.random.default_rng(0).uniform(5, 40, (14, 2, 2))
    savemat(tmp_path / "joints.mat", {"joints": joints})
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "im00002.jpg"), np.zeros((50, 60, 3), dtype=np.uint8))
    manifest = convert(
        tmp_path, tmp_path / "out", source_format="lspet", keypoints="wepdtof-pose-14"
    )
    assert manifest["left_out"]["people without an image"] == 1
    dataset = load_dataset(tmp_path / "out")["all"]
    # right_shoulder is joint 0 of WEPDTOF-Pose and joint 8 of LSP.
    np.testing.assert_allclose(dataset.keypoints[0, 0, :2], joints[8, :2, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            {"source_format": "tfrecord"},
            "cannot read format 'tfrecord': one of coco, wepdtof_pose, ",
        ),
        ({"source_format": "coco", "target_format": "lsp"}, "cannot write format 'lsp'"),
        ({"source_format": "coco", "keypoints": "x"}, "unknown keypoint set 'x'"),
    ],
)
def test_unknown_names(source: Path, tmp_path: Path, arguments: dict, error: str) -> None:
    with pytest.raises(InputError, match=error):
        convert(source, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_missing_images_are_counted_and_leave_nothing(source: Path, tmp_path: Path) -> None:
    (source / "images" / "15.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images are missing, the first is 15\.png"):
        convert(source, tmp_path / "out", source_format="coco")
    assert [p.name for p in tmp_path.iterdir()] == ["Quelle ä"]


def test_the_folder_of_a_split_is_found_where_its_first_image_is_missing(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints_val2017=make_dataset())
    (source / "images").rename(tmp_path / "val2017")
    (source / "images").mkdir()
    (tmp_path / "val2017").rename(source / "images" / "val2017")
    (source / "images" / "val2017" / "5.png").unlink()
    assert validate(source, images=True).counts["image-missing"] == 1
    assert load_dataset(source)["all"].root == (source / "images" / "val2017").resolve()
    with pytest.raises(InputError, match=r"1 of 3 images are missing, the first is 5\.png"):
        convert(source, tmp_path / "out", source_format="coco")


def test_backslashes_of_windows_in_file_names(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    dataset = make_dataset([1])
    source = write_folder(tmp_path / "in", person_keypoints=dataset)
    dataset.frames["file_name"] = ["cam1\\5.png"]
    coco.write(dataset, source / "annotations" / "person_keypoints.json")
    (source / "images" / "cam1").mkdir()
    (source / "images" / "5.png").rename(source / "images" / "cam1" / "5.png")
    (finding,) = validate(source, images=True).findings
    assert finding.message.endswith("cam1/5.png is there: write / in 'file_name', or convert")
    with pytest.raises(InputError, match=r"cam1/5\.png is there: write /"):
        frame_picture(load_dataset(source)["all"], 0)
    for copy in ("converted", "repaired"):
        if copy == "converted":
            convert(source, tmp_path / copy, source_format="coco")
        else:
            write_repaired(source, tmp_path / copy)
        assert not validate(tmp_path / copy, images=True).counts
        assert len(frame_picture(load_dataset(tmp_path / copy)["all"], 0))


@pytest.mark.parametrize("name", ["../5.png", "/5.png"])
def test_image_names_that_lead_out(source: Path, tmp_path: Path, name: str) -> None:
    file = source / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text().replace('"5.png"', json.dumps(name)))
    with pytest.raises(InputError, match="leads out of the image folder"):
        convert(source, tmp_path / "out", source_format="coco")


@pytest.mark.parametrize("change", [*CHANGED, "foreign"])
def test_what_it_did_not_write_is_not_replaced(source: Path, tmp_path: Path, change: str) -> None:
    out = tmp_path / "out"
    if change == "foreign":
        out.mkdir()
        (out / "diary.txt").write_text("")
    else:
        convert(source, out, source_format="coco")
        (out / CHANGED[change]).unlink(missing_ok=True)
        (out / CHANGED[change]).write_text("{}")
    before = contents(out)
    with pytest.raises(InputError, match="is not empty and is not an unchanged result"):
        convert(source, out, source_format="coco")
    assert contents(out) == before


def test_an_empty_folder_may_be_filled(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert convert(source, tmp_path / "out", source_format="coco")["images"] == 3


@pytest.mark.parametrize("place", ["", ".."])
def test_the_source_is_never_replaced(source: Path, place: str) -> None:
    with pytest.raises(InputError, match="the source lies in it"):
        convert(source, source / place, source_format="coco")


BOX = {"id": 1, "image_id": 1, "category_id": 1}
FOREIGN: dict[str, Any] = {
    "crowdpose": lambda name: {
        "images": [{"id": 1, "file_name": name, "width": 120, "height": 90}],
        "annotations": [{**BOX, "bbox": [1, 2, 30, 40], "keypoints": [5, 6, 2] * 14}],
        "categories": [{"id": 1, "name": "person"}],
    },
    "mpii": lambda name: [
        {
            "image": name,
            "joints": [[20, 30]] * 16,
            "joints_vis": [1] * 16,
            "center": [20, 30],
            "scale": 0.2,
        }
    ],
    "wepdtof": lambda name: {
        "images": [{"id": 1, "file_name": name, "width": 120, "height": 90}],
        "annotations": [{**BOX, "bbox": [40, 50, 20, 60, 10]}],
    },
    "loaf": lambda name: {
        "images": [{"id": 1, "file_name": name, "width": 120, "height": 90}],
        "annotations": [{**BOX, "bbox": [1, 2, 3, 4], "rotated_box": [40, 50, 20, 60, 10]}],
    },
    "rapid": lambda name: [{"image_id": name, "bbox": [40, 50, 20, 60, 10], "score": 1}],
    "ai_challenger": lambda name: [
        {
            "image_id": name.removesuffix(".jpg"),
            "human_annotations": {"human1": [1, 2, 30, 40]},
            "keypoint_annotations": {"human1": [5, 6, 1] * 14},
        }
    ],
}


@pytest.mark.parametrize("source_format", FOREIGN)
@pytest.mark.parametrize("folder", ["C:\\data\\", "/home/ann/pictures/", "../"])
def test_every_format_finds_given_images_by_the_end_of_their_names(
    tmp_path: Path, source_format: str, folder: str
) -> None:
    """Names with the folders of another machine lead nowhere, or out of the data set."""
    (tmp_path / "there").mkdir()
    write_image(tmp_path / "there" / "a.jpg", np.zeros((90, 120, 3), dtype=np.uint8))
    file = tmp_path / "a.json"
    file.write_text(json.dumps(FOREIGN[source_format](f"{folder}a.jpg")))
    manifest = convert(
        file, tmp_path / "out", source_format=source_format, images=tmp_path / "there"
    )
    assert manifest["splits"]["all"]["people"] == 1
    assert [path.name for path in (tmp_path / "out" / "images").rglob("*.jpg")] == ["a.jpg"]
    assert len(load_dataset(tmp_path / "out")["all"]) == 1


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("caf\u00e9.jpg", "cafe\u0301.jpg"),
        ("my%20photo.jpg", "my photo.jpg"),
        ("A.JPG", "a.jpg"),
        ("a.png", "a.jpg"),
        ("a", "a.jpg"),
        ("D:a.jpg", "a.jpg"),
    ],
)
def test_given_images_whose_names_are_spelled_in_another_way(
    tmp_path: Path, name: str, there: str
) -> None:
    (tmp_path / "there").mkdir()
    write_image(tmp_path / "there" / there, np.zeros((90, 120, 3), dtype=np.uint8))
    (tmp_path / "a.json").write_text(json.dumps(FOREIGN["crowdpose"](name)))
    manifest = convert(
        tmp_path / "a.json",
        tmp_path / "out",
        source_format="coco",
        images=tmp_path / "there",
        source_keypoints="crowdpose-14",
    )
    assert manifest["file_names"] == {there: name}
    assert sum(manifest["left_out"].values()) == 1


def test_missing_frames_of_a_film_can_be_made(tmp_path: Path) -> None:
    box = '<box frame="0" xtl="1" ytl="2" xbr="9" ybr="9" outside="0"/>'
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><track id="0" label="person">{box}</track></annotations>'
    )
    with pytest.raises(InputError, match=r"1 of 1 images are missing.*ffmpeg -i FILM .*a film"):
        convert(
            tmp_path / "annotations.xml",
            tmp_path / "out",
            source_format="cvat",
            source_keypoints="coco-17",
        )


@pytest.mark.parametrize(
    ("form", "content"),
    [("rapid", []), ("label_studio", []), ("coco", {"images": [], "annotations": []})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_nothing_is_no_data_set(tmp_path: Path, form: str, content: Any) -> None:
    if form == "coco":
        content["categories"] = [{"id": 1, "name": "person", "keypoints": ["nose"]}]
    (tmp_path / "in.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"in\.json: .*(nothing to convert|names no joints|is left)"
    ):
        convert(tmp_path / "in.json", tmp_path / "out", source_format=form, target_format="coco")
    assert not (tmp_path / "out").exists()
