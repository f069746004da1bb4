"""Scores of predicted poses: COCO AP and AR, PCK and PCKh, per joint and by image radius.

AP and AR are pycocotools', computed by faster-coco-eval, with the keypoint set's
sigmas and the data set's areas. PCKh is not the metric published for MPII, whose head size is 0.6
of the diagonal of an annotated rectangle and which leaves pelvis and thorax out: here the head
reaches from its top to the (upper) neck, and all labelled joints count. The figures of the two
cannot be compared.

Numbers that are not defined (AP of large people where there is none) are None, never 0 or -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from faster_coco_eval import COCO, COCOeval_faster

from wepdtof_pose.dataset import AREA_PER_BOX, PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.scores.people import (
    countable_joints,
    exact_keypoints,
    head_sizes,
    people_scores,
    relative_radius,
)
from wepdtof_pose.scores.predictions import Predictions

COCO_STATS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
"""pycocotools' ten keypoint statistics, in its order."""

RADIUS_EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Bins of the relative radius of a fisheye image (1 is the rim); the last one is open."""

Number = float | None


def score(
    dataset: PoseDataset,
    predictions: Predictions,
    *,
    ranked: Predictions | None = None,
    pck_threshold: float = 0.2,
    radius_edges: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return all scores of the predictions, as numbers, texts and dictionaries that JSON can hold.

    Keys: the ten of `COCO_STATS`; "PCK@0.2" (the threshold is in the name); "PCKh@0.5" (share of
    joints within half of `head_sizes`, of people whose head is labelled: not MPII's published
    metric, see above); "per_joint" (joint name -> "PCK", "OKS": mean similarity, "labelled":
    count); "by_radius" (a list, with `radius_edges` only); "people", "matched_people",
    "predictions" (counts); "sigma_set", "area_rule" and "data_hash".

    Args:
        dataset: the annotated people. Frames without people count: poses on them are wrong.
        predictions: poses on its frames, in its joints.
        ranked: the poses that AP and AR see, those by radius among them, where some of
            `predictions` were suppressed; all of them if None.
        pck_threshold: largest distance of a right joint over the square root of the box area.
        radius_edges: edges of relative radius bins (see `relative_radius`), for fisheye data.

    Raises:
        InputError: other joints, unknown frames, nobody to score, or no sigmas.
    """
    ranked = predictions if ranked is None else ranked
    evaluation = coco_evaluation(dataset, ranked)
    people = people_scores(dataset, predictions)
    labelled, right = people.labelled, people.right(pck_threshold)
    heads = head_sizes(dataset)
    with_head = labelled & np.isfinite(heads)[:, None]
    right_by_head = people.distances <= 0.5 * np.nan_to_num(heads)[:, None]
    result: dict[str, Any] = {
        **_stats(evaluation),
        f"PCK@{pck_threshold:g}": _share(right, labelled),
        "PCKh@0.5": _share(right_by_head, with_head),
        "per_joint": {
            name: {
                "PCK": _share(right[:, j], labelled[:, j]),
                "OKS": _share(people.similarity[:, j], labelled[:, j]),
                "labelled": int(labelled[:, j].sum()),
            }
            for j, name in enumerate(dataset.keypoint_set.joints)
        },
        "people": int(labelled.any(axis=1).sum()),
        "matched_people": int((people.matched >= 0).sum()),
        "predictions": len(predictions),
        "sigma_set": dataset.keypoint_set.name,
        "area_rule": area_rule(dataset),
        "data_hash": dataset.content_hash(),
    }
    if radius_edges is not None:
        result["by_radius"] = _by_radius(dataset, ranked, evaluation, right, labelled, radius_edges)
    return result


def coco_scores(dataset: PoseDataset, predictions: Predictions) -> dict[str, Number]:
    """Return the ten statistics of pycocotools; None where the data has nobody of that size.

    Keypoints of the data set enter as the shortest decimals of their float32 values, which are
    the numbers of its file: anyone who runs pycocotools on that file gets the same figures.

    Raises:
        InputError: other joints, unknown frames, nobody to score, or no sigmas.
    """
    return _stats(coco_evaluation(dataset, predictions))


def frames_by_id(dataset: PoseDataset) -> list[int]:
    """Return rows of the frames in the order of their ids, numbers before texts.

    pycocotools breaks ties of score in the order of its ids, so ours keep the order of theirs.
    """
    ids = dataset.frames["id"].tolist()
    return sorted(range(len(ids)), key=lambda row: (isinstance(ids[row], str), ids[row]))


def area_rule(dataset: PoseDataset) -> str:
    """Return where the object areas of OKS come from: the file, 0.53 w h, or both."""
    from_box = dataset.people["area_from_box"].to_numpy(dtype=bool)
    if from_box.all():
        return f"{AREA_PER_BOX} w h"
    return f"annotated, else {AREA_PER_BOX} w h" if from_box.any() else "annotated"


def coco_evaluation(dataset: PoseDataset, predictions: Predictions) -> COCOeval_faster:
    """Return the finished evaluation of `coco_contents`.

    Raises:
        InputError: other joints, unknown frames, nobody to score, or no sigmas.
    """
    truth, results = coco_contents(dataset, predictions)
    evaluation = COCOeval_faster(
        COCO(truth),
        COCO(results),
        "keypoints",
        kpt_oks_sigmas=dataset.keypoint_set.require_sigmas(),
        print_function=_silent,
    )
    evaluation.run()
    return evaluation


def coco_contents(
    dataset: PoseDataset, predictions: Predictions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return people and predictions as contents of COCO files, one category, for an evaluator.

    Image i + 1 is the i-th frame by id (see `frames_by_id`); person and prediction i have id i + 1.

    Raises:
        InputError: other joints, unknown frames, nobody to score, or no sigmas.
    """
    count = len(dataset.keypoint_set)
    if predictions.keypoints.shape[1] != count:
        raise InputError(
            f"predicted poses have {predictions.keypoints.shape[1]} joints, "
            f"but {dataset.keypoint_set.name!r} has {count}"
        )
    if not countable_joints(dataset).any():
        raise InputError("no person has labelled keypoints, so there is nothing to score")
    dataset.keypoint_set.require_sigmas()
    ids = dataset.frames["id"].tolist()
    number = {ids[row]: place + 1 for place, row in enumerate(frames_by_id(dataset))}
    for frame_id in predictions.frame_ids.tolist():
        if frame_id not in number:
            raise InputError(f"a prediction is of image {frame_id!r}, which the data does not list")
    truth, results = _truth(dataset, number), _results(predictions, number)
    return _content(number, truth), _content(number, results)


def _truth(dataset: PoseDataset, number: dict[Any, int]) -> list[dict[str, Any]]:
    exact = exact_keypoints(dataset)
    labelled = (dataset.keypoints[..., 2] > 0).sum(axis=1)
    boxes = dataset.boxes
    columns = dataset.people[["frame_id", "area", "iscrowd"]].itertuples(index=False)
    return [
        {
            "id": row + 1,
            "image_id": number[frame_id],
            "category_id": 1,
            "keypoints": exact[row].ravel().tolist(),
            "num_keypoints": int(labelled[row]),
            "bbox": boxes[row].tolist(),
            "area": area,
            "iscrowd": iscrowd,
        }
        for row, (frame_id, area, iscrowd) in enumerate(columns)
    ]


def _results(predictions: Predictions, number: dict[Any, int]) -> list[dict[str, Any]]:
    keypoints = predictions.keypoints.astype(np.float64)
    boxes = _prediction_boxes(predictions)
    return [
        {
            "id": row + 1,
            "image_id": number[frame_id],
            "category_id": 1,
            "keypoints": keypoints[row].ravel().tolist(),
            "bbox": boxes[row].tolist(),
            "area": boxes[row, 2] * boxes[row, 3],
            "iscrowd": 0,
            "score": float(predictions.scores[row]),
        }
        for row, frame_id in enumerate(predictions.frame_ids.tolist())
    ]


def _prediction_boxes(predictions: Predictions) -> np.ndarray:
    """Return detection boxes (predictions, 4); the extent of the joints where there are none."""
    if predictions.boxes is not None:
        return np.asarray(predictions.boxes, dtype=np.float64)
    points = predictions.keypoints[..., :2].astype(np.float64)
    return np.concatenate([points.min(axis=1), np.ptp(points, axis=1)], axis=1)


def _content(number: dict[Any, int], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "images": [{"id": value} for value in number.values()],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }


def _silent(*_: object) -> None:
    """Print nothing of what the evaluator says about itself."""


def _stats(evaluation: COCOeval_faster) -> dict[str, Number]:
    values = [None if value < 0 else float(value) for value in evaluation.stats]
    return dict(zip(COCO_STATS, values, strict=True))


def _by_radius(
    dataset: PoseDataset,
    predictions: Predictions,
    evaluation: COCOeval_faster,
    right: np.ndarray,
    labelled: np.ndarray,
    edges: Sequence[float],
) -> list[dict[str, Any]]:
    """Return scores of each bin: people outside it are ignored, as COCO ignores other sizes."""
    sizes = dataset.frames[["width", "height"]].to_numpy(dtype=np.float64)
    radius = relative_radius(_middles(dataset.boxes), sizes[dataset.frame_rows])
    rows = pd.Index(dataset.frames["id"]).get_indexer(pd.Index(predictions.frame_ids))
    radius_of_prediction = relative_radius(_middles(_prediction_boxes(predictions)), sizes[rows])
    # The OKS of the first run stay; only what COCO calls the area range becomes a radius range.
    for annotation in evaluation.cocoGt.dataset["annotations"]:
        annotation["area"] = radius[annotation["id"] - 1]
    for annotation in evaluation.cocoDt.dataset["annotations"]:
        annotation["area"] = radius_of_prediction[annotation["id"] - 1]
    known = evaluation.ious
    evaluation.computeOks = lambda image, category: known[image, category]
    # Ranges of COCO are closed, ours half open.
    bins = list(zip(edges, [*edges[1:], np.inf], strict=True))
    evaluation.params.areaRng = [(low, np.nextafter(high, low)) for low, high in bins]
    evaluation.params.areaRngLbl = [str(low) for low, _ in bins]
    evaluation.evaluate()
    evaluation.accumulate()
    # precision: thresholds, recalls, categories, ranges, detections a frame
    precision = evaluation.eval["precision"][:, :, 0, :, 0]
    result = []
    for index, (low, high) in enumerate(bins):
        inside = (radius >= low) & (radius < high)
        counted = labelled & inside[:, None]
        values = precision[:, :, index]
        result.append(
            {
                "from": float(low),
                "to": None if np.isinf(high) else float(high),
                "people": int(counted.any(axis=1).sum()),
                "AP": float(values.mean()) if (values >= 0).all() else None,
                "PCK": _share(right, counted),
            }
        )
    return result


def _middles(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, :2] + boxes[:, 2:] / 2


def _share(values: np.ndarray, counted: np.ndarray) -> Number:
    return float(values[counted].mean()) if counted.any() else None
