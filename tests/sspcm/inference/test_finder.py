from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from sspcm.data.normalisation import denormalise
from sspcm.hardware import choose_hardware
from sspcm.inference.finder import Finder, open_finder, without_doubles
from sspcm.networks.finder import CHANNELS, STRIDE, FinderNet, finder_targets
from sspcm.training.finder import write_finder
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.scores.rotated_boxes import rotated_iou

# It stands along the radius of the frame that `painted` gives, as people below a ceiling camera do.
BOX = np.array([176.4, 63.3, 40.0, 90.0, 25.0])


class ByColour(FinderNet):
    """Finds what is painted: a body in red, its head in blue."""

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of one box around red and blue, head towards blue."""
        pixels = denormalise(x)[0].permute(1, 2, 0).numpy()
        size = (x.shape[3] // STRIDE, x.shape[2] // STRIDE)
        red, blue = pixels[..., 0] > 128, pixels[..., 2] > 128
        body, head = (np.argwhere(mask)[:, ::-1].mean(axis=0) for mask in (red | blue, blue))
        up = (head - body) / np.linalg.norm(head - body)
        points = np.argwhere(red | blue)[:, ::-1]
        across = np.array([-up[1], up[0]])
        box = (*body, np.ptp(points @ across), np.ptp(points @ up), angle_of(up))
        maps = torch.from_numpy(finder_targets(np.array([box]), size)[:CHANNELS])[None]
        maps[:, 0] = torch.logit(maps[:, 0].clamp(1e-4, 0.99))
        return maps


def angle_of(up: np.ndarray) -> float:
    return float(np.rad2deg(np.arctan2(up[0], -up[1])))


def painted(size: tuple[int, int] = (320, 200)) -> np.ndarray:
    """A frame (width, height) with the person `BOX`, BGR."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    corners = rotated_box_corners(BOX)
    cv2.fillConvexPoly(image, np.rint(corners).astype(np.int32), (0, 0, 255))
    top = np.array([corners[0], corners[1], *(corners[[1, 0]] * 0.7 + corners[[2, 3]] * 0.3)])
    cv2.fillConvexPoly(image, np.rint(top).astype(np.int32), (255, 0, 0))
    return image


@pytest.mark.parametrize("turns", [1, 2, 4])
@pytest.mark.parametrize("side", [320, 256, 512])
def test_boxes_are_of_the_image_whatever_the_side_and_the_turns(turns: int, side: int) -> None:
    finder = Finder(ByColour(width=8), choose_hardware("cpu", "float32"), side=side, turns=turns)
    (found,) = finder.find([painted()])
    assert len(found) == 1
    np.testing.assert_allclose(found[0, :2], BOX[:2], atol=1.5)
    np.testing.assert_allclose(found[0, 2:4], BOX[2:4], atol=4)
    assert found[0, 4] == pytest.approx(BOX[4], abs=3)
    assert found[0, 5] > 0.9


def test_heads_are_away_from_the_middle_of_the_image() -> None:
    finder = Finder(ByColour(width=8), choose_hardware("cpu", "float32"), side=320)
    frame = painted()
    upside_down = np.ascontiguousarray(np.rot90(frame, 2))
    angles = [finder.find([image])[0][0, 4] for image in (frame, upside_down)]
    assert angles == pytest.approx([BOX[4], BOX[4] - 180], abs=3)


def test_each_image_has_its_own_people() -> None:
    finder = Finder(ByColour(width=8), choose_hardware("cpu", "float32"), side=320)
    # In both the person stands along the radius.
    one, two = finder.find([painted(), painted((278, 291))])
    np.testing.assert_allclose(one[0, :5], two[0, :5], atol=3)


def test_doubles_go_and_neighbours_stay() -> None:
    boxes = np.array([[0, 0, 10, 20, 0, 0.9], [1, 0, 10, 20, 0, 0.8], [30, 0, 10, 20, 0, 0.7]])
    assert without_doubles(boxes)[:, 5].tolist() == [0.9, 0.7]


def test_several_looks_at_a_person_are_averaged() -> None:
    boxes = np.array(
        [
            [10, 0, 10, 40, 83, 0.9],
            [12, 0, 10, 40, -83, 0.9],  # 14 degrees from the first, across the horizontal
            [100, 0, 10, 40, 0, 0.7],
            [115, 0, 40, 40, 0, 0.6],  # overlaps the one before by less than half
        ]
    )
    found = without_doubles(boxes, average=True)
    iou = rotated_iou(boxes[:1, :5], boxes[1:2, :5])[0, 0]
    assert 0.5 < iou < 0.9
    np.testing.assert_allclose(found[0, 0], (10 + 12 * iou) / (1 + iou))
    np.testing.assert_allclose(found[0, 4], 90 - 7 * (1 - iou) / (1 + iou), atol=1)
    # Looks that do not agree on the direction make the box squarer, of the same area.
    assert found[0, 2] * found[0, 3] == pytest.approx(400)
    assert 10 < found[0, 2] < 12
    assert found[0, 5] == 0.9
    np.testing.assert_allclose(found[1:, :], boxes[2:, :])


def test_written_finders_are_opened(tmp_path: Path) -> None:
    network = FinderNet(width=8, generator=torch.Generator().manual_seed(0))
    file = tmp_path / "finder.pt"
    write_finder(network, file)
    finder = open_finder(file, device="cpu", threshold=0.0)
    assert finder.source == str(file)
    assert not finder.network.training
    found = replace(finder, side=64).find([painted()])[0]
    assert found.shape[1] == 6
    assert np.isfinite(found).all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    poses = tmp_path / "poses.pt"
    torch.save({"conv1.weight": torch.zeros(4, 3, 3, 3)}, poses)
    with pytest.raises(InputError, match="no network that finds people"):
        open_finder(poses)
    with pytest.raises(InputError, match="no such file"):
        open_finder(tmp_path / "none.pt")
    network = FinderNet(width=8)
    write_finder(network, poses)
    with pytest.raises(InputError, match="turns must be from 1 to 4"):
        open_finder(poses, turns=5)
    with pytest.raises(InputError, match="the side must be from 32 to 8192 pixels, not 99999"):
        open_finder(poses, side=99999)
    state = torch.load(poses, weights_only=True)["state_dict"]
    del state["final_layer.bias"]
    torch.save({"state_dict": state}, poses)
    with pytest.raises(InputError, match="finds no people"):
        open_finder(poses)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_thresholds_are_shares(threshold: float, tmp_path: Path) -> None:
    file = tmp_path / "finder.pt"
    write_finder(FinderNet(width=8, generator=torch.Generator().manual_seed(0)), file)
    with pytest.raises(InputError, match="threshold must be from 0 to 1"):
        open_finder(file, device="cpu", threshold=threshold)
