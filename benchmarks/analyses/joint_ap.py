"""AP of each single joint, from the predictions of a finished cell."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.results.results import CellResult
from sspcm.data.crop_places import places_of
from sspcm.data.sets import make_sets
from sspcm.inference.scores import NMS_THRESHOLD, crop_areas
from sspcm.runs.folder import RunFolder
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.scores.coco import coco_scores
from wepdtof_pose.scores.predictions import Predictions, from_results, suppress


def measure_joint_ap(cell: CellResult) -> dict[str, float | None]:
    """Return the AP of every joint for the reported network's last checkpoint.

    It is COCO's AP with only this joint labelled. The poses, their scores and the result of OKS-NMS
    are those of the cell's own AP.
    """
    test, kept = scored_poses(cell)
    found: dict[str, float | None] = {}
    for joint, name in enumerate(test.keypoint_set.joints):
        keypoints = test.keypoints.copy()
        keypoints[:, np.arange(len(test.keypoint_set)) != joint, 2] = 0
        if not (keypoints[..., 2] > 0).any():
            found[name] = None
            continue
        found[name] = coco_scores(dataclasses.replace(test, keypoints=keypoints), kept)["AP"]
    return found


def scored_poses(cell: CellResult) -> tuple[PoseDataset, Predictions]:
    """Return the test people of a finished cell and the poses its AP counts (after OKS-NMS)."""
    test, predictions = cell_predictions(cell)
    assert predictions.people is not None
    tested = test.select_people(predictions.people)
    places = places_of(
        tested,
        cell.config.data.crop_size,
        upright=cell.config.data.upright,
        up=cell.config.data.up,  # type: ignore[arg-type]
        released=cell.config.released,
    )
    sigmas = test.keypoint_set.require_sigmas()
    return test, suppress(predictions, crop_areas(places), sigmas, NMS_THRESHOLD)


def cell_predictions(cell: CellResult) -> tuple[PoseDataset, Predictions]:
    """Return all people of a finished cell's test split, and the poses of those who were tested."""
    run = RunFolder(cell.folder)
    if not run.predictions_file.is_file():
        raise InputError(f"{cell.folder}: has no predictions.json (results alone were kept)")
    sets = make_sets(cell.config.data, released=cell.config.method.recipe == "released")
    for key in ("data_hash", "split_hash"):
        if getattr(sets.record, key) != getattr(cell.result, key):
            raise InputError(
                f"{cell.config.data.path}: the data have changed since {cell.folder} was made"
            )
    source = str(run.predictions_file)
    predictions = from_results(read_json(run.predictions_file), sets.test, source=source)
    if len(predictions) != len(sets.tested):
        raise InputError(f"{source}: has {len(predictions)} poses of {len(sets.tested)} people")
    # The engine writes one pose per tested person, in their order.
    return sets.test, dataclasses.replace(predictions, people=sets.tested)
