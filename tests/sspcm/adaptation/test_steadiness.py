"""Position inconsistency of one network over views of the same people."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sspcm.adaptation.steadiness import box_roots, position_inconsistency, steadiness
from sspcm.config import EvaluationConfig
from sspcm.hardware import choose_hardware
from sspcm.inference.networks import FixedNetworks, TrainedNetworks
from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.keypoints import get_keypoint_set

JOINTS = get_keypoint_set("wepdtof-pose-14")


class BrightSpot(nn.Module):
    """Heatmaps that are the picture's brightness: every joint is where it is brightest.

    `drift` moves the right half's spot: what is seen there is put elsewhere.
    """

    def __init__(self, drift: int = 0) -> None:
        super().__init__()
        self.drift = drift

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = functional.interpolate(images.mean(dim=1, keepdim=True), scale_factor=0.25)
        maps = (maps - maps.amin()).clamp(min=0)
        if self.drift:
            half = maps.shape[3] // 2
            moved = maps[:, :, :, half:].roll(self.drift, dims=2)
            maps = torch.cat([maps[:, :, :, :half], moved], dim=3)
        return maps.expand(-1, len(JOINTS), -1, -1)


def networks(drift=0):
    return TrainedNetworks(
        method=FixedNetworks({"A": BrightSpot(drift)}),
        keypoint_set=JOINTS,
        crop_size=(64, 64),
        bgr=False,
        evaluation=EvaluationConfig(decoding="dark"),
        hardware=choose_hardware("cpu", "float32"),
        config=None,
        record={"source": "a bright spot", "recipe": "corrected"},
    )


@pytest.fixture
def people(tmp_path):
    """A white spot on black in each of two boxes."""
    image = np.zeros((200, 300, 3), np.uint8)
    for center in ((110, 100), (215, 90)):
        cv2.circle(image, center, 9, (255, 255, 255), -1)
    image = cv2.GaussianBlur(image, (0, 0), 4)
    cv2.imwrite(str(tmp_path / "frame.png"), image)
    return PoseDataset(
        frames=make_frames(id=[1], file_name=["frame.png"], width=[300], height=[200]),
        people=make_people(
            id=[1, 2], frame_id=[1, 1], x=[50, 160], y=[40, 40], w=[100, 100], h=[100, 100]
        ),
        keypoints=np.zeros((2, len(JOINTS), 3), np.float32),
        keypoint_set=JOINTS,
        root=tmp_path,
    )


def test_a_network_that_says_the_same_of_all_views_is_steady(people):
    found = steadiness(networks(), people)
    np.testing.assert_allclose(found.keypoints[0, :, :2], [[110, 100]] * 14, atol=1)
    np.testing.assert_allclose(found.keypoints[1, :, :2], [[215, 90]] * 14, atol=1)
    assert found.mean_inconsistency < 0.015


def test_one_that_puts_what_lies_right_elsewhere_is_not(people):
    assert steadiness(networks(drift=5), people).mean_inconsistency > 0.1


def test_inconsistency_is_the_mean_distance_of_two_views_over_the_box():
    views = np.zeros((3, 1, 2, 2))
    views[1, 0, 0] = [30, 40]
    found = position_inconsistency(views, np.array([100.0]))
    np.testing.assert_allclose(found, [[(0.5 + 0 + 0.5) / 3, 0]])


def test_the_root_is_that_of_the_rotated_box_where_it_is_known(people):
    people.people.loc[1, ["rotated_w", "rotated_h"]] = [20.0, 80.0]
    assert box_roots(people).tolist() == [100, 40]
