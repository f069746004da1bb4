"""Predicted poses: where they come from, how they are rescored and thinned out, COCO results files.

The published order for whole-frame results: convert to the data set's joints (by name, with
`keypoints.convert_keypoints`), `rescore`, `suppress`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset, rows_of_groups
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import are_shares, require_numbers
from wepdtof_pose.formats.foreign import instead_of
from wepdtof_pose.scores.frame_lookup import find_frames
from wepdtof_pose.scores.oks import oks_nms


@dataclass(frozen=True)
class Predictions:
    """Predicted poses on the frames of a data set.

    Attributes:
        frame_ids: (predictions,) ids of their frames, of any kind.
        keypoints: (predictions, joints, 3) x, y in image pixels and a joint score.
        scores: (predictions,) score of the whole pose.
        boxes: (predictions, 4) x, y, w, h of the detections, or None where there were none.
        people: (predictions,) row in the data set's people of the person whose annotated box was
            given, or None where boxes were detected.
    """

    frame_ids: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray | None = None
    people: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.keypoints.ndim != 3 or self.keypoints.shape[2] != 3:
            raise InputError(
                f"predicted keypoints have shape {self.keypoints.shape}, "
                "not (predictions, joints, 3)"
            )
        for name in ("frame_ids", "scores", "boxes", "people"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.keypoints):
                raise InputError(f"{len(self.keypoints)} predicted poses but {len(values)} {name}")

    def __len__(self) -> int:
        return len(self.keypoints)

    def select(self, rows: np.ndarray) -> Predictions:
        """Return the predictions of these rows (a mask or indices), in that order."""
        return replace(
            self,
            frame_ids=self.frame_ids[rows],
            keypoints=self.keypoints[rows],
            scores=self.scores[rows],
            boxes=None if self.boxes is None else self.boxes[rows],
            people=None if self.people is None else self.people[rows],
        )


def predictions_of_people(
    dataset: PoseDataset,
    keypoints: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    scores: np.ndarray | None = None,
) -> Predictions:
    """Return predictions made on annotated boxes, one for each person.

    Args:
        dataset: the people.
        keypoints: (predictions, joints, 3) x, y in image pixels and a joint score.
        rows: (predictions,) the people's rows in the data set; all of them, in order, if None.
        scores: (predictions,) pose scores; the mean of the joint scores if None.

    Raises:
        InputError: there are not as many rows as poses.
    """
    rows = np.arange(len(dataset)) if rows is None else np.asarray(rows)
    if len(rows) != len(keypoints):
        raise InputError(f"{len(keypoints)} predicted poses for {len(rows)} people")
    return Predictions(
        frame_ids=dataset.people["frame_id"].to_numpy(dtype=object)[rows],
        keypoints=keypoints,
        scores=keypoints[..., 2].mean(axis=1) if scores is None else scores,
        boxes=dataset.boxes[rows],
        people=rows,
    )


def rescore(predictions: Predictions, joint_threshold: float = 0.2) -> Predictions:
    """Return the same poses, their scores times the mean of the joint scores above the threshold.

    A pose without a joint above it scores 0 (Xiao et al., ECCV 2018, released evaluation).
    """
    scores = predictions.keypoints[..., 2]
    good = scores > joint_threshold
    mean = (scores * good).sum(axis=1, dtype=np.float64) / np.maximum(good.sum(axis=1), 1)
    return replace(predictions, scores=predictions.scores * mean)


def suppress(
    predictions: Predictions, areas: np.ndarray, sigmas: np.ndarray, threshold: float = 0.9
) -> Predictions:
    """Return the poses left by OKS non-maximum suppression, frame by frame, best first in each.

    Args:
        predictions: poses of any frames; frames keep the order of their first pose.
        areas: (predictions,) object areas in pixels squared (published: those of the padded crops).
        sigmas: (joints,) OKS sigmas.
        threshold: largest OKS that two kept poses of a frame may have.
    """
    codes, _ = pd.factorize(pd.Series(predictions.frame_ids, dtype=object))
    kept = [np.zeros(0, dtype=np.int64)]
    for rows in rows_of_groups(codes).values():
        left = oks_nms(
            predictions.keypoints[rows], predictions.scores[rows], areas[rows], sigmas, threshold
        )
        kept.append(rows[left])
    return predictions.select(np.concatenate(kept))


def to_results(predictions: Predictions, *, category_id: int = 1) -> list[dict[str, Any]]:
    """Return the content of a COCO results file."""
    results = []
    for row, frame_id in enumerate(predictions.frame_ids.tolist()):
        result = {
            "image_id": frame_id,
            "category_id": category_id,
            "keypoints": predictions.keypoints[row].astype(np.float64).round(3).ravel().tolist(),
            "score": float(predictions.scores[row]),
        }
        if predictions.boxes is not None:
            result["bbox"] = np.asarray(predictions.boxes[row], dtype=np.float64).tolist()
        results.append(result)
    return results


def from_results(content: Any, dataset: PoseDataset, *, source: str) -> Predictions:
    """Return the predictions of a parsed COCO results file; `source` names it in errors.

    Boxes are taken only where every result has one. A `file_name`, which the results of
    `sspcm predict` have, goes before the image id.

    Raises:
        InputError: not a list of results, a field missing or of the wrong length, a value that is
            no finite number, positions that are shares of the image, or an image that the data set
            does not list.
    """
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        what = instead_of(content, "is no COCO results file")
        if isinstance(content, dict) and "annotations" in content:
            what = "has annotations, not predictions"
        raise InputError(f"{source}: {what} (predictions are read from a list of COCO results)")
    count = len(dataset.keypoint_set)
    for position, row in enumerate(content):
        where = f"{source}: results[{position}]"
        if "image_id" not in row:
            raise InputError(f"{where} has no 'image_id'")
        require_numbers(
            row.get("keypoints"),
            3 * count,
            f"{where}: 'keypoints' ({count} joints of {dataset.keypoint_set.name})",
        )
        require_numbers([row.get("score")], 1, f"{where}: 'score'")
        if row.get("bbox") is not None:
            require_numbers(row["bbox"], 4, f"{where}: 'bbox'")
        if not isinstance(row.get("file_name", ""), str):
            raise InputError(f"{where}: 'file_name' is no text")
    rows = find_frames(
        dataset.frames,
        [row["image_id"] for row in content],
        [row.get("file_name") for row in content],
        source=source,
    )
    for position in np.flatnonzero(rows < 0).tolist():
        row = content[position]
        image = row.get("file_name", row["image_id"])
        raise InputError(
            f"{source}: results[{position}] is of image {image!r}, which the data set does not list"
        )
    keypoints = np.array([row["keypoints"] for row in content], dtype=np.float64)
    keypoints = keypoints.reshape(-1, count, 3)
    if len(content) and are_shares(keypoints[..., :2]):
        raise InputError(
            f"{source}: all joints lie between 0 and 1: they are shares of the image, not pixels; "
            "multiply x by the width of the image, y by its height"
        )
    boxed = bool(content) and all(row.get("bbox") is not None for row in content)
    return Predictions(
        frame_ids=dataset.frames["id"].to_numpy(dtype=object)[rows],
        keypoints=keypoints,
        scores=np.array([row["score"] for row in content], dtype=np.float64),
        boxes=np.array([row["bbox"] for row in content], dtype=np.float64) if boxed else None,
    )
