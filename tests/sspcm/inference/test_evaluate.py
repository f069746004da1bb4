"""Poses that are known, scored: other joints, detected boxes, people of a file."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sspcm.inference.evaluate import (
    TestPeople,
    evaluate_networks,
    joints_in_common,
    load_test_people,
    own_test_people,
    table_lines,
)
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.open import open_networks
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import KeypointSet, convert_keypoints, get_keypoint_set

pytestmark = pytest.mark.usefixtures("own_cache")


@dataclass(frozen=True)
class Oracle(TrainedNetworks):
    """Predicts given poses, whatever the crops show."""

    poses: Any = None

    def predict(self, crops: Any) -> dict[str, np.ndarray]:
        (crops,) = crops
        assert len(crops) == len(self.poses)
        return {"A": self.poses}


def oracle(run_folder: Path, poses: np.ndarray) -> Oracle:
    networks = open_networks(run_folder)
    fields = {f.name: getattr(networks, f.name) for f in dataclasses.fields(networks)}
    return Oracle(**fields, poses=poses)


def sure(keypoints: np.ndarray) -> np.ndarray:
    """Annotated keypoints as predictions with joint scores of 1."""
    return np.concatenate([keypoints[..., :2], np.ones_like(keypoints[..., :1])], axis=-1)


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("wepdtof-pose-14", []),
        ("lsp-14", []),
        ("coco-17", ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]),
    ],
)
def test_joints_are_converted_by_name(
    single_run: Path, test_people: PoseDataset, name: str, lacking: list[str]
) -> None:
    keypoints = test_people.keypoints.copy()
    other = test_people.with_keypoint_set(get_keypoint_set(name))
    # A label that no network here can predict must not count against it.
    for joint in lacking:
        other.keypoints[:, other.keypoint_set.joints.index(joint)] = (5, 5, 2)
    networks = oracle(single_run, sure(keypoints))
    result = evaluate_networks(networks, TestPeople(other, "somewhere", "test"))
    scores = result["networks"]["A"]
    assert result["joints_not_scored"] == lacking
    assert (scores["AP"], scores["AR"], scores["PCK@0.2"]) == (1, 1, 1)
    assert scores["data_hash"] == result["data_hash"] == other.content_hash()
    assert result["sigma_set"].startswith(name)
    wrong = oracle(single_run, sure(keypoints)[:, ::-1])
    assert evaluate_networks(wrong, TestPeople(other, "", ""))["networks"]["A"]["AP"] < 0.5


def test_a_keypoint_set_cut_down() -> None:
    cut = joints_in_common(get_keypoint_set("wepdtof-pose-14"), get_keypoint_set("coco-17"))
    whole = get_keypoint_set("coco-17")
    assert len(cut) == 12
    assert cut.sigmas == tuple(
        s for s, j in zip(whole.require_sigmas(), whole.joints, strict=True) if j in cut.joints
    )
    assert [{cut.joints[a], cut.joints[b]} for a, b in cut.skeleton] == [
        {whole.joints[a], whole.joints[b]}
        for a, b in whole.skeleton
        if {whole.joints[a], whole.joints[b]} <= set(cut.joints)
    ]
    assert all(cut.joints[a][4:].endswith(cut.joints[b][-4:]) for a, b in cut.flip_pairs)
    identity = np.arange(12)[None, :, None].astype(float)
    assert (convert_keypoints(identity, cut, cut) == identity).all()


def test_stated_mirror_pairs_outlive_the_cut() -> None:
    data = KeypointSet(name="bird", joints=("beak", "wing 1", "wing 2"), flip_pairs=((1, 2),))
    networks = KeypointSet(name="wings", joints=("wing 2", "wing 1"), flip_pairs=((0, 1),))
    cut = joints_in_common(networks, data)
    assert (cut.joints, cut.flip_pairs) == (("wing 1", "wing 2"), ((0, 1),))


def detections_of(people: PoseDataset, score: float = 0.9) -> list[dict[str, Any]]:
    return [
        {"image_id": int(frame), "category_id": 1, "bbox": box.tolist(), "score": score}
        for frame, box in zip(people.people["frame_id"], people.boxes, strict=True)
    ]


def test_detected_boxes(single_run: Path, test_people: PoseDataset, tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    test = TestPeople(test_people, "somewhere", "test")
    poses = sure(test_people.keypoints)
    rows = detections_of(test_people)
    # Detections of other things and on other images are nobody's business here.
    chair = {**rows[0], "category_id": 62}
    elsewhere = {**rows[0], "image_id": 10**6}
    write_json(file, [chair, *rows, elsewhere])
    result = evaluate_networks(oracle(single_run, poses), test, detections=file)
    assert result["networks"]["A"]["AP"] == 1
    assert result["boxes"] == str(file)

    # A pose far from everyone, more certain than the rest, costs precision but no recall.
    ghost = {**rows[0], "score": 1.0}
    write_json(file, [*rows, ghost])
    with_ghost = oracle(single_run, np.concatenate([poses, poses[:1] + np.array([5000, 5000, 0])]))
    scores = evaluate_networks(with_ghost, test, detections=file)["networks"]["A"]
    assert scores["AR"] == 1
    assert 0.4 < scores["AP"] < 1

    # Half of the people not detected: at most half recalled, and PCK counts them as missed.
    half = len(rows) // 2
    write_json(file, rows[:half])
    scores = evaluate_networks(oracle(single_run, poses[:half]), test, detections=file)
    assert scores["networks"]["A"]["AR"] == pytest.approx(half / len(rows))
    assert scores["networks"]["A"]["PCK@0.2"] < 0.7


def test_a_file_name_goes_before_a_guessed_id(
    single_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    """The id that `sspcm predict` reads out of a name may be that of another frame."""
    file = tmp_path / "boxes.json"
    name_of = dict(test_people.frames[["id", "file_name"]].to_numpy().tolist())
    shifted = dict(zip(name_of, [*list(name_of)[1:], next(iter(name_of))], strict=True))
    rows = [
        {**row, "image_id": shifted[row["image_id"]], "file_name": name_of[row["image_id"]]}
        for row in detections_of(test_people)
    ]
    write_json(file, rows)
    networks = oracle(single_run, sure(test_people.keypoints))
    test = TestPeople(test_people, "somewhere", "test")
    assert evaluate_networks(networks, test, detections=file)["networks"]["A"]["AP"] == 1


def test_duplicate_detections_are_suppressed(
    single_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    file = tmp_path / "boxes.json"
    write_json(file, detections_of(test_people, 0.9) + detections_of(test_people, 0.8))
    twice = np.concatenate([sure(test_people.keypoints)] * 2)
    test = TestPeople(test_people, "somewhere", "test")
    scores = evaluate_networks(oracle(single_run, twice), test, detections=file)["networks"]["A"]
    assert (scores["AP"], scores["predictions"]) == (1, len(test_people))


def test_own_people_are_those_of_the_file_crowds_and_empty_frames_included(
    single_run: Path, tiny_fisheye: Path, tmp_path: Path
) -> None:
    people = load_dataset(tiny_fisheye)["all"]
    crowd = dataclasses.replace(
        people, people=people.people.assign(iscrowd=(np.arange(len(people)) == 3).astype(int))
    )
    crowd.keypoints[5] = 0
    coco.write(people, tmp_path / "data" / "annotations" / "train.json")
    file = tmp_path / "data" / "annotations" / "val.json"
    coco.write(crowd, file)
    content = read_json(file)
    first = content["images"][0]
    content["images"].append({**first, "id": 10**6})
    write_json(file, content)
    (tmp_path / "data" / "images").symlink_to(people.root)
    networks = oracle(single_run, sure(people.keypoints))
    assert networks.config is not None
    # Neither the labels nor the pool of the run matter to its evaluation.
    data = dataclasses.replace(
        networks.config.data, path=str(tmp_path / "data"), labels="100k", unlabelled="nowhere"
    )
    networks = dataclasses.replace(networks, config=dataclasses.replace(networks.config, data=data))
    own, named = own_test_people(networks), load_test_people(tmp_path / "data", "val")
    assert own.people.content_hash() == named.people.content_hash()
    assert len(own.people) == own.people.trainable().sum() + 2
    write_json(tmp_path / "boxes.json", detections_of(people))
    # Boxes found by the name of the file, which the first and the empty frame share.
    write_json(
        tmp_path / "names.json",
        [
            *detections_of(people)[1:],
            {"file_name": first["file_name"], "bbox": [0, 0, 9, 9], "score": 1},
        ],
    )
    for test in (own, named):
        result = evaluate_networks(networks, test, detections=tmp_path / "boxes.json")
        # The pose on the crowd counts for nothing, that of the person without labels is wrong.
        assert result["networks"]["A"]["AP"] == pytest.approx(1, abs=0.05)
        assert result["networks"]["A"]["predictions"] == len(people)
    fewer = dataclasses.replace(networks, poses=sure(people.keypoints)[1:])
    result = evaluate_networks(fewer, own, detections=tmp_path / "names.json")
    assert result["networks"]["A"]["predictions"] == len(people) - 1


def test_poses_on_people_without_labels_are_ignored_on_annotated_boxes_too(
    single_run: Path, test_people: PoseDataset
) -> None:
    """As pycocotools counts on the file: AP of the other people, and no false positive."""
    people = dataclasses.replace(test_people, keypoints=test_people.keypoints.copy())
    people.keypoints[0] = 0
    tested = people.trainable()
    assert tested.sum() == len(people) - 1
    poses = sure(test_people.keypoints)[tested]
    # The surest pose lands on the neighbour who has a box alone.
    poses[0] = [*sure(test_people.keypoints)[0]]
    same_frame = people.frame_rows == people.frame_rows[0]
    assert same_frame[1], "the first two test people share a frame"
    result = evaluate_networks(oracle(single_run, poses), TestPeople(people, "", ""))
    scores = result["networks"]["A"]
    assert scores["AP"] == pytest.approx(scores["AR"], abs=0.02)
    assert 0.5 < scores["AR"] < 1
    assert scores["predictions"] == scores["people"] == len(people) - 1
    assert result["data_hash"] == people.content_hash()
    crowds = people.people.assign(iscrowd=(np.arange(len(people)) == 0).astype(int))
    crowd = evaluate_networks(
        oracle(single_run, poses), TestPeople(dataclasses.replace(people, people=crowds), "", "")
    )
    assert crowd["networks"]["A"]["AP"] == scores["AP"]


def test_people_without_a_pose_are_counted_and_those_who_count_as_missed(
    single_run: Path, test_people: PoseDataset
) -> None:
    rows = np.arange(len(test_people))
    people = dataclasses.replace(
        test_people,
        keypoints=np.where((rows == 1)[:, None, None], 0, test_people.keypoints),
        people=test_people.people.assign(
            area=np.where(rows < 1, 0, test_people.people["area"]), iscrowd=(rows == 2).astype(int)
        ),
    )
    poses = sure(test_people.keypoints)[3:]
    result = evaluate_networks(oracle(single_run, poses), TestPeople(people, "set", ""))
    reasons = {"crowds": 1, "a box and no labelled joint": 1, "area 0": 1}
    assert (result["people_left_out"], result["people_missed"]) == (reasons, 1)
    assert result["networks"]["A"]["PCK@0.2"] == pytest.approx((len(rows) - 3) / (len(rows) - 2))
    lines = list(table_lines(result, per_joint=False))
    said = "people left out: 1 (crowds), 1 (a box and no labelled joint), 1 (area 0)"
    assert said in lines
    assert any(line.startswith("warning: 1 of them have labelled joints") for line in lines)
    usable = TestPeople(test_people.select_people(rows[3:]), "set", "")
    whole = evaluate_networks(oracle(single_run, poses), usable)
    assert (whole["people_left_out"], whole["people_missed"]) == ({}, 0)
    assert not any("left out" in line for line in table_lines(whole, per_joint=False))


def test_a_run_is_not_scored_on_the_people_it_learned_from(
    single_run: Path, tiny_fisheye: Path, tmp_path: Path
) -> None:
    networks = open_networks(single_run)
    moved = tmp_path / "moved"
    moved.symlink_to(tiny_fisheye, target_is_directory=True)
    own = own_test_people(networks)
    held_out = load_test_people(moved, networks=networks)
    assert held_out.people.content_hash() == own.people.content_hash()
    assert held_out.split == own.split == "held out by scene, seed 0"
    assert len(load_test_people(moved, "all", networks=networks).people) == 48
    # Another run that was given sides of its own, and its training file.
    whole = load_dataset(tiny_fisheye)["all"]
    other = tmp_path / "other"
    for file in ("config.yaml", "env.json"):
        other.mkdir(exist_ok=True)
        (other / file).write_bytes((single_run / file).read_bytes())
    write_json(
        other / "env.json", read_json(other / "env.json") | {"split_hash": whole.content_hash()}
    )
    trained = dataclasses.replace(networks, record=networks.record | {"source": str(other)})
    with pytest.raises(InputError, match=r"has learned from these people: .* --split all"):
        load_test_people(tiny_fisheye, networks=trained)


def test_data_without_sigmas_is_refused_before_anything_is_predicted(
    single_run: Path, test_people: PoseDataset
) -> None:
    joints = dataclasses.replace(test_people.keypoint_set, name="mine", sigmas=None)
    people = dataclasses.replace(test_people, keypoint_set=joints)
    networks = oracle(single_run, np.zeros(()))
    with pytest.raises(InputError, match="sigmas"):
        evaluate_networks(networks, TestPeople(people, "", ""))


def test_the_split_that_is_evaluated(tiny_fisheye: Path, tmp_path: Path) -> None:
    people = load_dataset(tiny_fisheye)["all"]
    assert load_test_people(tiny_fisheye).split == "all"
    for name in ("train", "test"):
        coco.write(people, tmp_path / "annotations" / f"{name}.json")
    assert load_test_people(tmp_path).split == "test"
    assert load_test_people(tmp_path, "train").split == "train"
    coco.write(people, tmp_path / "annotations" / "val.json")
    assert load_test_people(tmp_path).split == "val"


def test_rotated_detections_are_cropped_as_annotated_ones(
    single_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    """Networks of turned crops give the same poses on the same boxes, annotated or detected."""
    networks = dataclasses.replace(open_networks(single_run), upright=True)
    rotated = test_people.people[list(ROTATED_BOX_COLUMNS)].to_numpy(dtype=float)
    rows = [
        {"image_id": frame, "bbox": box.tolist(), "score": 1.0}
        for frame, box in zip(test_people.people["frame_id"], rotated, strict=True)
    ]
    write_json(tmp_path / "boxes.json", rows)
    test = TestPeople(test_people, "data", "test")
    annotated = evaluate_networks(networks, test)
    detected = evaluate_networks(networks, test, detections=tmp_path / "boxes.json")
    assert detected["detections"]["rotated"] == len(rows)
    for name in ("AP", "AR"):
        assert detected["networks"]["A"][name] == pytest.approx(annotated["networks"]["A"][name])
    lines = list(table_lines(detected, per_joint=False))
    assert lines[0].endswith("boxes.json (rotated)")
    frames = len(test_people.frames)
    assert f"boxes on {frames} of {frames} images; 0 boxes on no image, 0 outside" in lines[3]


def test_detections_that_are_not_used_are_counted(
    single_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    rows = detections_of(test_people)
    frame = rows[0]["image_id"]
    unused = [
        {**rows[0], "image_id": 10**6},
        {**rows[0], "bbox": [-500, -500, 50, 80]},
        {**rows[0], "bbox": [5000, 5000, 50, 80]},
        {**rows[0], "category_id": 9},
    ]
    kept = [row for row in rows if row["image_id"] != frame]
    write_json(tmp_path / "boxes.json", kept + unused)
    poses = sure(test_people.keypoints)[[row["image_id"] != frame for row in rows]]
    test = TestPeople(test_people, "data", "test")
    result = evaluate_networks(oracle(single_run, poses), test, detections=tmp_path / "boxes.json")
    assert result["detections"] == {
        "images": len(test_people.frames),
        "images_with_boxes": len(test_people.frames) - 1,
        "boxes": len(kept) + 3,
        "on_no_image": 1,
        "outside_their_frame": 2,
        "rotated": 0,
        "boxes of other categories": 1,
    }
    assert "left out: 1 box of other categories" in "\n".join(table_lines(result, per_joint=False))


def test_resized_images_are_refused(
    single_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    """Boxes and joints of the file are of the images as they were."""
    for name in test_people.frames["file_name"]:
        image = cv2.imread(str(test_people.root / name))
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), cv2.resize(image, None, fx=0.5, fy=0.5))
    small = dataclasses.replace(test_people, root=tmp_path)
    with pytest.raises(InputError, match=r"128 x 128.*256 x 256"):
        evaluate_networks(open_networks(single_run), TestPeople(small, "data", "test"))


def test_own_data_that_were_changed_are_said_or_refused(
    single_run: Path, tiny_fisheye: Path, tmp_path: Path
) -> None:
    networks = open_networks(single_run)
    data = tmp_path / "data"
    shutil.copytree(tiny_fisheye, data)
    assert networks.config is not None
    config = dataclasses.replace(
        networks.config, data=dataclasses.replace(networks.config.data, path=str(data))
    )
    networks = dataclasses.replace(networks, config=config)
    same = own_test_people(networks)
    assert (same.overlap, same.learned is None) == ("", False)
    file = data / "annotations" / "person_keypoints.json"
    content = read_json(file)
    content["annotations"][0]["area"] += 1
    write_json(file, content)
    changed = own_test_people(networks)
    assert "were changed since the run was trained" in changed.overlap
    assert changed.learned is None
    # One scene fewer: the others are not held out as they were.
    scene = same.people.frames["scene"].iloc[0]
    gone = {image["id"] for image in content["images"] if image["scene"] == scene}
    content["images"] = [image for image in content["images"] if image["id"] not in gone]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] not in gone]
    write_json(file, content)
    with pytest.raises(InputError, match=r"other people are held out now.*--split all"):
        own_test_people(networks)
