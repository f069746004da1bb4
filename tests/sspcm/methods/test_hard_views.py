"""Views that are hard by their warp alone are resampled once, and are what two warps would show."""

import cv2
import numpy as np
import pytest
import torch

from sspcm.augment.views import HARD_VIEW, draw_views
from sspcm.methods.hard_views import HardDraw, JointCutout, make_hard_views, peaks_of
from sspcm.methods.pose_dual import PoseDual

PEOPLE, CROP, SIDE = 4, (32, 64), 120


@pytest.fixture
def noisy_batch(batches_of):
    """A batch whose pool is noise that was blurred so much."""

    def make(*, blur):
        batches, rows = batches_of(pixels(blur)), np.arange(PEOPLE)
        raw = batches.read(rows, rows[::-1].copy(), torch.Generator().manual_seed(3))
        return batches.finish(raw)

    return make


def pixels(blur):
    random = np.random.default_rng(0)
    noise = random.integers(256, size=(PEOPLE * SIDE, SIDE, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), blur) if blur else noise
    return blurred.reshape(PEOPLE, SIDE, SIDE, 3)


def hard_views(setting, batch, operations=((), ())):
    draw = HardDraw(
        tuple(
            tuple(one.draw(setting, PEOPLE, batch.generator) for one in view) for view in operations
        ),
        draw_views(PEOPLE, HARD_VIEW, generator=torch.Generator().manual_seed(5)),
    )
    maps = torch.rand(PEOPLE, 3, CROP[1] // 4, CROP[0] // 4, generator=batch.generator)
    made = make_hard_views(setting, batch, operations, peaks_of([maps]) * len(operations), draw)
    return made, setting.warp_images(batch.unlabelled, draw.view)


def test_the_easy_views_come_back_through_their_own_matrices(noisy_batch):
    batch = noisy_batch(blur=0)
    again = batch.pool_view.through(batch.pool_view.matrices)
    assert torch.equal(again, batch.unlabelled)


def test_one_resampling_shows_what_two_show(make_setting, noisy_batch):
    (view, _), twice = hard_views(make_setting(), noisy_batch(blur=4))
    levels = 255 * 0.225 * (view - twice).abs()
    assert levels.mean() < 0.3
    assert levels.max() < 4
    outside = (twice == 0).all(dim=1)
    assert outside.any()
    assert (view == 0).all(dim=1).equal(outside)


def test_one_resampling_blurs_less(make_setting, noisy_batch):
    (view, _), twice = hard_views(make_setting(), noisy_batch(blur=0))
    middle = (..., slice(24, 40), slice(8, 24))
    assert view[middle].std() > 1.15 * twice[middle].std()


@pytest.mark.parametrize(
    ("setting", "operations"),
    [
        pytest.param({"released": True}, ((), ()), id="released: warped as published"),
        pytest.param({}, ((JointCutout(1),), ()), id="one of the views has more than the warp"),
    ],
)
def test_other_views_are_warped_from_the_easy_ones(make_setting, noisy_batch, setting, operations):
    (_, view), twice = hard_views(make_setting(**setting), noisy_batch(blur=0), operations)
    assert torch.equal(view, twice)


def test_networks_that_see_the_warp_alone_share_one_view(make_setting, noisy_batch, watch):
    setting = make_setting()
    method = PoseDual(setting, PoseDual.Options(augmentation="affine"))
    seen = [watch(network) for network in (method.network_a, method.network_b)]
    batch = noisy_batch(blur=0)
    losses = method.losses(batch, method.draw(PEOPLE, batch.generator))
    assert losses["consistency"] > 0
    (of_a, *_), (of_b, *_) = (passes[-1] for passes in seen)
    assert torch.equal(of_a, of_b)
    assert not torch.equal(of_a, batch.unlabelled)
