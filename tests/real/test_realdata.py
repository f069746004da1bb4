"""Real annotation files and photographs."""

from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import lsp
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import read_image
from wepdtof_pose.keypoints import get_keypoint_set

SAMPLES = "mmpose_samples"


@pytest.mark.parametrize(
    "name",
    [
        "tiny_coco/annotations/person_keypoints_train2017.json",
        "tiny_coco/annotations/person_keypoints_val2017.json",
        f"{SAMPLES}/coco/test_coco.json",
    ],
)
def test_coco_round_trip_is_exact(realdata_dir: Path, tmp_path: Path, name: str) -> None:
    file = realdata_dir / name
    dataset = coco.read(file)
    coco.write(dataset, tmp_path / "again.json")
    assert read_json(tmp_path / "again.json") == read_json(file)
    assert dataset.keypoint_set == get_keypoint_set("coco-17")


def test_coco_folder(realdata_dir: Path) -> None:
    datasets = load_dataset(realdata_dir / "tiny_coco")
    assert {name: len(dataset) for name, dataset in datasets.items()} == {"train": 99, "val": 127}
    for dataset in datasets.values():
        for row in (0, len(dataset.frames) - 1):
            frame = dataset.frames.iloc[row]
            image = read_image(dataset.root / frame["file_name"])
            assert image.shape == (frame["height"], frame["width"], 3)


@pytest.mark.parametrize(
    ("name", "keypoint_set", "people"),
    [
        ("aic/test_aic.json", "wepdtof-pose-14", 9),
        ("crowdpose/test_crowdpose.json", "custom", 5),
        ("mhp/test_mhp.json", "mpii-16", 4),
        ("ochuman/test_ochuman.json", "coco-17", 5),
        ("posetrack18/annotations/test_posetrack18_val.json", "custom", 14),
    ],
)
def test_relatives_of_coco_are_read(
    realdata_dir: Path, name: str, keypoint_set: str, people: int
) -> None:
    dataset = coco.read(realdata_dir / SAMPLES / name)
    assert (dataset.keypoint_set.name, len(dataset)) == (keypoint_set, people)


def test_lspet(realdata_dir: Path) -> None:
    reading = lsp.read_lspet(realdata_dir / "lspet")
    dataset, left_out = reading.datasets["all"], reading.left_out
    assert len(dataset) + sum(left_out.values()) == 10_000
    assert len(dataset) == len(list((realdata_dir / "lspet" / "images").iterdir()))
    assert dataset.trainable().all()
    labelled = dataset.keypoints[..., 2] > 0
    assert labelled.sum() == 36_984
    sizes = dataset.frames[["width", "height"]].to_numpy()[:, None]
    points = dataset.keypoints[..., :2]
    outside = ((points < -0.5) | (points > sizes - 0.5)).any(axis=2)
    assert (outside & labelled).sum() == 2

    # Whatever the pose, an elbow is mostly nearer to its own shoulder than to the other one.
    joint = {name: index for index, name in enumerate(dataset.keypoint_set.joints)}
    for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee")):
        for side, other in (("left", "right"), ("right", "left")):
            own, foreign, end = (
                joint[name] for name in (f"{side}_{upper}", f"{other}_{upper}", f"{side}_{lower}")
            )
            known = labelled[:, [own, foreign, end]].all(axis=1)
            near = np.linalg.norm(points[known, own] - points[known, end], axis=1)
            far = np.linalg.norm(points[known, foreign] - points[known, end], axis=1)
            assert np.mean(near < far) > 0.7
