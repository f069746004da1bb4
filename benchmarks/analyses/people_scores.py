"""Scores of test people and joints, from the predictions and data of a finished cell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from benchmarks.results.results import CellResult
from sspcm.assembly import places_in_run
from sspcm.data.sets import make_sets
from sspcm.inference.scores import NMS_THRESHOLD, crop_areas
from sspcm.runs.folder import RunFolder
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.scores.coco import coco_scores
from wepdtof_pose.scores.people import people_scores
from wepdtof_pose.scores.predictions import Predictions, from_results, suppress

THRESHOLD = 0.2
"""Largest error of a correct joint, relative to the square root of the box area (PCK@0.2)."""

CURVE = tuple(round(0.0125 * step, 4) for step in range(1, 41))
"""Thresholds of `pck_curve`, up to half the square root of the box area."""

Groups = tuple[str, np.ndarray]
"""What people share, "scene" or "frame", and the one that each person (people,) belongs to."""


def right_joints(cell: CellResult) -> tuple[np.ndarray, np.ndarray, Groups]:
    """Return counts of correct and labelled joints, (people,), and groups of the test people.

    Raises:
        InputError: the predictions or the data are missing or have changed.
    """
    test, predictions = cell_predictions(cell)
    people = people_scores(test, predictions)
    right = people.right(THRESHOLD) & people.labelled
    counts = right.sum(axis=1).astype(float), people.labelled.sum(axis=1).astype(float)
    return *counts, people_groups(test)


def pck_curve(cell: CellResult) -> dict[str, list[float]]:
    """Return the PCK of the reported network's last checkpoint at every threshold of `CURVE`.

    Keys: "thresholds" (shares of the square root of the box area) and "PCK" (0 to 1).

    Raises:
        InputError: the predictions or the data are missing or have changed.
    """
    people = people_scores(*cell_predictions(cell))
    distances = people.relative_distances[people.labelled]
    return {"thresholds": list(CURVE), "PCK": [float((distances <= t).mean()) for t in CURVE]}


def people_groups(people: PoseDataset) -> Groups:
    """Return the scenes of people if all are known, else their frames: units of dependence."""
    scenes = people.frames["scene"]
    if scenes.notna().all():
        return "scene", pd.factorize(scenes)[0][people.frame_rows]
    return "frame", people.frame_rows


def measure_joint_ap(cell: CellResult) -> dict[str, float | None]:
    """Return the AP of every joint for the reported network's last checkpoint.

    It is COCO's AP with only this joint labelled. The poses, their scores and the result of OKS-NMS
    are those of the cell's own AP.

    Raises:
        InputError: the predictions or the data are missing or have changed.
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
    """Return the test people of a finished cell and the poses its AP counts (after OKS-NMS).

    Raises:
        InputError: the predictions or the data are missing or have changed.
    """
    test, predictions = cell_predictions(cell)
    assert predictions.people is not None
    places = places_in_run(cell.config, test.select_people(predictions.people))
    sigmas = test.keypoint_set.require_sigmas()
    return test, suppress(predictions, crop_areas(places), sigmas, NMS_THRESHOLD)


def cell_predictions(cell: CellResult) -> tuple[PoseDataset, Predictions]:
    """Return all people of a finished cell's test split, and the poses of those who were tested.

    Raises:
        InputError: the predictions or the data are missing or have changed.
    """
    run = RunFolder(cell.folder)
    if not run.predictions_file.is_file():
        raise InputError(f"{cell.folder}: has no predictions.json (results alone were kept)")
    sets = make_sets(cell.config.data, released=cell.config.released)
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
