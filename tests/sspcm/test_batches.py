import numpy as np
import pytest
import torch

from sspcm.batches import PairSampler, normalise, step_generator, view_joints


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
