"""Predictions as labels to correct: written for a tool, corrected, read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.inference.drafts import DraftFrame, draft_dataset
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
def test_drafts_are_corrected_in_label_studio_and_read_back(
    single_run: Path, test_people: PoseDataset, tmp_path: Path
) -> None:
    """Predict, hand over to Label Studio, move one joint there, read back as labels."""
    names = test_people.frames["file_name"].to_numpy()
    boxes = [
        {"file_name": name, "bbox": box.tolist()}
        for name, box in zip(names[test_people.frame_rows], test_people.boxes, strict=True)
    ]
    write_json(tmp_path / "boxes.json", boxes)
    images = sorted({str(test_people.root / name) for name in names})
    options = ["--boxes", tmp_path / "boxes.json", "--drafts", "label_studio", "--threshold", "-1"]
    run(main, "predict", single_run, *images, *options, "-o", tmp_path / "poses")
    drafts = tmp_path / "poses" / "drafts"
    tasks = read_json(drafts / "tasks.json")
    assert len(tasks) == len(images)
    predicted = read_json(tmp_path / "poses" / "predictions.json")
    worst = min(predicted, key=lambda row: row["score"])
    assert Path(tasks[0]["data"]["image"]).name == worst["file_name"]

    regions = tasks[0]["annotations"][0]["result"]
    moved = next(r for r in regions if r.get("value", {}).get("keypointlabels") == ["neck"])
    moved["value"] |= {"x": 50.0, "y": 25.0}
    write_json(drafts / "tasks.json", tasks)

    options = ["--from", "label_studio", "--to", "coco"]
    run(toolkit, "convert", drafts, tmp_path / "labels", *options)
    (labels,) = load_dataset(tmp_path / "labels").values()
    assert len(labels) == len(predicted)
    neck = labels.keypoints[:, JOINTS.joints.index("neck")]
    width, height = labels.frames[["width", "height"]].to_numpy()[0]
    corrected = (np.abs(neck[:, :2] - [0.5 * width, 0.25 * height]) < 1e-2).all(axis=1)
    assert corrected.sum() == 1


def run(command: Any, *arguments: object) -> None:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
