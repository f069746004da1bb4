"""Boxes are corrected by joints, and people in whom no joints are seen are none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sspcm.data.detections import frame_boxes
from sspcm.hardware import choose_hardware
from sspcm.inference.chain import joints_in
from sspcm.inference.finder import Finder
from sspcm.inference.refined import (
    SHARE,
    RefinedFinder,
    goes_on,
    larger,
    refined,
    spans_body,
    towards_joints,
)
from sspcm.model import Model, load
from sspcm.networks.finder import CHANNELS, STRIDE, FinderNet, finder_targets
from sspcm.ready.names import finder_for
from sspcm.training.finder import evaluate_finder
from wepdtof_pose.fisheye.body_boxes import body_boxes
from wepdtof_pose.formats import coco
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.images import read_image
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set
from wepdtof_pose.scores.rotated_boxes import rotated_iou
from wepdtof_pose.synthetic.generate import ANNOTATIONS, generate


@pytest.fixture(scope="module")
def model() -> Model:
    return load("ceiling-pose", device="cpu")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("office")
    generate(folder, people=40, seed=77, size=640, style="office", progress=False)
    return folder / ANNOTATIONS


class Told(FinderNet):
    """Finds the boxes that it was told of, with a score of 0.6."""

    def __init__(self, boxes: np.ndarray) -> None:
        super().__init__(width=8)
        self.boxes = boxes

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of these boxes."""
        size = (x.shape[3] // STRIDE, x.shape[2] // STRIDE)
        maps = torch.from_numpy(finder_targets(self.boxes, size)[:CHANNELS])[None]
        maps[:, 0] = torch.logit(maps[:, 0].clamp(1e-4, 1) * 0.6)
        return maps


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -145.0])
def test_edges_move_by_the_share_of_the_way_to_the_joints(angle: float) -> None:
    box = np.array([[200.0, 150.0, 40.0, 100.0, angle]])
    corners = rotated_box_corners(box)  # upper left, upper right, lower right, lower left
    joints = np.concatenate([corners, np.ones((1, 4, 1))], axis=2)
    moved = towards_joints(box, joints)
    spans = np.ptp(corners[0], axis=0)
    padding = 0.14 * np.sqrt(spans.prod())
    np.testing.assert_allclose(moved[0, :2], box[0, :2])
    np.testing.assert_allclose(moved[0, 2:4], box[0, 2:4] + 2 * SHARE * padding)
    assert moved[0, 4] == angle


def test_an_edge_moves_alone() -> None:
    box = np.array([[50.0, 50.0, 20.0, 60.0, 0.0]])
    joints = np.array([[[40, 20, 1], [60, 20, 1], [40, 60, 1], [60, 60, 1]]], dtype=np.float32)
    padding = 0.14 * np.sqrt(20 * 40)
    moved = towards_joints(box, joints)[0]
    top, bottom = moved[1] - moved[3] / 2, moved[1] + moved[3] / 2
    assert top == pytest.approx(20 - SHARE * padding)
    assert bottom == pytest.approx(80 + SHARE * (60 + padding - 80))


def test_a_box_that_gets_wide_is_a_square_of_that_area() -> None:
    joints = np.array([[[0, 0, 1], [80, 0, 1], [0, 20, 1], [80, 20, 1]]], dtype=np.float32)
    padding = 0.14 * np.sqrt(80 * 20)
    (moved,) = towards_joints(np.array([[40.0, 10.0, 40.0, 44.0, 0.0]]), joints)
    assert moved[2] == moved[3]
    assert moved[2] ** 2 == pytest.approx(
        (40 + SHARE * (80 + 2 * padding - 40)) * (44 + SHARE * (20 + 2 * padding - 44))
    )


@pytest.mark.parametrize("angle", [0.0, 60.0, -170.0])
def test_a_body_goes_on_where_the_larger_look_is_surer_of_a_joint_beyond(angle: float) -> None:
    box = np.array([[50.0, 50.0, 20.0, 60.0, angle]])
    turn = np.deg2rad(angle)
    down, across = np.array([-np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])

    def seen(way: np.ndarray, last: float, others: float = 0.6) -> np.ndarray:
        return np.array([[[50, 50, others], [*(box[0, :2] + way), last]]])

    first = seen(down * 20, 0.3)
    assert goes_on(box, first, seen(down * 40, 0.6)).tolist() == [True]
    assert goes_on(box, first, seen(-down * 40, 0.6)).tolist() == [True]
    assert goes_on(box, first, seen(down * 25, 0.6)).tolist() == [False]
    assert goes_on(box, first, seen(across * 25, 0.6)).tolist() == [False]
    assert goes_on(box, first, seen(down * 40, 0.35)).tolist() == [False]
    assert goes_on(box, first, seen(down * 40, 0.1, others=2.0)).tolist() == [False]


def test_a_person_found_in_two_halves_is_one(office: Path, model: Model) -> None:
    people = coco.read(office)
    true = body_boxes(people.keypoints, people.keypoint_set)
    # Somebody tall, all of whom is seen.
    seen = (people.keypoints[:, :, 2] == 2).all(axis=1) & ~np.isnan(true).any(axis=1)
    row = int(np.where(seen, true[:, 3], 0).argmax())
    image = read_image(people.root / people.frames["file_name"].iloc[people.frame_rows[row]])
    whole = true[row]
    turn = np.deg2rad(whole[4])
    down = np.array([-np.sin(turn), np.cos(turn)])
    halves = np.stack([whole, whole])
    halves[:, 3] *= 0.52
    halves[:, :2] += np.outer([-0.24, 0.24], down) * whole[3]
    halves[:, 2] = np.minimum(halves[:, 2], halves[:, 3])
    finder = Finder(Told(halves), choose_hardware("cpu", "float32"), side=640, threshold=0.3)
    (found,) = finder.find([image])
    assert len(found) == 2
    assert rotated_iou(found[:, :5], whole).max() < 0.55
    (kept,) = RefinedFinder(finder, model.networks).find([image])
    assert len(kept) == 1
    assert rotated_iou(kept[:, :5], whole)[0, 0] > 0.6


def test_what_points_up_is_up_in_the_first_look_too(office: Path, model: Model) -> None:
    people = coco.read(office)
    row = int(np.bincount(people.frame_rows).argmax())
    image = read_image(people.root / people.frames["file_name"].iloc[row])
    finder = finder_for(model.networks)
    assert isinstance(finder, RefinedFinder)
    radius, box = (replace(finder, up=up).find([image])[0] for up in ("radius", "box"))
    own = finder.find([image])[0]
    trained = model.networks.up
    np.testing.assert_array_equal(own, radius if trained == "radius" else box)
    assert radius.shape != box.shape or not np.allclose(radius, box)


def test_nobody_stays_nobody() -> None:
    assert towards_joints(np.zeros((0, 5)), np.zeros((0, 14, 3))).shape == (0, 5)


def test_boxes_of_drawn_people_get_nearer_to_the_true_ones(office: Path, model: Model) -> None:
    people = coco.read(office)
    alone = finder_for(model.networks, refine=False)
    both = finder_for(model.networks)
    assert isinstance(alone, Finder)
    assert isinstance(both, RefinedFinder)
    before, after = (evaluate_finder(finder, people) for finder in (alone, both))
    assert after["AP50"] > before["AP50"]
    assert after["precision"] > before["precision"]


def test_scores_are_geometric_means_and_none_is_below_the_threshold(
    office: Path, model: Model
) -> None:
    people = coco.read(office)
    row = int(np.bincount(people.frame_rows).argmax())
    image = read_image(people.root / people.frames["file_name"].iloc[row])
    true = body_boxes(people.keypoints, people.keypoint_set)[people.frame_rows == row]
    nobody = np.array([[60.0, 60.0, 30.0, 60.0, 0.0]])
    told = Told(np.concatenate([true[~np.isnan(true).any(axis=1)], nobody]))
    finder = Finder(told, choose_hardware("cpu", "float32"), side=640, threshold=0.4)
    (found,) = finder.find([image])
    (kept,) = RefinedFinder(finder, model.networks).find([image])
    assert 0 < len(kept) < len(found)
    assert (kept[:, 5] >= 0.4).all()
    assert (np.diff(kept[:, 5]) <= 0).all()
    wide = joints_in(model.networks, image, frame_boxes(larger(found[:, :5])))
    means = np.sqrt(found[:, 5] * wide[:, :, 2].mean(axis=1).clip(0, 1))
    np.testing.assert_allclose(kept[:, 5], np.sort(means[means >= 0.4])[::-1])


def test_networks_whose_joints_span_no_body_leave_boxes_as_they_are(model: Model) -> None:
    network = Told(np.zeros((0, 5)))
    finder = Finder(network, choose_hardware("cpu", "float32"))
    heads = KeypointSet("heads", ("head_top", "neck"), (), ())
    assert not spans_body(heads)
    assert refined(finder, replace(model.networks, keypoint_set=heads)) is finder
    assert spans_body(get_keypoint_set("coco-17"))


def test_other_finders_stay_as_they_are(model: Model) -> None:
    class Mine:
        def find(self, images: list[np.ndarray]) -> list[np.ndarray]:
            return [np.zeros((0, 6)) for _ in images]

    mine = Mine()
    assert refined(mine, model.networks) is mine
