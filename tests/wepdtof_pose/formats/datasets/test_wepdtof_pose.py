import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import wepdtof_pose
from wepdtof_pose.keypoints import get_keypoint_set

CHINESE = [
    *("右肩", "右肘", "右手腕", "左肩", "左肘", "左手腕"),
    *("右髋", "右膝", "右脚踝", "左髋", "左膝", "左脚踝", "头顶", "脖子"),
]
ENGLISH = [
    *("Right Shoulder", "r-elbow", "right_wrist", "left shoulder", "left_elbow", "l_wrist"),
    *("rhip", "rkne", "rank", "lhip", "lkne", "lank", "Top of Head", "neck"),
]


def release(dataset, folder: Path, *, names: list[str] | None = None, encoding="utf-8") -> Path:
    content = coco.to_dict(dataset)
    if names is not None:
        content["categories"] = [{"id": 1, "name": "人", "keypoints": names}]
    file = folder / "coco" / "annotations" / "person_keypoints_train2017.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    return folder


@pytest.mark.parametrize("names", [CHINESE, ENGLISH, None], ids=["Chinese", "English", "own"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_joint_names(
    make_dataset: Callable, tmp_path: Path, names: list[str] | None, encoding: str
) -> None:
    dataset = make_dataset()
    dataset.frames.loc[0, "file_name"] = "办公室_1.png"
    path = release(dataset, tmp_path, names=names, encoding=encoding)
    found = wepdtof_pose.read(path).datasets["train"]
    assert found.keypoint_set == get_keypoint_set("wepdtof-pose-14")
    np.testing.assert_array_equal(found.keypoints, dataset.keypoints)
    assert found.frames["file_name"][0] == "办公室_1.png"


def test_unknown_joint_names_are_listed(make_dataset: Callable, tmp_path: Path) -> None:
    path = release(make_dataset(), tmp_path, names=["尾巴", *CHINESE[1:-1], "wing"])
    with pytest.raises(InputError, match="unknown joint names: '尾巴', 'wing'"):
        wepdtof_pose.read(path)


def test_several_categories_of_joints(make_dataset: Callable, tmp_path: Path) -> None:
    path = release(make_dataset(), tmp_path, names=ENGLISH)
    file = path / "coco" / "annotations" / "person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    content["categories"].append({**content["categories"][0], "id": 2, "keypoints": ["paw"]})
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="several categories have keypoints"):
        wepdtof_pose.read(path)


def test_without_joint_names_the_joints_are_those_of_the_release(
    make_dataset: Callable, tmp_path: Path
) -> None:
    path = release(make_dataset(), tmp_path, names=[])
    assert wepdtof_pose.read(path).datasets["train"].keypoint_set.name == "wepdtof-pose-14"


def test_the_reader_does_not_need_ids_that_are_positions(
    make_dataset: Callable, tmp_path: Path
) -> None:
    found = wepdtof_pose.read(release(make_dataset(), tmp_path)).datasets["train"]
    assert found.frames["id"].tolist() == [5, 15, 25]
    assert found.frame_rows.tolist() == [0, 0, 1, 2, 2, 2]


def test_the_writer_honours_what_the_released_code_needs(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", a_train=make_dataset(), a_val=make_dataset([1]))
    convert(source, tmp_path / "out", source_format="coco", target_format="wepdtof_pose")
    for split, frames in (("train2017", 3), ("val2017", 1)):
        file = tmp_path / "out" / "coco" / "annotations" / f"person_keypoints_{split}.json"
        content = json.loads(file.read_text())
        assert [image["id"] for image in content["images"]] == list(range(frames))
        assert {a["category_id"] for a in content["annotations"]} == {1}
        assert [c["id"] for c in content["categories"]] == [1]
        assert {v for a in content["annotations"] for v in a["keypoints"][2::3]} == {0, 1}
        assert all(a["area"] > 0 for a in content["annotations"])
        for image in content["images"]:
            assert (tmp_path / "out" / "coco" / "images" / split / image["file_name"]).is_file()


def test_other_joints_are_refused(make_dataset: Callable) -> None:
    with pytest.raises(InputError, match="add --keypoints wepdtof-pose-14"):
        wepdtof_pose.write({"all": make_dataset(keypoint_set="lsp-14")})


def test_gbk_file_names_on_disk_come_out_as_utf8(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset([1]))
    images = source / "images"
    try:
        (images / "5.png").rename(images / os.fsdecode("会议室.png".encode("gbk")))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 names only")
    file = source / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text().replace("5.png", "会议室.png"))
    convert(source, tmp_path / "out", source_format="wepdtof_pose", target_format="coco")
    assert (tmp_path / "out" / "images" / "会议室.png").is_file()


@pytest.mark.parametrize("given", [False, True], ids=["found", "--images"])
def test_gbk_file_names_in_the_folders_of_the_release(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, given: bool
) -> None:
    dataset = make_dataset([1])
    write_folder(tmp_path / "made", a=dataset)
    dataset.frames["file_name"] = ["会议室.png"]
    source = release(dataset, tmp_path / "in")
    folder = tmp_path / ("elsewhere" if given else "in/coco/images") / "train2017"
    folder.mkdir(parents=True)
    try:
        (tmp_path / "made" / "images" / "5.png").rename(
            folder / os.fsdecode("会议室.png".encode("gbk"))
        )
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 names only")
    images = folder.parent if given else None
    convert(source, tmp_path / "out", source_format="wepdtof_pose", images=images)
    assert (tmp_path / "out" / "images" / "train" / "会议室.png").is_file()
