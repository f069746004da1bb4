from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set
from wepdtof_pose.scores.coco import COCO_STATS, RADIUS_EDGES, coco_contents, coco_scores, score
from wepdtof_pose.scores.people import head_sizes, match_people
from wepdtof_pose.scores.predictions import Predictions, predictions_of_people

PAIR = KeypointSet("pair", ("head_top", "neck"), (), (), (0.1, 0.1))

# Boxes of 40 x 90: their size is 60, a joint is right within 12 pixels (6 by a head of 12).
CENTERS = np.array([[200.0, 200.0], [299.5, 299.5], [540.0, 299.5], [299.5, 20.0]])


def make_dataset(
    *, iscrowd: tuple[int, ...] = (0, 0, 0, 0), area: float = 3600.0, ids: tuple = ("f", 3)
) -> PoseDataset:
    """Four people with a vertical head of 12 pixels at the middle of their boxes."""
    keypoints = np.full((4, 2, 3), 2, dtype=np.float32)
    keypoints[..., :2] = CENTERS[:, None]
    keypoints[:, 1, 1] += 12
    return PoseDataset(
        frames=make_frames(
            id=list(ids), file_name=["f.jpg", "3.jpg"], width=[600, 600], height=[600, 600]
        ),
        people=make_people(
            id=[1, 2, 3, 4],
            frame_id=[ids[0], ids[0], ids[0], ids[1]],
            x=CENTERS[:, 0] - 20,
            y=CENTERS[:, 1] - 45,
            w=[40] * 4,
            h=[90] * 4,
            area=[area] * 4,
            iscrowd=list(iscrowd),
        ),
        keypoints=keypoints,
        keypoint_set=PAIR,
        root=Path(),
    )


def predict(dataset: PoseDataset, *offsets: float) -> Predictions:
    """Poses on all people, moved right by these pixels, with falling scores."""
    keypoints = dataset.keypoints.copy()
    keypoints[..., 0] += np.array(offsets, dtype=np.float32)[:, None]
    return predictions_of_people(dataset, keypoints, scores=np.linspace(0.9, 0.6, len(offsets)))


def test_perfect_predictions_score_one() -> None:
    dataset = make_dataset()
    result = score(dataset, predict(dataset, 0, 0, 0, 0), radius_edges=RADIUS_EDGES)
    for name in ("AP", "AP50", "AP75", "AP_M", "AR", "AR_M"):
        assert result[name] == pytest.approx(1), name
    assert result["AP_L"] is None
    assert result["AR_L"] is None
    assert result["PCK@0.2"] == result["PCKh@0.5"] == 1
    assert result["per_joint"]["neck"] == {"PCK": 1, "OKS": pytest.approx(1), "labelled": 4}
    assert (result["sigma_set"], result["area_rule"]) == ("pair", "annotated")
    assert (result["people"], result["matched_people"], result["predictions"]) == (4, 4, 4)
    # The centres lie 0.47, 0, 0.80 and 0.93 of the rim from the image centre.
    assert [row["people"] for row in result["by_radius"]] == [1, 1, 0, 2, 0]
    assert [row["AP"] for row in result["by_radius"]] == [
        pytest.approx(1),
        pytest.approx(1),
        None,
        pytest.approx(1),
        None,
    ]
    assert result["by_radius"][-1] == {
        "from": 1,
        "to": None,
        "people": 0,
        "AP": None,
        "PCK": None,
    }


def test_pck_counts_distances_up_to_the_threshold() -> None:
    dataset = make_dataset()
    result = score(dataset, predict(dataset, 12.0, 12.5, 6.0, 6.5))
    assert result["PCK@0.2"] == 0.75
    assert result["PCKh@0.5"] == 0.25
    assert score(dataset, predict(dataset, 12.0, 12.5, 6.0, 6.5), pck_threshold=0.1)[
        "PCK@0.1"
    ] == pytest.approx(0.25)


def test_pckh_holds_all_joints_against_the_length_from_head_top_to_upper_neck() -> None:
    joints = get_keypoint_set("mpii-16")
    dataset = make_dataset()
    keypoints = np.full((4, 16, 3), 2, dtype=np.float32)
    keypoints[..., :2] = CENTERS[:, None]
    # 20 pixels to the thorax are no head; 12 to the upper neck are.
    keypoints[:, joints.joints.index("upper_neck"), 1] += 12
    keypoints[:, joints.joints.index("thorax"), 1] += 20
    dataset = replace(dataset, keypoints=keypoints, keypoint_set=joints)
    assert head_sizes(dataset).tolist() == [12] * 4
    moved = keypoints.copy()
    moved[:, joints.joints.index("pelvis"), 0] += 6.5
    assert score(dataset, predictions_of_people(dataset, moved))["PCKh@0.5"] == 15 / 16


def test_unlabelled_joints_and_crowds_do_not_count() -> None:
    dataset = make_dataset(iscrowd=(1, 0, 0, 0))
    dataset.keypoints[1, 1, 2] = 0
    result = score(dataset, predict(dataset, 50, 0, 0, 50))
    assert result["per_joint"]["head_top"]["labelled"] == 3
    assert result["per_joint"]["neck"]["labelled"] == 2
    assert result["PCK@0.2"] == pytest.approx(3 / 5)
    assert result["PCKh@0.5"] == pytest.approx(2 / 4)


def test_missed_people_lower_ar_and_pck() -> None:
    dataset = make_dataset()
    found = predict(dataset, 0, 0, 0, 0).select(np.array([0, 1]))
    result = score(dataset, found)
    assert result["AR"] == 0.5
    assert result["PCK@0.2"] == 0.5
    assert result["per_joint"]["neck"]["OKS"] == pytest.approx(0.5)
    # COCO reads precision at 101 recalls, of which 51 lie in 0 .. 0.5.
    assert result["AP"] == pytest.approx(51 / 101)


def test_ap_counts_the_thresholds_that_oks_reaches() -> None:
    # An OKS of 0.72 passes 0.50, 0.55, 0.60, 0.65 and 0.70.
    distance = np.sqrt(-np.log(0.72) * 2 * 3600) * 0.2
    dataset = make_dataset()
    result = score(dataset, predict(dataset, *[distance] * 4))
    assert result["AP"] == pytest.approx(0.5)
    assert result["AP50"] == pytest.approx(1)
    assert result["AP75"] == 0
    assert result["per_joint"]["head_top"]["OKS"] == pytest.approx(0.72, abs=1e-5)


def test_no_predictions_score_zero() -> None:
    dataset = make_dataset()
    nothing = predict(dataset, 0, 0, 0, 0).select(np.zeros(4, dtype=bool))
    result = score(dataset, replace(nothing, people=None), radius_edges=(0, 0.5))
    assert result["AP"] == result["AR"] == result["PCK@0.2"] == 0
    assert [row["AP"] for row in result["by_radius"]] == [0, 0]


def test_detections_are_matched_by_oks() -> None:
    dataset = make_dataset()
    rows = np.array([0, 3, 0, 2, 1])
    found = replace(predict(dataset, 5, 0, 0, 0).select(rows), people=None, boxes=None)
    found.keypoints[2, :, 0] -= 4  # a better pose of the first person
    result = score(dataset, found)
    assert match_people(dataset, found).tolist() == [2, 4, 3, 1]
    assert result["matched_people"] == 4
    assert result["predictions"] == 5
    assert result["PCK@0.2"] == 1
    assert result["AP"] < 1


def test_only_the_bin_of_a_wrong_pose_suffers() -> None:
    dataset = make_dataset()
    result = score(dataset, predict(dataset, 0, 0, 100, 0), radius_edges=RADIUS_EDGES)
    by_bin = {row["from"]: (row["AP"], row["PCK"]) for row in result["by_radius"]}
    assert by_bin[0] == (pytest.approx(1), 1)
    assert by_bin[0.25] == (pytest.approx(1), 1)
    assert by_bin[0.75] == (pytest.approx((51 / 101) * 0.5, abs=0.02), 0.5)


@pytest.mark.parametrize("ids", [("f", 3), (10**12, -4), ("9", "10"), (3, "3")])
def test_image_ids_of_any_kind(ids: tuple) -> None:
    dataset = make_dataset(ids=ids)
    assert coco_scores(dataset, predict(dataset, 0, 1, 2, 3)) == coco_scores(
        make_dataset(), predict(make_dataset(), 0, 1, 2, 3)
    )


def test_scoring_is_silent_and_fits_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dataset = make_dataset()
    result = score(dataset, predict(dataset, 0, 30, 2, 3), radius_edges=RADIUS_EDGES)
    write_json(tmp_path / "result.json", result)
    assert capsys.readouterr().out == ""
    assert set(COCO_STATS) < set(result)


def test_area_rules_are_named() -> None:
    dataset = make_dataset(area=np.nan)
    found = predict(dataset, 0, 0, 0, 0)
    assert score(dataset, found)["area_rule"] == "0.53 w h"
    dataset.people.loc[0, "area_from_box"] = False
    assert score(dataset, found)["area_rule"] == "annotated, else 0.53 w h"


def test_what_cannot_be_scored_is_refused() -> None:
    dataset = make_dataset()
    found = predict(dataset, 0, 0, 0, 0)
    with pytest.raises(InputError, match="2 joints, but 'lsp-14' has 14"):
        score(dataset.with_keypoint_set(get_keypoint_set("lsp-14")), found)
    with pytest.raises(InputError, match="image 'x', which"):
        score(dataset, replace(found, frame_ids=np.array(["f", "f", "f", "x"], dtype=object)))
    with pytest.raises(InputError, match="nothing to score"):
        score(make_dataset(iscrowd=(1, 1, 1, 1)), found)
    with pytest.raises(InputError, match="no OKS sigmas"):
        score(replace(dataset, keypoint_set=KeypointSet("bare", PAIR.joints, ())), found)


@pytest.mark.parametrize("seed", range(5))
def test_ap_and_ar_are_those_of_pycocotools(seed: int) -> None:
    """With misses, false positives, equal scores, crowds, and people of every size."""
    rng = np.random.default_rng(seed)
    frames, people = 20, 60
    keypoints = rng.uniform(0, 500, (people, 1, 2)) + rng.normal(0, 40, (people, 14, 2))
    joint_set = get_keypoint_set("wepdtof-pose-14")
    visibility = rng.integers(0, 3, (people, 14, 1))
    dataset = PoseDataset(
        frames=make_frames(
            id=range(frames),
            file_name=[f"{row}.jpg" for row in range(frames)],
            width=[600] * frames,
            height=[600] * frames,
        ),
        people=make_people(
            id=range(people),
            frame_id=rng.integers(0, frames, people),
            x=rng.uniform(0, 400, people),
            y=rng.uniform(0, 400, people),
            w=rng.uniform(5, 200, people),
            h=rng.uniform(5, 200, people),
            area=rng.uniform(20, 20000, people),
            iscrowd=rng.uniform(size=people) < 0.1,
        ),
        keypoints=np.concatenate([keypoints.round(2), visibility], axis=2).astype(np.float32),
        keypoint_set=joint_set,
        root=Path(),
    )
    of = rng.integers(0, people, 80)
    poses = dataset.keypoints[of].astype(np.float64)
    poses[..., :2] += rng.normal(0, 8, (80, 14, 2)) * rng.uniform(0, 2, (80, 1, 1))
    predictions = Predictions(
        frame_ids=dataset.people["frame_id"].to_numpy(dtype=object)[of],
        keypoints=poses,
        scores=rng.integers(0, 10, 80) / 10,
    )
    truth, results = coco_contents(dataset, predictions)
    evaluation = COCOeval(indexed(truth), indexed(results), "keypoints")
    evaluation.params.kpt_oks_sigmas = joint_set.require_sigmas()
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    expected = [None if value < 0 else value for value in evaluation.stats.tolist()]
    # The means are taken in another order: the last bit may differ.
    assert list(coco_scores(dataset, predictions).values()) == [
        None if value is None else pytest.approx(value, rel=1e-14) for value in expected
    ]
    assert 0 < expected[0] < 1


def indexed(content: dict) -> COCO:
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    return coco
