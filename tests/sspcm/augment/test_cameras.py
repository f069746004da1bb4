from dataclasses import replace

import torch

from sspcm.augment.cameras import KERNEL, CameraDraw, draw_cameras, seen_by


def pictures(count: int = 4) -> torch.Tensor:
    return 255 * torch.rand(count, 3, 32, 24, generator=torch.Generator().manual_seed(1))


def plain(count: int) -> CameraDraw:
    """Cameras that change nothing."""
    kernel = torch.zeros(count, KERNEL, KERNEL)
    kernel[:, KERNEL // 2, KERNEL // 2] = 1
    one = torch.ones(count)
    return CameraDraw(
        gain=torch.ones(count, 3),
        gamma=one,
        contrast=one,
        saturation=one,
        kernel=kernel,
        coarseness=one,
        noise=torch.zeros(count),
        boxes=torch.zeros(count, 1, 4),
        donor=torch.zeros(count, 1, dtype=torch.int64),
        seed=0,
    )


def test_a_camera_that_does_nothing_changes_nothing() -> None:
    torch.testing.assert_close(seen_by(pictures(), plain(4)), pictures(), atol=1e-3, rtol=0)


def test_draws_are_those_of_the_generator() -> None:
    one, two = (draw_cameras(4, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    torch.testing.assert_close(seen_by(pictures(), one), seen_by(pictures(), two), rtol=0, atol=0)
    assert not torch.equal(seen_by(pictures(), one), pictures())


def test_levels_stay_levels() -> None:
    for seed in range(5):
        draw = draw_cameras(4, generator=torch.Generator().manual_seed(seed))
        seen = seen_by(pictures(), draw)
        assert seen.shape == pictures().shape
        assert seen.min() >= 0
        assert seen.max() <= 255
        torch.testing.assert_close(draw.kernel.sum(dim=(1, 2)), torch.ones(4))


def test_windows_show_another_picture() -> None:
    draw = replace(plain(2), boxes=torch.tensor([[[0.0, 0.0, 0.5, 0.5]]] * 2))
    draw = replace(draw, donor=torch.tensor([[1], [0]]))
    seen = seen_by(pictures(2), draw)
    expected = pictures(2)[1].flip(1, 2)[:, :16, :12]
    torch.testing.assert_close(seen[0, :, :16, :12], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[0, :, 16:], pictures(2)[0, :, 16:], atol=1e-3, rtol=0)


def test_without_windows_nothing_is_covered() -> None:
    draw = draw_cameras(4, windows=0, generator=torch.Generator().manual_seed(0))
    assert draw.boxes.shape == (4, 0, 4)
    assert seen_by(pictures(), draw).shape == pictures().shape


def test_gain_and_resolution() -> None:
    brighter = seen_by(pictures(), replace(plain(4), gain=torch.full((4, 3), 1.2)))
    torch.testing.assert_close(brighter, (1.2 * pictures()).clamp(max=255), atol=1e-3, rtol=0)
    coarse = seen_by(pictures(), replace(plain(4), coarseness=torch.full((4,), 2.5)))
    assert coarse.std() < 0.8 * pictures().std()
