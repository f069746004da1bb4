"""OKS, OKS suppression and COCO evaluation against the recorded reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.keypoints import convert_keypoints, get_keypoint_set
from wepdtof_pose.scores.coco import coco_scores
from wepdtof_pose.scores.oks import oks_matrix, oks_nms, pose_oks
from wepdtof_pose.scores.predictions import Predictions, from_results, rescore, suppress

JOINTS = get_keypoint_set("wepdtof-pose-14")
PIPELINES = ["in_vis_0.2_oks_0.9", "in_vis_0.6_oks_0.05"]


@pytest.fixture(scope="module")
def folder(golden_dir: Path) -> Path:
    return golden_dir / "f10_eval"


def stats(truth: Path, predictions: Predictions) -> list[float]:
    """The ten statistics with pycocotools' -1 for what is not defined."""
    scores = coco_scores(coco.read(truth, keypoint_set=JOINTS), predictions)
    return [-1 if value is None else value for value in scores.values()]


def detections(folder: Path, name: str) -> Predictions:
    dataset = coco.read(folder / f"gt_{name}.json", keypoint_set=JOINTS)
    return from_results(read_json(folder / f"dt_{name}.json"), dataset, source=name)


@pytest.mark.parametrize("name", ["nocrowd", "crowd"])
def test_oks_matrices(folder: Path, name: str) -> None:
    annotations = read_json(folder / f"gt_{name}.json")["annotations"]
    found = detections(folder, name)
    for image, expected in read_json(folder / f"expected_{name}.json")["oks_by_image"].items():
        people = [a for a in annotations if a["image_id"] == int(image)]
        rows = np.flatnonzero(found.frame_ids == int(image))
        rows = rows[np.argsort(-found.scores[rows], kind="stable")]
        boxes = np.array([a["bbox"] for a in people])
        oks = oks_matrix(
            found.keypoints[rows],
            np.array([a["keypoints"] for a in people]).reshape(len(people), -1, 3),
            boxes[:, 2] * boxes[:, 3] * 0.53,
            boxes,
            JOINTS.require_sigmas(),
        )
        np.testing.assert_allclose(oks, expected, atol=1e-12, err_msg=image)


def test_suppression(folder: Path) -> None:
    found = detections(folder, "nocrowd")
    assert found.boxes is not None
    areas = found.boxes[:, 2] * found.boxes[:, 3]
    sigmas = JOINTS.require_sigmas()
    for recorded in read_json(folder / "expected_nocrowd.json")["nms"]:
        rows = np.flatnonzero(found.frame_ids == recorded["image_id"])
        keypoints, scores = found.keypoints[rows], found.scores[rows]
        for threshold in (0.9, 0.5, 0.05):
            kept = oks_nms(keypoints, scores, areas[rows], sigmas, threshold)
            assert kept.tolist() == recorded[f"keep_{threshold}"], recorded["image_id"]
        similarity = pose_oks(keypoints, areas[rows], sigmas)
        np.testing.assert_allclose(similarity[0, 1:], recorded["oks_first_vs_rest"], atol=1e-12)


def test_stats_without_crowds_equal_the_reference(folder: Path) -> None:
    found = stats(folder / "gt_nocrowd.json", detections(folder, "nocrowd"))
    expected = read_json(folder / "expected_nocrowd.json")
    assert found == expected["stats"]
    assert found == expected["plain_pycocotools_stats_with_area_0.53wh"]


def test_stats_with_crowds_are_those_of_public_coco(folder: Path) -> None:
    """The reference never lets several detections match one crowd; COCO's rule does, and so we."""
    found = stats(folder / "gt_crowd.json", detections(folder, "crowd"))
    expected = read_json(folder / "expected_crowd.json")
    assert found == expected["plain_pycocotools_stats_with_area_0.53wh"]
    if not expected["plain_identical"]:
        assert found != expected["stats"]


@pytest.mark.parametrize("name", PIPELINES)
def test_rescoring_suppression_and_stats(folder: Path, name: str) -> None:
    with np.load(folder / "pipeline_inputs.npz") as content:
        inputs: dict[str, Any] = dict(content)
    _, _, joint_threshold, _, oks_threshold = name.split("_")
    boxes = inputs["all_boxes"]
    union = get_keypoint_set("union-24")
    found = Predictions(
        frame_ids=inputs["image_id"].astype(object),
        keypoints=convert_keypoints(inputs["preds"], union, JOINTS),
        scores=boxes[:, 5],
        boxes=boxes[:, 6:10],
    )
    found = rescore(found, float(joint_threshold))
    found = suppress(found, boxes[:, 4], JOINTS.require_sigmas(), float(oks_threshold))

    expected = read_json(folder / "pipeline_expected.json")[name]
    assert len(found) == expected["n_kept"]
    assert found.frame_ids.tolist() == expected["kept_image_id"]
    np.testing.assert_allclose(found.scores, expected["kept_score"], rtol=1e-6)
    np.testing.assert_allclose(
        found.keypoints[:, 0, :2], expected["kept_first_joint_xy"], rtol=1e-6
    )
    assert stats(folder / "pipeline_gt.json", found) == expected["stats"]
