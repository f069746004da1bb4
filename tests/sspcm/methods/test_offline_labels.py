import numpy as np
import pytest
import torch
from torch import nn

from sspcm.augment.views import EASY_VIEW, ViewDraw
from sspcm.data.batches import BatchMaker, Pool, PoolView
from sspcm.data.crop_places import CropPlaces
from sspcm.data.crop_store import CropStore
from sspcm.methods.data_distill import DataDistill
from sspcm.methods.offline_labels import (
    UPRIGHT,
    OfflineLabels,
    Transform,
    label_pool,
    offline_targets,
)

CROP, SIDE = (64, 96), 152
SWAP = torch.tensor([1, 0])
EVERY_VIEW = DataDistill.Options().transforms


class Brightest(nn.Module):
    """Two maps: the brightness in the left and in the right half of the image."""

    def forward(self, images):
        maps = images.mean(dim=1, keepdim=True)[:, :, ::4, ::4] + 3
        left = torch.arange(maps.shape[3]) < maps.shape[3] / 2
        return torch.cat([maps * left, maps * ~left], dim=1)


def blobs(points):
    """A store with one person a row, two bright blobs at points (N, 2, 2) in stored pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    squared = (x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2
    light = np.exp(-squared / (2 * 6.0**2)).max(axis=1)
    people = len(points)
    return CropStore(
        pixels=np.repeat((255 * light).astype(np.uint8)[..., None], 3, axis=3),
        keypoints=np.zeros((people, 2, 3), np.float32),
        places=CropPlaces(
            center=np.zeros((people, 2), np.float32),
            scale=np.ones((people, 2), np.float32),
            rotation=np.zeros(people),
        ),
        crop_size=CROP,
    )


def pool_of(points, rows):
    batches = BatchMaker(
        blobs(points),
        strength=EASY_VIEW,
        sigma=2.0,
        flip_permutation=SWAP.numpy(),
        labelled_joints=np.ones(2, bool),
        device=torch.device("cpu"),
        bgr=False,
        memory_format=torch.contiguous_format,
    )
    return Pool(np.array(rows), len(points), 2, batches.views)


def no_images(matrices):
    raise AssertionError("targets need no images")


def no_views(generator):
    raise AssertionError("targets need no other views")


POINTS = np.array(
    [
        [[61.0, 80], [92, 72]],
        [[58.0, 70], [90, 82]],
        [[60.0, 82], [94, 75]],
        [[60.0, 76], [88, 76]],
    ]
)


@pytest.mark.parametrize(
    "transforms",
    [
        [UPRIGHT],
        [UPRIGHT, Transform(flip=True)],
        [UPRIGHT, Transform(scale=0.75)],
        [UPRIGHT, Transform(rotation=30.0)],
        EVERY_VIEW,
    ],
    ids=["upright", "mirrored", "zoomed in", "turned", "all"],
)
def test_labels_lie_on_the_joints_in_stored_pixels(transforms):
    rows = [0, 2, 3]
    labels = label_pool(
        Brightest().eval(), pool_of(POINTS, rows), transforms=transforms, flip_permutation=SWAP
    )
    error = (labels.joints[rows] - torch.from_numpy(POINTS[rows])).abs()
    # Half a heatmap pixel: two pixels of the crop.
    assert error.max() <= 2.1
    assert (labels.scores[rows] > 3).all()
    assert (labels.scores[1] == 0).all()


def test_averaging_over_mirrored_views_exchanges_left_and_right():
    pool = pool_of(POINTS, [0, 1, 2, 3])
    upright, both = (
        label_pool(Brightest(), pool, transforms=views, flip_permutation=SWAP)
        for views in ([UPRIGHT], [UPRIGHT, Transform(flip=True)])
    )
    torch.testing.assert_close(both.scores, upright.scores, atol=0.1, rtol=0)
    wrong = label_pool(
        Brightest(),
        pool,
        transforms=[UPRIGHT, Transform(flip=True)],
        flip_permutation=torch.arange(2),
    )
    assert (wrong.scores < both.scores - 1).all()


def test_all_combinations_are_used_and_the_upright_view_once():
    assert len(EVERY_VIEW) == 2 * 3 * 3
    assert len(set(EVERY_VIEW)) == len(EVERY_VIEW)
    assert EVERY_VIEW[0] == UPRIGHT
    only = DataDistill.Options(flip=False, scales=(1.2,), rotations=(0.0,)).transforms
    assert only == (UPRIGHT, Transform(scale=1.2))


def test_targets_follow_the_view():
    labels = OfflineLabels(
        joints=torch.tensor([[[0.0, 0], [0, 0]], [[60.0, 84], [92, 60]]]),
        scores=torch.tensor([[0.0, 0], [0.5, 0.2]]),
    )
    pool = pool_of(POINTS, [0, 1])
    mirrored = ViewDraw(
        torch.ones(1).double(), torch.zeros(1).double(), torch.ones(1, dtype=torch.bool)
    )
    _, matrices = pool.views(np.array([1]), mirrored)
    target, weight = offline_targets(
        labels,
        PoolView(torch.tensor([1]), matrices, mirrored.flip, matrices, no_images, no_views),
        score_threshold=0.3,
        flip_permutation=SWAP,
        heatmap_size=(16, 24),
        sigma=2.0,
        exact=False,
        device=torch.device("cpu"),
    )
    # Stored (60, 84) is crop (16, 56); mirrored about the middle it is (48, 56), heatmap (12, 14),
    # and the left joint is the right one of the mirrored person.
    assert weight.tolist() == [[0, 1]]
    assert target[0, 1].argmax().item() == 14 * 16 + 12
    assert target[0, 1].max() == 1
    assert (target[0, 0] == 0).all()
