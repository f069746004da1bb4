import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wepdtof_pose.scores.rotated_boxes import (
    average_precision,
    best_threshold,
    ranked_hits,
    rotated_iou,
)


def random_boxes(rng: np.random.Generator, count: int, *, angle: bool = True) -> np.ndarray:
    middles = rng.uniform(0, 200, (count, 2))
    sides = rng.uniform(10, 80, (count, 2))
    turns = rng.uniform(-180, 180, (count, 1)) if angle else np.zeros((count, 1))
    return np.concatenate([middles, sides, turns], axis=1)


def by_opencv(a: np.ndarray, b: np.ndarray) -> float:
    """OpenCV's rotated rectangles: its angle is clockwise too, its width along x."""
    shapes = [((x[0], x[1]), (x[2], x[3]), x[4]) for x in (a, b)]
    kind, points = cv2.rotatedRectangleIntersection(*shapes)
    inner = 0.0 if kind == 0 else cv2.contourArea(cv2.convexHull(points))
    return inner / (a[2] * a[3] + b[2] * b[3] - inner)


def test_overlap_is_opencvs() -> None:
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 40), random_boxes(rng, 30)
    expected = [[by_opencv(a, b) for b in second] for a in first]
    np.testing.assert_allclose(rotated_iou(first, second), expected, atol=2e-4)


def test_overlap_far_out_on_a_large_frame() -> None:
    box = [[1e5, 1e5, 20.0, 40.0, 30.0]]
    moved = [[1e5 + 1, 1e5, 20.0, 40.0, 30.0]]
    near = rotated_iou([[0, 0, 20.0, 40.0, 30.0]], [[1, 0, 20.0, 40.0, 30.0]])
    np.testing.assert_allclose(rotated_iou(box, moved), near, atol=1e-4)


def test_half_a_turn_changes_nothing() -> None:
    boxes = random_boxes(np.random.default_rng(1), 5)
    turned = boxes + np.array([0, 0, 0, 0, 180])
    np.testing.assert_allclose(np.diag(rotated_iou(boxes, turned)), 1, atol=1e-4)


def test_nobody_overlaps_nobody() -> None:
    assert rotated_iou(np.zeros((0, 5)), [[0, 0, 1, 1, 0]]).shape == (0, 1)


def test_each_person_is_hit_once_by_the_best_scored_box() -> None:
    person = [[50.0, 50.0, 20.0, 40.0, 10.0]]
    twice = [[50.0, 50.0, 20.0, 40.0, 10.0, 0.6], [51.0, 50.0, 20.0, 40.0, 10.0, 0.9]]
    elsewhere = [[500.0, 50.0, 20.0, 40.0, 10.0, 0.7]]
    found = [np.array(twice), np.array(elsewhere)]
    scores, hits = ranked_hits(found, [np.array(person), np.zeros((0, 5))])
    assert scores.tolist() == [0.9, 0.7, 0.6]
    assert hits.tolist() == [True, False, False]
    assert best_threshold(scores, hits, 1) == 0.9
    assert best_threshold(np.zeros(0), np.zeros(0, bool), 1) == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_average_precision_is_pycocotools(seed: int) -> None:
    """Upright boxes are both rotated boxes and COCO's."""
    rng = np.random.default_rng(seed)
    truth, found, annotations, results = [], [], [], []
    for frame in range(1, 9):
        true = random_boxes(rng, int(rng.integers(0, 7)), angle=False)
        guesses = np.concatenate([true + rng.normal(0, 5, true.shape) * [1, 1, 1, 1, 0]] * 2)
        guesses = np.concatenate([guesses, random_boxes(rng, 3, angle=False)])
        guesses[:, 2:4] = np.maximum(guesses[:, 2:4], 5)
        scores = rng.permutation(len(guesses))[:, None] / 100 + frame / 10_000
        truth.append(true)
        found.append(np.concatenate([guesses, scores], axis=1))
        for cx, cy, w, h, _ in true:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": frame,
                    "category_id": 1,
                    "bbox": [cx - w / 2, cy - h / 2, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        for cx, cy, w, h, _, score in found[-1]:
            box = [cx - w / 2, cy - h / 2, w, h]
            results.append({"image_id": frame, "category_id": 1, "bbox": box, "score": score})
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": frame, "width": 300, "height": 300} for frame in range(1, 9)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert average_precision(found, truth) == pytest.approx(evaluation.stats[1], abs=1e-9)


def test_average_precision_refuses_what_it_cannot_count() -> None:
    with pytest.raises(ValueError, match="0 true boxes"):
        average_precision([np.zeros((0, 6))], [np.zeros((0, 5))])
    with pytest.raises(ValueError, match="2 frames"):
        average_precision([np.zeros((0, 6))] * 2, [np.ones((1, 5))])


def test_nothing_found_is_0() -> None:
    assert average_precision([np.zeros((0, 6))], [np.ones((1, 5))]) == 0
