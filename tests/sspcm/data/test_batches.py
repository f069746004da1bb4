import time

import cv2
import numpy as np
import pytest
import torch

from sspcm.augment.views import ViewStrength, draw_views, region_to_crop
from sspcm.data.batches import easy_views, read_ahead, view_joints
from sspcm.data.crop_store import CropStore
from sspcm.data.normalisation import normalise
from sspcm.data.sampler import PairSampler, step_generator


def sampler(**values):
    labelled = values.pop("labelled", np.array([3, 5, 9]))
    unlabelled = values.pop("unlabelled", np.arange(100, 140))
    return PairSampler(labelled, unlabelled, values.pop("batch_size", 8), seed=1, **values)


def test_an_epoch_is_one_pass_over_the_unlabelled_pool():
    labelled, unlabelled = sampler().epoch(0)
    assert labelled.shape == unlabelled.shape == (5, 8)
    assert sorted(unlabelled.ravel()) == list(range(100, 140))
    assert set(labelled.ravel()) <= {3, 5, 9}


def test_every_epoch_has_its_own_order_and_gives_it_again():
    assert not np.array_equal(sampler().epoch(0)[1], sampler().epoch(1)[1])
    np.testing.assert_array_equal(sampler().epoch(1)[1], sampler().epoch(1)[1])


@pytest.mark.parametrize("released", [False, True])
def test_ranks_share_what_one_process_would_see(released):
    whole = sampler(batch_size=8, released=released).epoch(2)
    parts = [
        sampler(batch_size=4, rank=rank, processes=2, released=released).epoch(2) for rank in (0, 1)
    ]
    for side in (0, 1):
        joined = np.concatenate([part[side] for part in parts], axis=1)
        np.testing.assert_array_equal(joined, whole[side])


@pytest.mark.parametrize(
    ("epoch_steps", "steps", "distinct"), [(0, 5, 40), (2, 2, 16), (12, 12, 40)]
)
def test_an_epoch_of_given_steps_is_part_of_a_pass_or_several(epoch_steps, steps, distinct):
    _, unlabelled = sampler(epoch_steps=epoch_steps).epoch(0)
    assert len(unlabelled) == steps
    counts = np.unique(unlabelled, return_counts=True)[1]
    assert len(counts) == distinct
    assert counts.max() - counts.min() <= 1


def test_a_pool_smaller_than_the_labelled_set_is_passed_over_more_than_once():
    pairs = sampler(labelled=np.arange(30), unlabelled=np.array([7, 8]), batch_size=10)
    labelled, unlabelled = pairs.epoch(0)
    assert labelled.shape == (3, 10)
    assert set(unlabelled.ravel()) == {7, 8}


def test_step_generators_differ_by_everything_that_names_a_step():
    names = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    draws = [torch.rand(1, generator=step_generator(*name)).item() for name in names]
    assert len(set(draws)) == len(names)
    assert torch.rand(1, generator=step_generator(0, 0, 0)).item() == draws[0]


def test_a_mirrored_view_exchanges_left_and_right():
    joints = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    visibility = torch.tensor([[1.0, 0.0]])
    mirror = torch.tensor([[[-1.0, 0.0, 9.0], [0.0, 1.0, 0.0]]], dtype=torch.float64)
    swap = torch.tensor([1, 0])
    moved, seen = view_joints(joints, visibility, mirror, torch.tensor([True]), swap)
    assert moved.tolist() == [[[6.0, 4.0], [8.0, 2.0]]]
    assert seen.tolist() == [[0.0, 1.0]]


def test_black_is_the_negative_mean_and_bgr_reverses_the_channels():
    pixels = torch.zeros(1, 3, 2, 2)
    pixels[:, 0] = 255
    rgb, bgr = normalise(pixels, bgr=False), normalise(pixels, bgr=True)
    assert rgb[0, 1, 0, 0].item() == pytest.approx(-0.456 / 0.224)
    assert rgb[0, 0, 0, 0].item() == pytest.approx((1 - 0.485) / 0.229)
    assert bgr[0, 2, 0, 0].item() == pytest.approx((1 - 0.406) / 0.225)


def test_a_host_and_a_device_warp_to_the_same_picture():
    random = np.random.default_rng(0)
    blobs = cv2.GaussianBlur(
        random.integers(256, size=(4 * 130, 130, 3)).astype(np.uint8), (0, 0), 3
    )
    regions = blobs.reshape(4, 130, 130, 3)
    draw = draw_views(4, ViewStrength(), generator=torch.Generator().manual_seed(0))
    matrices = region_to_crop(draw, 130, (64, 80))
    store = CropStore(regions, np.zeros((4, 1, 3)), None, (64, 80))
    crops = np.empty((4, 80, 64, 3), np.uint8)
    store.warp_into(np.arange(4), matrices.numpy(), crops)
    on_host = normalise(torch.from_numpy(crops).permute(0, 3, 1, 2), bgr=False)
    on_device = easy_views(torch.from_numpy(regions), matrices, crop_size=(64, 80), bgr=False)
    assert on_host.is_contiguous(memory_format=torch.channels_last)
    levels = 255 * 0.225 * (on_host - on_device).abs()
    assert levels.mean() < 0.3
    assert levels.max() < 2


def test_reading_ahead_keeps_the_order_and_hands_on_errors():
    def reader(number):
        def read():
            time.sleep(0.02 if number % 2 == 0 else 0)
            if number == 5:
                raise OSError("the disk is gone")
            return number

        return read

    assert list(read_ahead(reader(number) for number in range(5))) == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="the disk is gone"):
        list(read_ahead(reader(number) for number in range(8)))


def test_leaving_early_reads_no_more_than_is_under_way():
    seen = []
    batches = read_ahead(lambda number=number: seen.append(number) for number in range(100))
    next(batches)
    batches.close()
    assert len(seen) <= 4
