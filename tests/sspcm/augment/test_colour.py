import numpy as np
import pytest
import torch

from sspcm.augment.colour import (
    GREY,
    OPERATIONS,
    ColourDraw,
    cut_square,
    draw_colours,
    rand_augment,
)

MAGNITUDE = 20
STRENGTH = MAGNITUDE / 30


def pictures(count=3, size=(48, 36), seed=0):
    """Smooth colours with noise on top, so that channels have unlike histograms."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    ramp = np.stack([3 * x + 20, 4 * y, 120 + x - y], axis=-1)
    noise = random.integers(0, 40, (count, *size, 3))
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def as_tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def by_pillow(name, image):
    image_module = pytest.importorskip("PIL.Image")
    from PIL import ImageEnhance, ImageOps

    factor = 0.1 + 1.8 * STRENGTH
    return np.asarray(
        {
            "auto_contrast": ImageOps.autocontrast,
            "equalize": ImageOps.equalize,
            "invert": ImageOps.invert,
            "posterize": lambda i: ImageOps.posterize(i, 2),
            "solarize": lambda i: ImageOps.solarize(i, 256 * STRENGTH),
            "colour": lambda i: ImageEnhance.Color(i).enhance(factor),
            "contrast": lambda i: ImageEnhance.Contrast(i).enhance(factor),
            "brightness": lambda i: ImageEnhance.Brightness(i).enhance(factor),
            "sharpness": lambda i: ImageEnhance.Sharpness(i).enhance(factor),
        }[name](image_module.fromarray(image))
    )


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in ("cutout", "solarize_add")])
def test_operations_are_pillows(name):
    images = pictures()
    expected = np.stack([by_pillow(name, image) for image in images])
    centre = torch.zeros(len(images), 2)
    result = OPERATIONS[name](as_tensor(images), STRENGTH, centre)
    difference = (result - as_tensor(expected)).abs()
    # A product that is a whole number in one precision can fall just short in the other.
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.002


def test_solarize_add_raises_dark_levels_only():
    pixels = torch.tensor([0.0, 60, 127, 128, 255]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    result = OPERATIONS["solarize_add"](pixels, STRENGTH, torch.zeros(1, 2))
    assert result[0, 0, 0].tolist() == [73, 133, 200, 128, 255]


def test_cutout_is_a_grey_square_around_its_centre():
    pixels = torch.zeros(1, 3, 256, 192)
    result = cut_square(pixels, STRENGTH, torch.tensor([[0.5, 0.25]]))
    changed = result[0, 0] != 0
    rows, columns = changed.any(dim=1).nonzero(), changed.any(dim=0).nonzero()
    assert (int(rows.min()), int(rows.max()) + 1) == (64 - 13, 64 + 13)
    assert (int(columns.min()), int(columns.max()) + 1) == (96 - 13, 96 + 13)
    assert result[0, :, 64, 96].tolist() == list(GREY)


@pytest.mark.parametrize(("released", "half"), [(False, 7), (True, 13)])
def test_the_square_scales_with_the_crop_except_as_released(released, half):
    draw = ColourDraw(
        operation=torch.tensor([[list(OPERATIONS).index("cutout")]]),
        centre=torch.full((1, 1, 2), 0.5),
    )
    result = rand_augment(torch.zeros(1, 3, 96, 96), draw, magnitude=MAGNITUDE, released=released)
    assert (result[0, 0] != 0).sum() == (2 * half) ** 2


@pytest.mark.parametrize("name", ["auto_contrast", "equalize"])
def test_a_uniform_image_stays_as_it_is(name):
    pixels = torch.full((1, 3, 8, 8), 77.0)
    assert torch.equal(OPERATIONS[name](pixels, STRENGTH, torch.zeros(1, 2)), pixels)


def test_each_image_gets_its_own_operations_in_turn():
    images = as_tensor(pictures(2))
    names = list(OPERATIONS)
    draw = ColourDraw(
        operation=torch.tensor(
            [
                [names.index("invert"), names.index("posterize")],
                [names.index("posterize"), names.index("invert")],
            ]
        ),
        centre=torch.zeros(2, 2, 2),
    )
    before = images.clone()
    result = rand_augment(images, draw, magnitude=MAGNITUDE)
    assert torch.equal(result[0], torch.floor((255 - images[0]) / 64) * 64)
    assert torch.equal(result[1], 255 - torch.floor(images[1] / 64) * 64)
    assert torch.equal(images, before)


def test_operations_are_drawn_evenly_and_by_seed():
    draw = draw_colours(11_000, 2, generator=torch.Generator().manual_seed(0))
    share = torch.bincount(draw.operation.flatten(), minlength=len(OPERATIONS)) / 22_000
    assert len(share) == 11
    torch.testing.assert_close(share, torch.full((11,), 1 / 11), atol=0.01, rtol=0)
    again = draw_colours(11_000, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw.operation, again.operation)
    assert torch.equal(draw.centre, again.centre)
