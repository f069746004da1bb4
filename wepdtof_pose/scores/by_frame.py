"""Scores of single people and frames: what one sorts by to find where predictions go wrong.

The numbers are the evaluator's: the OKS of a person is the entry of pycocotools' matrix for the
prediction matched to it, and the AP of a frame is pycocotools' with that frame alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pycocotools.cocoeval import COCOeval

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.scores.coco import coco_evaluation, exact_keypoints, frame_order
from wepdtof_pose.scores.joint_errors import countable_joints, match_people
from wepdtof_pose.scores.oks import joint_similarity
from wepdtof_pose.scores.predictions import Predictions

MISSED_BELOW = 0.5
"""A person whose best prediction has a lower OKS was missed (COCO's loosest threshold)."""


@dataclass(frozen=True)
class FrameScores:
    """Scores of predictions by person and by frame.

    Attributes:
        matched: (people,) int64 the prediction of each person, -1 where there is none.
        oks: (people,) NaN for people who do not count (crowds, nobody labelled), and on frames
            without any prediction; 0 where a frame has predictions, but none for this person.
        errors: (people, joints) distances in pixels, NaN where there is no prediction or label.
        missed: (people,) mask of people with an OKS below 0.5.
        predicted: (frames,) mask of frames with a prediction.
        ap: (frames,) AP of each frame alone; NaN without prediction or without anybody who counts.
    """

    matched: np.ndarray
    oks: np.ndarray
    errors: np.ndarray
    missed: np.ndarray
    predicted: np.ndarray
    ap: np.ndarray


def frame_scores(dataset: PoseDataset, predictions: Predictions) -> FrameScores:
    """Scores of each person and frame.

    A frame without any prediction is taken as one that was not predicted on: a file of results
    does not say whether nobody was found there, or nobody looked.

    Raises:
        InputError: other joints, unknown frames, nobody to score, or no sigmas.
    """
    evaluation = coco_evaluation(dataset, predictions)
    matched = match_people(dataset, predictions)
    labelled = countable_joints(dataset)
    frame_of_prediction = pd.Index(dataset.frames["id"]).get_indexer(
        pd.Index(predictions.frame_ids)
    )
    predicted = np.zeros(len(dataset.frames), dtype=bool)
    predicted[frame_of_prediction] = True
    found = matched >= 0
    errors = np.full(labelled.shape, np.nan)
    truth = exact_keypoints(dataset)
    offsets = predictions.keypoints[matched[found], :, :2].astype(np.float64) - truth[found, :, :2]
    squared = np.full(labelled.shape, np.inf)
    squared[found] = (offsets**2).sum(axis=2)
    errors[found] = np.sqrt(squared[found])
    errors[~labelled] = np.nan
    similarity = joint_similarity(
        squared,
        dataset.people["area"].to_numpy(dtype=np.float64),
        dataset.keypoint_set.require_sigmas(),
    )
    counted = labelled.any(axis=1) & predicted[dataset.frame_rows]
    oks = (similarity * labelled).sum(axis=1) / np.maximum(labelled.sum(axis=1), 1)
    ap = np.full(len(dataset.frames), np.nan)
    with_people = np.isin(np.arange(len(ap)), dataset.frame_rows[labelled.any(axis=1)])
    images = _matches_by_image(evaluation)
    for place, row in enumerate(frame_order(dataset)):
        if predicted[row] and with_people[row]:
            ap[row] = _average_precision(images[place + 1], evaluation.params.recThrs)
    oks = np.where(counted, oks, np.nan)
    return FrameScores(
        matched=matched,
        oks=oks,
        errors=errors,
        missed=counted & (oks < MISSED_BELOW),
        predicted=predicted,
        ap=ap,
    )


def _matches_by_image(evaluation: COCOeval) -> dict[int, dict[str, Any]]:
    """pycocotools' matches of each image, people of all sizes together."""
    # They come by category, then size range (the first is "all"), then image.
    numbers = evaluation.params.imgIds
    return dict(zip(numbers, evaluation.evalImgs[: len(numbers)], strict=True))


def _average_precision(entry: dict[str, Any], recall_levels: np.ndarray) -> float:
    """Mean over thresholds of the interpolated precision at COCO's 101 recall levels."""
    people = int((~np.asarray(entry["gtIgnore"], dtype=bool)).sum())
    matches, ignored = np.asarray(entry["dtMatches"]), np.asarray(entry["dtIgnore"], dtype=bool)
    right = np.cumsum((matches > 0) & ~ignored, axis=1, dtype=np.float64)
    wrong = np.cumsum((matches == 0) & ~ignored, axis=1, dtype=np.float64)
    levels = []
    for hits, misses in zip(right, wrong, strict=True):
        recall = hits / people
        precision = hits / (hits + misses + np.spacing(1))
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        place = np.searchsorted(recall, recall_levels, side="left")
        levels.append(np.where(place < len(falling), np.append(falling, 0.0)[place], 0.0).mean())
    return float(np.mean(levels))
