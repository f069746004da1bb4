"""Every folder of real annotations is read, converted to WEPDTOF-Pose's joints and back."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import wepdtof, wepdtof_pose
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import convert_keypoints, get_keypoint_set

SAMPLES = "mmpose_samples"
SETS = {
    "ai_challenger": (f"{SAMPLES}/aic/test_aic.json", "aic-14", 9),
    "mpii": (f"{SAMPLES}/mpii/test_mpii.json", "mpii-16", 5),
    "crowdpose": (f"{SAMPLES}/crowdpose/test_crowdpose.json", "crowdpose-14", 5),
    "coco": (f"{SAMPLES}/coco/test_coco.json", "coco-17", 14),
}


@pytest.mark.parametrize("name", SETS)
def test_to_our_joints_and_back(realdata_dir: Path, tmp_path: Path, name: str) -> None:
    path, joints, people = SETS[name]
    ours = get_keypoint_set("wepdtof-pose-14")
    original = READERS[name](realdata_dir / path, None, None).datasets["all"]
    assert (original.keypoint_set.name, len(original)) == (joints, people)
    convert(
        realdata_dir / path,
        tmp_path / "there",
        source_format=name,
        keypoints="wepdtof-pose-14",
    )
    convert(tmp_path / "there", tmp_path / "back", source_format="coco", keypoints=joints)
    back = next(iter(load_dataset(tmp_path / "back").values()))
    expected = convert_keypoints(original.keypoints, original.keypoint_set, ours)
    expected = convert_keypoints(expected, ours, original.keypoint_set)
    np.testing.assert_array_equal(back.keypoints, expected)
    shared = [joint in ours.joints for joint in original.keypoint_set.joints]
    assert sum(shared) == {"mpii": 13, "coco": 12}.get(name, 14)
    np.testing.assert_array_equal(
        back.keypoints[:, shared][..., :2], original.keypoints[:, shared][..., :2]
    )
    np.testing.assert_array_equal(back.boxes, original.boxes)
    assert back.frames["file_name"].tolist() == original.frames["file_name"].tolist()


def test_lspet_to_our_joints_and_back(realdata_dir: Path) -> None:
    original = READERS["lspet"](realdata_dir / "lspet", None, None).datasets["all"]
    ours = original.with_keypoint_set(get_keypoint_set("wepdtof-pose-14"))
    (content,) = WRITERS["wepdtof_pose"]({"all": ours}).files.values()
    again = wepdtof_pose.from_dict(content, source="", root=Path())
    back = again.with_keypoint_set(original.keypoint_set)
    assert len(back) == 3000
    np.testing.assert_array_equal(back.keypoints[..., :2], original.keypoints[..., :2])
    # The format writes 1 for hidden and for visible.
    np.testing.assert_array_equal(back.keypoints[..., 2], original.keypoints[..., 2] > 0)
    np.testing.assert_array_equal(back.boxes, original.boxes)


@pytest.mark.parametrize("target", ["yolo", "cvat", "label_studio"])
@pytest.mark.parametrize("name", ["ai_challenger", "crowdpose", "coco"])
def test_through_the_tools(realdata_dir: Path, tmp_path: Path, name: str, target: str) -> None:
    path, joints, _ = SETS[name]
    original = READERS[name](realdata_dir / path, None, None).datasets["all"]
    convert(realdata_dir / path, tmp_path / "there", source_format=name, target_format=target)
    again = READERS[target](tmp_path / "there", None, None).datasets["all"]
    assert again.keypoint_set.joints == get_keypoint_set(joints).joints
    names = again.frames["file_name"].tolist()
    rows = [names.index(file_name) for file_name in original.frames["file_name"]]
    people = np.concatenate([np.flatnonzero(again.frame_rows == row) for row in rows])
    order = np.argsort(original.frame_rows, kind="stable")
    seen = original.keypoints[order][..., 2]
    np.testing.assert_array_equal(again.keypoints[people][..., 2], seen)
    np.testing.assert_array_equal(
        again.keypoints[people][seen > 0], original.keypoints[order][seen > 0]
    )
    np.testing.assert_allclose(again.boxes[people], original.boxes[order], rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "form", "joints", "people"),
    [
        ("exlpose/test_exlpose.json", "crowdpose", "crowdpose-14", 6),
        ("mhp/test_mhp.json", "coco", "mpii-16", 4),
        ("ochuman/test_ochuman.json", "coco", "coco-17", 5),
        ("jhmdb/test_jhmdb_sub1.json", "coco", "custom", 3),
        ("posetrack18/annotations/val/003418_mpii_test.json", "coco", "custom", 1),
        ("coco/test_coco_wholebody.json", "coco", "coco-17", 14),
    ],
)
def test_relatives(realdata_dir: Path, name: str, form: str, joints: str, people: int) -> None:
    dataset = READERS[form](realdata_dir / SAMPLES / name, None, None).datasets["all"]
    assert (dataset.keypoint_set.name, len(dataset)) == (joints, people)
    assert dataset.with_keypoint_set(get_keypoint_set("wepdtof-pose-14")).keypoints.any()


def test_human_art_needs_its_joints_said(realdata_dir: Path) -> None:
    file = realdata_dir / SAMPLES / "humanart" / "test_humanart.json"
    with pytest.raises(InputError, match="51 numbers instead of 63"):
        coco.read(file)
    dataset = coco.read(file, keypoint_set=get_keypoint_set("coco-17"))
    assert len(dataset) == len(read_json(file)["annotations"])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("coco/test_keypoint_partition_metric.json", "399 numbers instead of 51"),
        ("coco/test_coco_det_AP_H_56.json", "has detections, not annotations"),
    ],
)
def test_what_is_no_keypoint_file_is_refused(realdata_dir: Path, name: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        coco.read(realdata_dir / SAMPLES / name)


def test_cepdof_sample(realdata_dir: Path, tmp_path: Path) -> None:
    manifest = convert(realdata_dir / "cepdof_sample", tmp_path / "out", source_format="wepdtof")
    dataset = load_dataset(tmp_path / "out")["all"]
    assert (len(dataset), len(dataset.frames), manifest["images"]) == (70, 10, 10)
    content = read_json(realdata_dir / "cepdof_sample" / "annotations" / "video_0.json")
    rotated = dataset.people[list(ROTATED_BOX_COLUMNS)].to_numpy()
    np.testing.assert_array_equal(rotated, [a["bbox"] for a in content["annotations"]])
    assert dataset.people["track_id"].tolist() == [a["person_id"] for a in content["annotations"]]
    assert not dataset.keypoints.any()


def test_the_two_forms_of_the_rapid_sample_agree(realdata_dir: Path) -> None:
    folder = realdata_dir / "rapid_sample" / "tiny_val"
    listed = wepdtof.read(folder / "one.json").datasets["all"]
    tagged = wepdtof.read(folder / "one" / "ytb_000001.xml").datasets["all"]
    assert (tagged.root / tagged.frames["file_name"][0]).is_file()
    columns = list(ROTATED_BOX_COLUMNS)
    first, second = (d.people[columns].to_numpy() for d in (listed, tagged))
    np.testing.assert_allclose(first[:, :2], second[:, :2])
    corners = [np.sort(rotated_box_corners(boxes), axis=1) for boxes in (first, second)]
    np.testing.assert_allclose(*corners, atol=0.01)


def test_wepdtof_boxes(realdata_dir: Path) -> None:
    folder = realdata_dir / "wepdtof_boxes" / "ground_truth" / "WEPDTOF"
    dataset = wepdtof.read(folder).datasets["all"]
    assert (len(dataset), len(dataset.frames)) == (38694, 3577)
    people = dataset.people.merge(dataset.frames, left_on="frame_id", right_on="id")
    repeated = people[people.duplicated(["frame_id", "track_id"], keep=False)]
    pairs = repeated.drop_duplicates(["frame_id", "track_id"])
    assert Counter(zip(pairs["scene"], pairs["track_id"], strict=True)) == {
        ("call_center", 33): 557,
        ("printing_store", 7): 1,
    }
    printing = pairs[pairs["scene"] == "printing_store"]
    assert printing["frame_id"].tolist() == ["printing_store_001009"]
    first = dataset.frames[dataset.frames["scene"] == "tech_store"]["id"].iloc[0]
    assert first == "tech_store_000040"
