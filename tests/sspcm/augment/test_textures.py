import pytest
import torch

from sspcm.augment.textures import SIDES, TextureDraw, draw_textures, in_other_textures


def pictures(count: int = 4) -> torch.Tensor:
    return 255 * torch.rand(count, 3, 32, 24, generator=torch.Generator().manual_seed(1))


def drawn(count: int, probability: float, seed: int = 7) -> TextureDraw:
    generator = torch.Generator().manual_seed(seed)
    return draw_textures(count, probability=probability, generator=generator)


def test_draws_are_those_of_the_generator() -> None:
    one, two = (in_other_textures(pictures(), drawn(4, 1.0)) for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(one, in_other_textures(pictures(), drawn(4, 1.0, seed=8)))


def test_so_many_pictures_are_changed() -> None:
    draw = drawn(400, 0.25)
    assert 60 < int((draw.share > 0).sum()) < 140
    assert not drawn(50, 0.0).share.any()
    draw = TextureDraw(drawn(4, 1.0).kernels, torch.tensor([0.0, 0.5, 0.0, 1.0]))
    changed = (in_other_textures(pictures(), draw) != pictures()).flatten(1).any(dim=1)
    assert changed.tolist() == [False, True, False, True]


def test_kernels_have_each_side() -> None:
    kernels = drawn(200, 1.0).kernels
    assert kernels.shape == (200, 3, 3, 7, 7)
    seen = (kernels.abs().sum(dim=(1, 2, 3)) > 0).sum(dim=1)
    assert set(seen.tolist()) == set(SIDES)


@pytest.mark.parametrize("away", [0, 1, 2, 3])
def test_each_picture_is_convolved_by_its_own_kernel(away: int) -> None:
    kernels = torch.zeros(2, 3, 3, 7, 7)
    kernels[0, :, 1, 3 + away, 3] = 1.0
    kernels[1, :, 2, 3, 3] = -1.0
    flat = 100 + 0.2 * pictures(2)
    seen = in_other_textures(flat, TextureDraw(kernels, torch.ones(2)))
    moved, mirrored = seen[0, 0, : 32 - away], seen[1, 0]
    assert alike(moved, flat[0, 1, away:]) == pytest.approx(1, abs=1e-5)
    assert alike(mirrored, flat[1, 2]) == pytest.approx(-1, abs=1e-5)


def alike(one: torch.Tensor, two: torch.Tensor) -> float:
    """The correlation of the pixels of two pictures."""
    return float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])


def test_light_and_contrast_stay_about_the_same() -> None:
    smooth = 60 + 0.3 * pictures()
    seen = in_other_textures(smooth, TextureDraw(drawn(4, 1.0).kernels, torch.ones(4)))
    torch.testing.assert_close(seen.mean(dim=(1, 2, 3)), smooth.mean(dim=(1, 2, 3)), atol=2, rtol=0)
    torch.testing.assert_close(seen.std(dim=(2, 3)), smooth.std(dim=(2, 3)), atol=2, rtol=0)


def test_an_even_picture_stays_even() -> None:
    even = torch.full((2, 3, 16, 8), 90.0)
    seen = in_other_textures(even, drawn(2, 1.0))
    torch.testing.assert_close(seen, even, atol=1e-2, rtol=0)
