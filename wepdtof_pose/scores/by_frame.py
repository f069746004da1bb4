"""Scores of single people and frames: what one sorts by to find where predictions go wrong.

The numbers are the evaluator's: the OKS of a person is the entry of its matrix for the prediction
matched to it, and the AP of a frame is pycocotools' with that frame alone, by pycocotools itself:
the faster evaluator of the whole data set does not give its matches out.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.scores.coco import coco_contents, frames_by_id
from wepdtof_pose.scores.people import people_scores
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
    """Return scores of each person and frame.

    A frame without any prediction is taken as one that was not predicted on: a file of results
    does not say whether nobody was found there, or nobody looked.

    Raises:
        InputError: other joints, unknown frames, nobody to score, or no sigmas.
    """
    truth, results = coco_contents(dataset, predictions)
    people = people_scores(dataset, predictions)
    labelled = people.labelled
    rows = pd.Index(dataset.frames["id"]).get_indexer(pd.Index(predictions.frame_ids))
    predicted = np.zeros(len(dataset.frames), dtype=bool)
    predicted[rows] = True
    errors = np.where(labelled & np.isfinite(people.distances), people.distances, np.nan)
    with_people = np.zeros(len(dataset.frames), dtype=bool)
    with_people[dataset.frame_rows[labelled.any(axis=1)]] = True
    order = np.array(frames_by_id(dataset), dtype=np.int64)
    scored = np.flatnonzero((predicted & with_people)[order])
    evaluation = _matches(truth, results, dataset.keypoint_set.require_sigmas(), scored + 1)
    ap = np.full(len(dataset.frames), np.nan)
    for row, entry in zip(order[scored], evaluation.evalImgs, strict=True):
        ap[row] = _average_precision(entry, evaluation.params.recThrs)
    oks = np.where(predicted[dataset.frame_rows], people.oks, np.nan)
    return FrameScores(
        matched=people.matched,
        oks=oks,
        errors=errors,
        missed=oks < MISSED_BELOW,
        predicted=predicted,
        ap=ap,
    )


def _matches(
    truth: dict[str, Any], results: dict[str, Any], sigmas: np.ndarray, images: np.ndarray
) -> COCOeval:
    """Return pycocotools' matches of people of all sizes, on these images alone, in order."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_indexed(truth), _indexed(results), "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.params.imgIds = images.tolist()
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
        evaluation.evaluate()
    return evaluation


def _indexed(content: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    return coco


def _average_precision(entry: dict[str, Any], recall_levels: np.ndarray) -> float:
    """Return the mean over thresholds of the interpolated precision at COCO's 101 recall levels."""
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
        levels.append(np.append(falling, 0.0)[place].mean())
    return float(np.mean(levels))
