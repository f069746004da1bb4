"""Makes the parts of the annotation card that are made: sample, label budgets, drawing, Croissant.

Run it from the repository root: `python -m wepdtof_pose.annotations.make`. The same command gives
the same annotations; the JPEG bytes depend on the version of OpenCV.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from wepdtof_pose.annotations import croissant

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import make_folder, write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import write_image
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.pictures import annotators
from wepdtof_pose.splits.hold_out import subset_record
from wepdtof_pose.splits.label_budgets import choose_people
from wepdtof_pose.synthetic.generate import generate

PEOPLE, SIZE, SEED = 160, 320, 5
"""Arguments of `wepdtof-pose synth` for the set that the sample is taken from."""

SCENES, FRAMES = 2, 3
"""The sample: the first frames of the scenes that have most people on them."""

BUDGETS = ("25%", "50%")

MEAN_POSE = {
    "head_top": (0.5, 0.06),
    "neck": (0.5, 0.2),
    "right_shoulder": (0.38, 0.23),
    "left_shoulder": (0.62, 0.23),
    "right_elbow": (0.27, 0.37),
    "left_elbow": (0.73, 0.37),
    "right_wrist": (0.17, 0.49),
    "left_wrist": (0.83, 0.49),
    "right_hip": (0.43, 0.53),
    "left_hip": (0.57, 0.53),
    "right_knee": (0.4, 0.73),
    "left_knee": (0.6, 0.73),
    "right_ankle": (0.38, 0.92),
    "left_ankle": (0.62, 0.92),
}
"""A person who faces us, as parts of the width and height of the drawing."""


def main(folder: Path) -> None:
    """Make everything in the folder of the card."""
    make_sample(folder / "sample")
    make_budgets(folder / "sample", folder / "splits")
    write_image(folder / "joints.png", joint_drawing())
    write_json(folder / "croissant.json", croissant.metadata(folder), indent=1)


def make_sample(folder: Path) -> None:
    """Make the sample: frames of a small synthetic set, with their people."""
    with tempfile.TemporaryDirectory() as temporary:
        generate(Path(temporary) / "set", people=PEOPLE, size=SIZE, seed=SEED, progress=False)
        whole = load_dataset(Path(temporary) / "set")["all"]
        part = sample_of(whole)
        shutil.rmtree(folder, ignore_errors=True)
        for name in part.frames["file_name"]:
            make_folder((folder / "images" / name).parent)
            shutil.copyfile(whole.root / name, folder / "images" / name)
        coco.write(part, folder / "annotations" / "person_keypoints.json")


def sample_of(dataset: PoseDataset) -> PoseDataset:
    """The first frames of the scenes with most people on those."""
    people = np.bincount(dataset.frame_rows, minlength=len(dataset.frames))
    frames = dataset.frames.assign(people=people)
    first = frames.groupby("scene").head(FRAMES)
    groups = first.groupby("scene")["people"].agg(["sum", "count"])
    full = groups[groups["count"] == FRAMES].sort_values("sum", ascending=False, kind="stable")
    kept = first[first["scene"].isin(full.index[:SCENES])]
    return dataset.select_frames(kept.index.to_numpy())


def make_budgets(sample: Path, folder: Path) -> None:
    """Write label budgets of the sample, as `wepdtof-pose split` does."""
    dataset = load_dataset(sample)["all"]
    usable = int(dataset.trainable().sum())
    shutil.rmtree(folder, ignore_errors=True)
    for labels in BUDGETS:
        count = int(usable * float(labels[:-1]) / 100 + 0.5)
        rows = choose_people(dataset, count)
        record = subset_record(dataset, rows, labels=labels, order="file", seed=None)
        name = f"sample_{labels[:-1]}_percent.json"
        write_json(folder / name, {**record, "by": "person"}, indent=1)


def joint_drawing(*, width: int = 560, height: int = 660) -> np.ndarray:
    """The joints of wepdtof-pose-14 on a person who faces us, with numbers and names."""
    joints = get_keypoint_set("wepdtof-pose-14")
    image = np.full((height, width, 3), 255, dtype=np.uint8)
    places = np.array([MEAN_POSE[name] for name in joints.joints])
    points = (0.13, 0.02) * np.array([width, height]) + places * (0.74 * width, 0.94 * height)
    pose = np.concatenate([points, np.full((len(points), 1), 2)], axis=1)
    annotators.draw_skeleton(image, pose, joints, width=5)
    for index, (name, point) in enumerate(zip(joints.joints, points, strict=True)):
        text = f"{index} {name.replace('_', ' ')}"
        side = name.split("_")[0]
        offset = {"right": (-14 - 7.3 * len(text), 8), "left": (14, 8)}.get(side, (16, 4))
        place = point + np.array(offset)
        annotators.draw_label(image, text, place, size=9, color=annotators.joint_color(name))
    return image


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
