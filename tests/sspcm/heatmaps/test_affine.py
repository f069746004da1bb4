import math

import numpy as np
import pytest
import torch

from sspcm.heatmaps.affine import (
    heatmap_matrices,
    invert,
    transform_points,
    view_matrices,
    warp,
    warp_normalised,
)
from sspcm.heatmaps.decoding import argmax_positions, shift_positions
from sspcm.heatmaps.targets import gaussian_targets

CROP = (192, 256)
ROTATIONS = [-60.0, -30.0, 0.0, 30.0, 90.0]


def matrices(scale: float, rotation: float, size: tuple[int, int] = CROP) -> torch.Tensor:
    return view_matrices(torch.tensor([scale]).double(), torch.tensor([rotation]), size)


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("scale", [0.75, 1.0, 1.25])
def test_a_view_is_a_rotation_and_a_zoom_without_shear(scale, rotation):
    singular = torch.linalg.svdvals(matrices(scale, rotation)[0, :, :2])
    torch.testing.assert_close(singular, torch.full((2,), scale).double(), atol=1e-6, rtol=0)


def test_identity_leaves_every_pixel():
    images = torch.rand(2, 3, 16, 12)
    same = warp(images, matrices(1.0, 0.0, (12, 16)).expand(2, -1, -1), (12, 16))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_a_shift_by_a_pixel_is_exact_and_black_outside():
    images = torch.rand(1, 1, 5, 7)
    shift = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    warped = warp(images, shift, (7, 5))
    torch.testing.assert_close(warped[..., :-1], images[..., 1:], atol=1e-5, rtol=0)
    assert warped[..., -1].abs().max() < 1e-5


def test_a_quarter_turn_moves_the_corner_pixel():
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 0, 0] = 1
    # Output to input: the output's corner (4, 0) shows the input's corner (0, 0) or (4, 4).
    warped = warp(image, matrices(1.0, 90.0, (5, 5)), (5, 5))
    assert warped.flatten().argmax() in (4, 20)
    assert warped.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_warped_heatmap_peaks_at_the_warped_joint(scale, rotation):
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(1, 20, 2, generator=generator) * torch.tensor([96.0, 128.0])
    joints += torch.tensor([48.0, 64.0])
    maps, _ = gaussian_targets(joints, torch.ones(1, 20), (48, 64), sigma=2)
    to_input = matrices(scale, rotation)
    warped = warp(maps, heatmap_matrices(to_input), (48, 64))
    # The map's own peak is the joint to the nearest heatmap pixel: that is what moves.
    peaks = transform_points(argmax_positions(maps)[0].double() * 4, invert(to_input)) / 4
    maxima = argmax_positions(warped)[0]
    decoded = shift_positions(warped, maxima).double()
    inside = ((peaks > 2) & (peaks < torch.tensor([45.0, 61.0]))).all(dim=-1)
    assert inside.sum() >= 5
    assert (decoded - peaks)[inside].abs().max() <= 0.5
    # The bare maximum: where a peak falls between two pixels, bilinear resampling of the Gaussian
    # can tip the balance to the farther one by a few hundredths.
    error = (maxima.double() - peaks)[inside].abs().amax(dim=-1)
    assert error.max() <= 0.6
    assert (error <= 0.5).double().mean() >= 0.8


def test_inverse_and_points():
    forth = matrices(1.2, 25.0)
    points = torch.rand(1, 6, 2).double() * 100
    back = transform_points(transform_points(points, forth), invert(forth))
    torch.testing.assert_close(back, points)


def test_released_warp_shears_a_tall_crop():
    theta = torch.tensor([[math.cos(0.5), math.sin(0.5), 0], [-math.sin(0.5), math.cos(0.5), 0]])
    image = torch.zeros(1, 1, 64, 48)
    image[0, 0, 32, 36] = 1
    warped = warp_normalised(image, theta[None])
    row, column = np.unravel_index(int(warped.argmax()), (64, 48))
    # A true rotation would keep the distance of 12.5 pixels from the centre.
    assert abs(math.hypot(column - 23.5, row - 31.5) - 12.5) > 0.4
