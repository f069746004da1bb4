"""Predictions as labels to correct: written for a tool, corrected, read back, learned from."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.inference.drafts import DraftFrame, draft_dataset
from sspcm.runs.folder import RunFolder
from wepdtof_pose.commands.main import main as toolkit
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set

JOINTS = get_keypoint_set("wepdtof-pose-14")


def pose(score: float, joint_score: float = 0.9) -> dict[str, Any]:
    keypoints = np.concatenate([np.full((14, 2), 20.0), np.full((14, 1), joint_score)], axis=1)
    keypoints[3, 2] = 0.1
    return {"keypoints": keypoints.ravel().tolist(), "score": score, "bbox": [10, 10, 30, 30]}


def test_the_least_sure_images_come_first(tmp_path: Path) -> None:
    frames = [
        DraftFrame(tmp_path / "a" / "sure.jpg", (64, 48), [pose(0.9), pose(0.8)]),
        DraftFrame(tmp_path / "b" / "unsure.jpg", (64, 48), [pose(0.9), pose(0.3)]),
        DraftFrame(tmp_path / "b" / "nobody.jpg", (32, 24), []),
    ]
    drafts = draft_dataset(frames, JOINTS, threshold=0.2)
    assert drafts.frames["file_name"].tolist() == ["b/nobody.jpg", "b/unsure.jpg", "a/sure.jpg"]
    assert drafts.frames["width"].tolist() == [32, 64, 64]
    assert drafts.people["frame_id"].tolist() == [2, 2, 3, 3]
    # A joint below the threshold is left to the annotator.
    assert (drafts.keypoints[:, :, 2] == 2).sum(axis=1).tolist() == [13] * 4
    assert drafts.keypoints[0, 3].tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="there is none"):
        draft_dataset([], JOINTS, threshold=0.2)


@pytest.mark.slow
@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("form", ["label_studio", "cvat"])
def test_the_loop_on_drawn_frames(
    single_run: Path,
    test_people: PoseDataset,
    tmp_path: Path,
    settings: dict[str, Any],
    form: str,
) -> None:
    names = test_people.frames["file_name"].to_numpy()
    boxes = [
        {"file_name": name, "bbox": box.tolist()}
        for name, box in zip(names[test_people.frame_rows], test_people.boxes, strict=True)
    ]
    write_json(tmp_path / "boxes.json", boxes)
    images = sorted({test_people.root / name for name in names})
    go_round(single_run, images, tmp_path / "boxes.json", form, tmp_path, settings)


@pytest.mark.slow
@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("form", ["label_studio", "cvat"])
def test_the_loop_on_real_frames(
    realdata_dir: Path, single_run: Path, tmp_path: Path, settings: dict[str, Any], form: str
) -> None:
    """Rotated boxes of a ceiling camera; the hand-made joints beside them are not looked at."""
    images = sorted((realdata_dir / "cepdof_pose" / "images").glob("*.jpg"))
    boxes = realdata_dir / "cepdof_sample" / "annotations" / "video_0.json"
    assert go_round(single_run, images, boxes, form, tmp_path, settings) == 21


def go_round(
    run_folder: Path,
    images: list[Path],
    boxes: Path,
    form: str,
    out: Path,
    settings: dict[str, Any],
) -> int:
    """Predict, hand over to a tool, move one joint there, read back, train on it."""
    options = ["--boxes", boxes, "--drafts", form, "--threshold", "-1"]
    run(main, "predict", run_folder, *images, *options, "-o", out / "poses")
    drafts = out / "poses" / "drafts"
    predicted = read_json(out / "poses" / "predictions.json")
    worst = min(predicted, key=lambda row: row["score"])
    first, size, poses_first = {"label_studio": move_in_label_studio, "cvat": move_in_cvat}[form](
        drafts, (0.5, 0.25)
    )
    assert Path(first).name == Path(worst["file_name"]).name

    run(toolkit, "convert", drafts, out / "labels", "--from", form, "--to", "coco")
    (labels,) = load_dataset(out / "labels").values()
    assert len(labels) == len(predicted)
    neck = labels.keypoints[:, JOINTS.joints.index("neck")]
    target = [0.5 * size[0], 0.25 * size[1]]
    corrected = (np.abs(neck[:, :2] - target) < 1e-2).all(axis=1)
    assert corrected.sum() == 1
    before = np.array([row["keypoints"] for row in predicted]).reshape(len(predicted), -1, 3)
    others = labels.keypoints[~corrected][..., 0].astype(np.float64).ravel()
    distance = np.abs(others[:, None] - before[..., 0].ravel()).min(axis=1)
    np.testing.assert_allclose(distance, 0, atol=0.01)
    assert poses_first == int((labels.people["frame_id"] == labels.frames["id"].iloc[0]).sum())

    settings = settings | {
        "data.path": str(out / "labels"),
        "data.labels": "all",
        "data.test_fraction": 0,
        "method.name": "supervised",
        "optimisation.epochs": 1,
        "optimisation.epoch_steps": 1,
        "network.pretrained": str(run_folder / "checkpoints" / "last.pt"),
    }
    options = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    run(main, "train", *options, "-o", out / "run")
    result = RunFolder(out / "run").read_result()
    assert result.people_labelled == int(labels.trainable().sum())
    return len(labels)


def move_in_label_studio(drafts: Path, to: tuple[float, float]) -> tuple[str, tuple[int, int], int]:
    """Move the first neck of the first task; say its image, that one's size, and its people."""
    tasks = read_json(drafts / "tasks.json")
    regions = tasks[0]["annotations"][0]["result"]
    moved = next(r for r in regions if r.get("value", {}).get("keypointlabels") == ["neck"])
    moved["value"] |= {"x": 100 * to[0], "y": 100 * to[1]}
    (drafts / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    people = sum(r.get("value", {}).get("rectanglelabels") == ["person"] for r in regions)
    size = moved["original_width"], moved["original_height"]
    return unquote(tasks[0]["data"]["image"]), size, people


def move_in_cvat(drafts: Path, to: tuple[float, float]) -> tuple[str, tuple[int, int], int]:
    """Move the first neck of the first image; say its name, its size, and its people."""
    tree = ElementTree.parse(drafts / "annotations.xml")
    image = tree.find("image")
    assert image is not None
    size = int(image.get("width", 0)), int(image.get("height", 0))
    neck = image.find("skeleton/points[@label='neck']")
    assert neck is not None
    neck.set("points", f"{to[0] * size[0]},{to[1] * size[1]}")
    tree.write(drafts / "annotations.xml", encoding="utf-8", xml_declaration=True)
    return image.get("name", ""), size, len(image.findall("skeleton"))


def run(command: Any, *arguments: object) -> None:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
