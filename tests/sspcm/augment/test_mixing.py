import pytest
import torch

from sspcm.augment.mixing import (
    MixupDraw,
    WindowDraw,
    cutmix,
    cutout,
    draw_mixup,
    draw_windows,
    mixup,
)

HEIGHT, WIDTH = 256, 192


def windows(*centres, half=12, donor=(0,)):
    centre = torch.tensor([centres]).expand(len(donor), -1, -1)
    return WindowDraw(centre, torch.full_like(centre, half), torch.tensor(donor))


@pytest.mark.parametrize(
    ("x", "y"), [(90, 100), (90, 230), (3, 250), (190, 2)], ids=["inside", "low", "left", "right"]
)
def test_cutout_blanks_a_window_anywhere(x, y):
    result = cutout(torch.ones(1, 3, HEIGHT, WIDTH), windows((x, y)))
    expected = torch.ones(HEIGHT, WIDTH)
    expected[max(y - 12, 0) : y + 12, max(x - 12, 0) : x + 12] = 0
    assert torch.equal(result[0, 2], expected)


def test_released_cutout_leaves_rows_below_the_width():
    images = torch.ones(1, 3, HEIGHT, WIDTH)
    assert torch.equal(cutout(images, windows((90, 230)), released=True), images)


def test_cutmix_shows_the_donors_window_in_place():
    images = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    result = cutmix(images, windows((20, 30), (40, 60), half=5, donor=(1, 0)))
    covered = torch.zeros(64, 48, dtype=torch.bool)
    covered[25:35, 15:25] = True
    covered[55:64, 35:45] = True
    assert torch.equal(result, torch.where(covered, images.flip(0), images))


def test_cutmix_with_oneself_changes_nothing():
    images = torch.rand(2, 3, 64, 48)
    assert torch.equal(cutmix(images, windows((20, 30), donor=(0, 1))), images)


def test_mixup_is_the_weighted_mean():
    images = torch.tensor([[[[1.0]]], [[[5.0]]]])
    result = mixup(images, MixupDraw(torch.tensor([1, 0]), 0.25))
    assert result.flatten().tolist() == [2.0, 4.0]


def test_mixup_shares_are_a_quarter_of_a_beta():
    generator = torch.Generator().manual_seed(0)
    shares = torch.tensor([draw_mixup(2, generator=generator).share for _ in range(2000)]) * 4
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    # Var of Beta(a, a) = 1 / (4 (2 a + 1)).
    assert shares.var().item() == pytest.approx(1 / (4 * 1.4), abs=0.02)


@pytest.mark.parametrize(("released", "x_end", "y_end"), [(False, 192, 256), (True, 256, 192)])
def test_centres_cover_the_crop(released, x_end, y_end):
    draw = draw_windows(
        4000,
        2,
        crop_size=(WIDTH, HEIGHT),
        released=released,
        generator=torch.Generator().manual_seed(1),
    )
    x, y = draw.centre.flatten(0, 1).unbind(1)
    assert (int(x.min()), int(y.min())) == (0, 0)
    assert (int(x.max()), int(y.max())) == (x_end - 1, y_end - 1)
    assert (int(draw.half_size.min()), int(draw.half_size.max())) == (10, 19)
    assert sorted(draw.donor.tolist()) == list(range(4000))


@pytest.mark.parametrize(("released", "sizes"), [(False, (5, 10)), (True, (10, 19))])
def test_sizes_scale_with_the_crop_except_as_released(released, sizes):
    generator = torch.Generator().manual_seed(1)
    draw = draw_windows(500, 2, crop_size=(96, 96), released=released, generator=generator)
    assert (int(draw.half_size.min()), int(draw.half_size.max())) == sizes
