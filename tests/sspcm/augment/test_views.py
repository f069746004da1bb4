from dataclasses import replace

import numpy as np
import pytest
import torch

from sspcm.augment.views import (
    EASY_VIEW,
    HARD_VIEW,
    ViewDraw,
    ViewStrength,
    draw_views,
    largest_shift,
    region_to_crop,
)
from sspcm.data.crop_places import CropPlaces
from sspcm.data.crop_store import region_size
from wepdtof_pose.geometry import crop_matrices, transform_points

CROP = (96, 128)


def test_draws_have_the_published_distribution():
    views = draw_views(20_000, EASY_VIEW, generator=torch.Generator().manual_seed(0))
    assert views.scale.min() >= 0.75
    assert views.scale.max() <= 1.25
    assert views.rotation.abs().max() <= 60
    assert (views.rotation != 0).float().mean().item() == pytest.approx(0.6, abs=0.02)
    assert views.flip.float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_hard_views_do_not_mirror_and_turn_more_often():
    views = draw_views(20_000, HARD_VIEW, generator=torch.Generator().manual_seed(0))
    assert not views.flip.any()
    assert (views.rotation != 0).float().mean().item() == pytest.approx(0.8, abs=0.02)


def test_shifts_are_drawn_after_all_else_and_stay_in_their_limit():
    shifted = replace(EASY_VIEW, translation=0.1)
    views = draw_views(20_000, shifted, generator=torch.Generator().manual_seed(0))
    plain = draw_views(20_000, EASY_VIEW, generator=torch.Generator().manual_seed(0))
    assert plain.shift is None
    assert torch.equal(views.scale, plain.scale)
    assert torch.equal(views.rotation, plain.rotation)
    assert views.shift.abs().max().item() == pytest.approx(0.2)
    assert views.shift.std().item() == pytest.approx(0.1, abs=0.01)
    assert views.shift.mean(dim=0).abs().max() < 0.005


def test_a_shifted_view_shows_people_elsewhere_by_that_share_of_the_crop():
    draw = draw_views(50, EASY_VIEW, generator=torch.Generator().manual_seed(1))
    shift = torch.tensor([[0.25, -0.125]]).double().expand(50, 2)
    still, moved = (region_to_crop(one, 202, CROP) for one in (draw, replace(draw, shift=shift)))
    torch.testing.assert_close(moved[:, :, :2], still[:, :, :2])
    offset = torch.tensor([24.0, -16.0]).double().expand(50, 2)
    torch.testing.assert_close(moved[:, :, 2], still[:, :, 2] + offset)


def test_the_stored_region_holds_every_view():
    strength = ViewStrength(scale=0.3, rotation=90, rotation_probability=1, translation=0.15)
    shift = largest_shift(strength)
    side = region_size(CROP, largest_scale=1 + strength.scale, largest_shift=shift)
    draw = draw_views(5_000, strength, generator=torch.Generator().manual_seed(2))
    matrices = region_to_crop(draw, side, CROP).numpy()
    width, height = CROP
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float)
    seen = np.linalg.inv(matrices[:, :, :2]) @ (corners.T[None] - matrices[:, :, 2:])
    assert seen.min() >= 0
    assert seen.max() <= side


@pytest.mark.parametrize("flip", [False, True])
def test_a_view_of_a_stored_region_is_the_published_crop_of_the_frame(flip):
    center, scale = np.array([[210.0, 150.0]]), np.array([[0.6, 0.8]])
    points = np.random.default_rng(0).uniform(100, 300, (1, 9, 2))
    frame_width, factor, rotation = 640, 0.9, 33.0
    side = 202
    places = CropPlaces(center, scale, np.zeros(1))
    in_region = transform_points(points, places.matrices(CROP, (side, side)))
    views = ViewDraw(
        torch.tensor([factor]).double(), torch.tensor([rotation]).double(), torch.tensor([flip])
    )
    matrices = region_to_crop(views, side, CROP).numpy()
    published_center, published_points = center.copy(), points.copy()
    if flip:
        published_center[:, 0] = frame_width - 1 - center[:, 0]
        published_points[..., 0] = frame_width - 1 - points[..., 0]
    published = crop_matrices(published_center, scale * factor, np.array([rotation]), CROP)
    np.testing.assert_allclose(
        transform_points(in_region, matrices),
        transform_points(published_points, published),
        atol=1e-5,
    )
