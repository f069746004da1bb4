"""Scores of trained networks: the run's own again, other data, detected boxes, other joints."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from command_line import require_helpful, runner

from sspcm.commands.main import main
from sspcm.inference.open import open_networks
from sspcm.runs.folder import RunFolder
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set

pytestmark = pytest.mark.usefixtures("own_cache")

run = runner(main)


def test_help_of_every_command_has_an_example_and_needs_nothing_heavy() -> None:
    require_helpful("sspcm", heavy=("numpy", "pandas", "cv2", "torch"))


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_a_run_on_its_own_test_people_gives_its_result(
    tiny_run: Path, tmp_path: Path, checkpoint: str
) -> None:
    file = tmp_path / "scores.json"
    done = run("evaluate", tiny_run, "--checkpoint", checkpoint, "-o", file)
    assert done.exit_code == 0, done.output
    scores, result = read_json(file), read_json(tiny_run / "result.json")
    assert scores["networks"] == result[checkpoint]
    assert (scores["checkpoint"], scores["reported"]) == (checkpoint, result["reported"])
    # A checkpoint inside the run folder is the same thing by another name.
    run("evaluate", tiny_run / "checkpoints" / f"{checkpoint}.pt", "-o", file)
    assert read_json(file)["networks"] == result[checkpoint]


def test_the_same_people_from_a_file(
    tiny_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    data = tmp_path / "data" / "people.json"
    coco.write(test_people, data)
    (tmp_path / "data" / "images").symlink_to(test_people.root)
    file = tmp_path / "scores.json"
    done = run("evaluate", tiny_run, "--data", data, "--per-joint", "-o", file)
    assert done.exit_code == 0, done.output
    assert "right_shoulder" in done.output
    scores = read_json(file)
    assert scores["networks"] == read_json(tiny_run / "result.json")["last"]
    assert scores["data_hash"] == test_people.content_hash()
    assert scores["sigma_set"] == "wepdtof-pose-14"
    assert (scores["boxes"], scores["split"], scores["area_rule"]) == (
        "annotated",
        "all",
        "annotated",
    )


def test_people_on_images_that_the_run_learned_from_are_counted(
    tiny_run: Path, tiny_fisheye: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    everybody = load_dataset(tiny_fisheye)["all"]
    tested = set(test_people.frames["file_name"])
    of_tested = everybody.frames["file_name"].isin(tested).to_numpy()[everybody.frame_rows]
    learned = int((everybody.trainable() & ~of_tested).sum())
    copy = tmp_path / "copy"
    (copy / "annotations").mkdir(parents=True)
    # Encoded anew under other names: neither the path nor the bytes are the same.
    smaller = everybody.frames.assign(
        file_name=[f"{row}.png" for row in range(len(everybody.frames))]
    )
    for name, new in zip(everybody.frames["file_name"], smaller["file_name"], strict=True):
        image = cv2.imread(str(everybody.root / name))
        (copy / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(copy / "images" / new), image)
    coco.write(replace(everybody, frames=smaller), copy / "annotations" / "all.json")
    file = tmp_path / "scores.json"
    done = run("evaluate", tiny_run, "--data", copy, "--split", "all", "-o", file)
    assert done.exit_code == 0, done.output
    assert "on images that the run learned from" in done.output
    assert read_json(file)["people_learned_from"] == learned > 0

    done = run("evaluate", tiny_run, "-o", file)
    assert read_json(file)["people_learned_from"] == 0
    assert "learned from" not in done.output


def test_one_network_other_decoding_flip_test(tiny_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    before = read_json(tiny_run / "result.json")["last"]["A"]
    for options in (("--decoding", "dark"), ("--flip-test",), ("--precision", "bfloat16")):
        run("evaluate", tiny_run, "--network", "A", *options, "-o", file)
        scores = read_json(file)
        assert list(scores["networks"]) == ["A"]
        said = scores["decoding"], scores["flip_test"], scores["precision"]
        assert said == (
            "dark" if "dark" in options else "shift",
            "--flip-test" in options,
            "bfloat16" if "bfloat16" in options else "float32",
        )
        # Each changes poses, and so the similarity of every joint.
        found, then = (
            [joint["OKS"] for joint in of["per_joint"].values()]
            for of in (scores["networks"]["A"], before)
        )
        assert all(one != other for one, other in zip(found, then, strict=True)), options


def test_detections_command(single_run: Path, tiny_fisheye: Path, tmp_path: Path) -> None:
    people = load_dataset(tiny_fisheye)["all"]
    boxes = [
        {"image_id": int(frame), "category_id": 1, "bbox": box.tolist(), "score": 0.9}
        for frame, box in zip(people.people["frame_id"], people.boxes, strict=True)
    ]
    write_json(tmp_path / "boxes.json", boxes)
    done = run(
        "evaluate", single_run, "--data", tiny_fisheye, "--detections", tmp_path / "boxes.json"
    )
    assert done.exit_code == 0, done.output
    assert "boxes.json" in done.output


def test_joints_of_a_run_whose_data_are_gone(
    single_run: Path, tiny_fisheye: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "run"
    (moved / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/last.pt", "keypoints.json", "config.yaml"):
        (moved / name).write_bytes((single_run / name).read_bytes())
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(config.replace(str(tiny_fisheye), "nowhere"))
    assert open_networks(moved).keypoint_set == get_keypoint_set("wepdtof-pose-14")
    done = run("evaluate", moved, "--data", tiny_fisheye, "--split", "all")
    assert (done.exit_code, "not checked whether the run learned from" in done.output) == (0, True)
    done = run("evaluate", moved)
    assert (done.exit_code, "nowhere" in done.output) == (2, True)
    (moved / "keypoints.json").unlink()
    assert open_networks(moved).keypoint_set == get_keypoint_set("wepdtof-pose-14")
    checkpoint = torch.load(moved / "checkpoints" / "last.pt")
    del checkpoint["about"]
    torch.save(checkpoint, moved / "checkpoints" / "last.pt")
    # The joints of the test people need not be those of the networks.
    write_json(moved / "result.json", {"keypoint_set": "wepdtof-pose-14"})
    with pytest.raises(InputError, match="--keypoints"):
        open_networks(moved)
    assert len(open_networks(moved, keypoints="aic-14").keypoint_set) == 14
    with pytest.raises(InputError, match="17 joints of 'coco-17'"):
        open_networks(moved, keypoints="coco-17")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such run folder or checkpoint file"),
        (["RUN", "--network", "D"], "has no network 'D': choose one of A"),
        (["RUN", "--split", "val"], "--split needs --data"),
        (["RUN", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["RUN", "--data", "DATA", "--split", "val"], "has no split 'val', only all"),
        (["RUN", "--data", "DATA", "--detections", "nowhere"], "nowhere: no such file"),
        (["RUN", "--data", "DATA", "--detections", "EMPTY"], "holds no box of a person"),
        (["RUN", "--crop-size", "64x64"], "--crop-size is for files of weights"),
        (["RUN", "--crop-size", "64"], "expected WIDTHxHEIGHT"),
        (["RUN", "--keypoints", "coco-17"], "its joints are 'wepdtof-pose-14', not 'coco-17'"),
        (["DATA"], "is no run folder (it has no config.yaml)"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(
    single_run: Path, tiny_fisheye: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "empty.json").write_text("[]")
    paths = {"RUN": single_run, "DATA": tiny_fisheye, "EMPTY": tmp_path / "empty.json"}
    done = run("evaluate", *(paths.get(argument, argument) for argument in arguments))
    assert done.exit_code == 2
    assert said in done.output
    assert done.output.count("\n") == 1


def test_a_damaged_checkpoint(single_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_bytes((single_run / "config.yaml").read_bytes())
    whole = (single_run / "checkpoints" / "last.pt").read_bytes()
    (folder / "checkpoints" / "last.pt").write_bytes(whole[: len(whole) // 2])
    done = run("evaluate", folder)
    assert (done.exit_code, "is cut short" in done.output) == (2, True)


def test_the_result_holds_in_json(tiny_run: Path) -> None:
    assert RunFolder(tiny_run).read_keypoint_set() == get_keypoint_set("wepdtof-pose-14")
    assert json.loads((tiny_run / "keypoints.json").read_text())["joints"][0] == "right_shoulder"
