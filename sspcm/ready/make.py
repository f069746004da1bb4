"""Make the ready-trained networks again: `make networks`, or `python -m sspcm.ready.make`.

Everything is drawn and trained from seeds; nothing is downloaded, and no real people are used.
Killed and started again, it goes on where it was. Real frames, where their folder is named, are
measured and nothing else.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from sspcm.config_io import load_config
from sspcm.inference.evaluate import evaluate_networks, load_test_people
from sspcm.inference.finder import open_finder
from sspcm.inference.open import open_networks
from sspcm.runs.checkpoint import load_checkpoint
from sspcm.training.finder import (
    EVALUATION_THRESHOLD,
    FinderConfig,
    evaluate_finder,
    train_finder,
)
from sspcm.training.train import train
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.files import replacing, write_json
from wepdtof_pose.fisheye.body_boxes import body_boxes
from wepdtof_pose.formats import coco
from wepdtof_pose.synthetic.generate import ANNOTATIONS, generate

PEOPLE, PEOPLE_SEED = 4800, 101
UNSEEN, UNSEEN_SEED = 300, 900
"""Drawn people that networks are trained on, and those of other rooms that they are measured on."""
SIZE = 768

POSE: dict[str, Any] = {
    "data.labels": "all",
    "data.test_fraction": 0.05,
    "data.upright": True,
    "easy_view.scale": 0.3,
    "easy_view.rotation_probability": 0.8,
    "network.name": "efficientnet_lite0",
    "network.frozen_stages": 1,
    "method.name": "supervised",
    "method.options": {"cameras": True},
    "optimisation.schedule": "cosine",
    "evaluation.decoding": "dark",
    "precision": "float32",
    "threads": 1,
}
POSE_PHASES: dict[str, dict[str, Any]] = {
    "pose-96": {
        "data.crop_width": 96,
        "data.crop_height": 128,
        "optimisation.epochs": 15,
        "optimisation.epoch_steps": 100,
        "optimisation.batch_size": 32,
        "optimisation.learning_rate": 1e-3,
        "optimisation.warm_up_epochs": 0.5,
        "optimisation.averaging": 0.995,
        "evaluation.every": 4,
        "seed": 1,
    },
    "pose-128": {
        "data.crop_width": 128,
        "data.crop_height": 160,
        "optimisation.epochs": 8,
        "optimisation.epoch_steps": 60,
        "optimisation.batch_size": 16,
        "optimisation.learning_rate": 5e-4,
        "optimisation.warm_up_epochs": 0.25,
        "optimisation.averaging": 0.98,
        "evaluation.every": 8,
        "seed": 2,
    },
}
"""Each phase starts from the network of the one before, on larger crops: small ones are cheap."""

FIND = FinderConfig(steps=800, batch_size=8, window=320, frozen_stages=2, seed=1, threads=1)


def make_pose(work: Path) -> Path:
    """Train the pose network and return its file in half precision."""
    data = along_bodies(drawn(work, "people", PEOPLE, PEOPLE_SEED))
    start = "imagenet"
    for name, phase in POSE_PHASES.items():
        places = {"data.path": str(data), "data.cache": str(work / "cache")}
        config = load_config(None, overrides=POSE | phase | places | {"network.pretrained": start})
        train(config, work / name, resume=(work / name / "config.yaml").is_file())
        start = str(work / name / "checkpoints" / "last.pt")
    out = work / "ceiling-pose.pt"
    halve(Path(start), out)
    return out


def make_finder(work: Path) -> Path:
    """Train the finder and return its file in half precision."""
    data = coco.read(drawn(work, "people", PEOPLE, PEOPLE_SEED))
    run = work / "find"
    weights = train_finder(data, run, FIND, resume=(run / "config.json").is_file())
    out = work / "ceiling-find.pt"
    with replacing(out) as temporary:
        temporary.write_bytes(weights.read_bytes())
    return out


def drawn(work: Path, name: str, people: int, seed: int) -> Path:
    """Return the annotation file of so many drawn people in offices, drawn if need be."""
    folder = work / name
    generate(folder, people=people, seed=seed, size=SIZE, style="office", progress=False)
    return folder / ANNOTATIONS


def along_bodies(annotations: Path) -> Path:
    """Write the data set again with boxes along the bodies, as finders and annotators give them.

    The drawn boxes hug what is seen and lie along the image radius; crops of such boxes would be
    tighter than those of any box that a network will be given.
    """
    out = annotations.with_name("along_bodies.json")
    if not out.is_file():
        coco.write(with_body_boxes(coco.read(annotations)), out)
    return out


def with_body_boxes(dataset: PoseDataset) -> PoseDataset:
    """Return the data set with rotated boxes made from joints, where these make one."""
    boxes = body_boxes(dataset.keypoints, dataset.keypoint_set)
    swapped = boxes[:, 2] > boxes[:, 3]
    boxes[swapped, 2:4] = boxes[swapped, 3:1:-1]
    # The form of WEPDTOF: w <= h, and an angle within [-90, 90].
    boxes[:, 4] = (boxes[:, 4] + 90 * swapped + 90) % 180 - 90
    known = ~np.isnan(boxes).any(axis=1)
    people = dataset.people.copy()
    people.loc[known, list(ROTATED_BOX_COLUMNS)] = boxes[known]
    return replace(dataset, people=people)


def halve(checkpoint: Path, out: Path) -> None:
    """Write the networks of a checkpoint in half precision, with what they need to be used."""
    content = load_checkpoint(checkpoint)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in content["method"].items()
    }
    about = content["about"] | {"decoding": "dark"}
    with replacing(out) as temporary:
        torch.save({"state_dict": state, "about": about}, temporary)


def pose_scores(file: Path, data: Path) -> dict[str, float]:
    """Return AP, AP50 and PCK@0.2 of a pose network with the annotated boxes of a data set."""
    networks = open_networks(file, device="cpu").with_settings(decoding="dark")
    test = load_test_people(data, None, networks=networks)
    result = evaluate_networks(networks.only(networks.reported), test)
    scores = result["networks"][networks.reported]
    return {name: round(100 * scores[name], 1) for name in ("AP", "AP50", "PCK@0.2")}


def finder_scores(file: Path, data: PoseDataset, *, boxes: str) -> dict[str, float]:
    """Return AP50 of a finder, and how many frames and people it was measured on."""
    finder = open_finder(file, threshold=EVALUATION_THRESHOLD, device="cpu")
    scores = evaluate_finder(finder, data, boxes=boxes)
    return scores | {"AP50": round(100 * scores["AP50"], 1)}


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/ready"))
@click.option("--only", type=click.Choice(["pose", "find"]), help="One of the two networks.")
@click.option("--real", type=click.Path(path_type=Path), help="COCO file of real poses to measure.")
def main(work: Path, only: str | None, real: Path | None) -> None:
    """Make the networks in the folder --work, and measure them."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    started = time.perf_counter()
    unseen = drawn(work, "unseen", UNSEEN, UNSEEN_SEED)
    report: dict[str, Any] = {}
    if only != "find":
        file = make_pose(work)
        report["ceiling-pose"] = {"drawn": pose_scores(file, along_bodies(unseen))}
        if real is not None:
            report["ceiling-pose"]["real"] = pose_scores(file, real)
    if only != "pose":
        file = make_finder(work)
        people = coco.read(unseen)
        report["ceiling-find"] = {
            f"drawn, boxes {kind}": finder_scores(file, people, boxes=kind)
            for kind in ("body", "file")
        }
    report["seconds"] = round(time.perf_counter() - started)
    write_json(work / f"scores{'-' + only if only else ''}.json", report, indent=1)
    click.echo(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
