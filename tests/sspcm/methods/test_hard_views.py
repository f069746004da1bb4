"""Views that are hard by their warp alone are resampled once, and are what two warps would show."""

import cv2
import numpy as np
import pytest
import torch

from sspcm.augment.views import EASY_VIEW, HARD_VIEW, draw_views
from sspcm.batches import BatchMaker
from sspcm.crop_places import CropPlaces
from sspcm.crop_store import CropStore
from sspcm.methods.hard_views import HardDraw, JointCutout, make_hard_views
from sspcm.methods.pose_dual import PoseDual

PEOPLE, CROP, SIDE = 4, (32, 64), 120


def batch_of(pixels):
    """A batch whose pool is these stored pixels (N, S, S, 3)."""
    store = CropStore(
        pixels=pixels,
        keypoints=np.zeros((PEOPLE, 3, 3), np.float32),
        places=CropPlaces(
            center=np.zeros((PEOPLE, 2), np.float32),
            scale=np.ones((PEOPLE, 2), np.float32),
            rotation=np.zeros(PEOPLE),
        ),
        crop_size=CROP,
    )
    batches = BatchMaker(
        store,
        strength=EASY_VIEW,
        sigma=2.0,
        flip_permutation=np.arange(3),
        labelled_joints=np.ones(3, bool),
        device=torch.device("cpu"),
        bgr=False,
        memory_format=torch.channels_last,
    )
    rows = np.arange(PEOPLE)
    return batches.finish(batches.read(rows, rows[::-1].copy(), torch.Generator().manual_seed(3)))


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
    made = make_hard_views(setting, batch, operations, [maps] * len(operations), draw)
    return made, setting.warp_images(batch.unlabelled, draw.view)


def test_the_easy_views_come_back_through_their_own_matrices():
    batch = batch_of(pixels(blur=0))
    again = batch.pool_view.through(batch.pool_view.matrices)
    assert torch.equal(again, batch.unlabelled)


def test_one_resampling_shows_what_two_show(make_setting):
    (view, _), twice = hard_views(make_setting(), batch_of(pixels(blur=4)))
    levels = 255 * 0.225 * (view - twice).abs()
    assert levels.mean() < 0.3
    assert levels.max() < 4
    outside = (twice == 0).all(dim=1)
    assert outside.any()
    assert (view == 0).all(dim=1).equal(outside)


def test_one_resampling_blurs_less(make_setting):
    (view, _), twice = hard_views(make_setting(), batch_of(pixels(blur=0)))
    middle = (..., slice(24, 40), slice(8, 24))
    assert view[middle].std() > 1.15 * twice[middle].std()


@pytest.mark.parametrize(
    ("setting", "operations"),
    [
        pytest.param({"released": True}, ((), ()), id="released: warped as published"),
        pytest.param({}, ((JointCutout(1),), ()), id="one of the views has more than the warp"),
    ],
)
def test_other_views_are_warped_from_the_easy_ones(make_setting, setting, operations):
    (_, view), twice = hard_views(make_setting(**setting), batch_of(pixels(blur=0)), operations)
    assert torch.equal(view, twice)


def test_networks_that_see_the_warp_alone_share_one_view(make_setting, watch):
    setting = make_setting()
    method = PoseDual(setting, PoseDual.Options(augmentation="affine"))
    seen = [watch(network) for network in (method.network_a, method.network_b)]
    batch = batch_of(pixels(blur=0))
    losses = method.losses(batch, method.draw(PEOPLE, batch.generator))
    assert losses["consistency"] > 0
    (of_a, *_), (of_b, *_) = (passes[-1] for passes in seen)
    assert torch.equal(of_a, of_b)
    assert not torch.equal(of_a, batch.unlabelled)
