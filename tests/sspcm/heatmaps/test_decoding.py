import numpy as np
import pytest
import torch

from sspcm.heatmaps.decoding import (
    argmax_positions,
    blur_heatmaps,
    decode,
    fitting_blur,
    newton_positions,
    shift_positions,
)
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import boxes_to_center_scale, crop_matrices, transform_points


def gaussians(points: list[tuple[float, float]], sigma: float = 2.0) -> torch.Tensor:
    """Maps (1, points, 32, 24) with a Gaussian of height 1 at each (x, y)."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(24.0), indexing="ij")
    maps = [torch.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points]
    return torch.stack(maps).unsqueeze(0)


def test_first_of_equal_maxima_wins() -> None:
    maps = torch.tensor([[[[0.0, 3.0], [3.0, 3.0]], [[1.0, 0.0], [0.0, 2.0]]]])
    positions, maxima = argmax_positions(maps)
    assert positions.tolist() == [[[1, 0], [1, 1]]]
    assert maxima.tolist() == [[3, 2]]


@pytest.mark.parametrize(("masked", "expected"), [(False, [2, 1]), (True, [0, 0])])
def test_negative_maps_are_at_zero_only_when_masked(masked: bool, expected: list[int]) -> None:
    maps = torch.full((1, 1, 3, 4), -2.0)
    maps[0, 0, 1, 2] = -1
    positions, maxima = argmax_positions(maps, masked=masked)
    assert positions[0, 0].tolist() == expected
    assert maxima.item() == -1


@pytest.mark.parametrize(
    ("peak", "neighbour", "expected"),
    [
        pytest.param((5, 6), (6, 6), (5.25, 6), id="right"),
        pytest.param((5, 6), (5, 5), (5, 5.75), id="up"),
        pytest.param((5, 6), (5, 6), (5, 6), id="symmetric"),
        pytest.param((1, 6), (2, 6), (1, 6), id="second column stays"),
        pytest.param((2, 2), (3, 2), (2.25, 2), id="third column moves"),
        pytest.param((8, 4), (7, 4), (7.75, 4), id="last but one moves"),
        pytest.param((9, 4), (8, 4), (9, 4), id="last column stays"),
    ],
)
def test_shift_goes_to_the_higher_neighbour(
    peak: tuple[int, int], neighbour: tuple[int, int], expected: tuple[float, float]
) -> None:
    maps = torch.zeros(1, 1, 12, 10)
    maps[0, 0, neighbour[1], neighbour[0]] = 0.5
    maps[0, 0, peak[1], peak[0]] = 1
    positions, _ = argmax_positions(maps)
    assert shift_positions(maps, positions)[0, 0].tolist() == list(expected)


def test_newton_step_is_exact_on_a_gaussian() -> None:
    points = [(10.3, 15.8), (11.5, 12.1), (6.0, 20.0)]
    maps = gaussians(points)
    positions, _ = argmax_positions(maps)
    refined = newton_positions(maps, positions)
    np.testing.assert_allclose(refined[0].numpy(), points, atol=1e-4)


def test_newton_step_is_left_out_at_the_border_and_on_flat_maps() -> None:
    maps = gaussians([(1.4, 10.0), (22.3, 10.0), (10.0, 30.3)])
    positions, _ = argmax_positions(maps)
    assert torch.equal(newton_positions(maps, positions), positions)
    flat, middle = torch.ones(1, 1, 9, 9), torch.full((1, 1, 2), 4.0)
    assert torch.equal(newton_positions(flat, middle), middle)


def test_blur_keeps_maximum_and_mirror_symmetry() -> None:
    maps = torch.rand(2, 3, 16, 12)
    blurred = blur_heatmaps(maps)
    torch.testing.assert_close(blurred.amax(dim=(2, 3)), maps.amax(dim=(2, 3)))
    torch.testing.assert_close(blur_heatmaps(maps.flip(3)), blurred.flip(3))
    assert blur_heatmaps(torch.zeros(1, 1, 5, 5)).abs().max() == 0


def test_decoding_inverts_the_crop() -> None:
    boxes = np.array([[100.0, 50.0, 60.0, 180.0], [10.0, 20.0, 300.0, 80.0]])
    center, scale = boxes_to_center_scale(boxes, (96, 128))
    rotation = np.array([0.0, 40.0])
    truth = np.random.default_rng(0).uniform(5, 18, (2, 4, 2))
    to_map = crop_matrices(center, scale, rotation, (24, 32))
    inverse = np.stack([np.linalg.inv(np.vstack([m, [0, 0, 1]]))[:2] for m in to_map])
    maps = torch.cat([gaussians([(x, y) for x, y in person]) for person in truth])
    before = maps.clone()
    keypoints = decode(maps, center, scale, rotation=rotation, method="dark")
    expected = transform_points(truth, inverse)
    np.testing.assert_allclose(keypoints[..., :2], expected, atol=0.05)
    assert torch.equal(maps, before)
    assert keypoints.dtype == np.float32


def test_the_blur_fits_the_targets() -> None:
    """The Newton step needs the blur that the targets' sigma asks for: 17 pixels for sigma 3."""
    assert [fitting_blur(sigma) for sigma in (0.3, 1.0, 2.0, 3.0)] == [1, 5, 11, 17]
    points = [(10.3, 15.8), (11.5, 12.1)]
    maps = gaussians(points, sigma=3.0) + 0.05 * torch.rand(
        (1, 2, 32, 24), generator=torch.Generator().manual_seed(0)
    )
    crop = np.full((1, 2), 24.0), np.array([[24 / 200, 32 / 200]])
    errors = [
        np.abs(
            decode(maps, *crop, method="dark", blur_size=size)[..., :2]
            - decode(gaussians(points, sigma=3.0), *crop, method="dark", blur_size=1)[..., :2]
        ).max()
        for size in (1, fitting_blur(3.0))
    ]
    assert errors[1] < 0.3 * errors[0]


def test_half_precision_maps_decode() -> None:
    maps = gaussians([(10.0, 15.0)])
    keypoints = decode(maps.bfloat16(), np.zeros((1, 2)), np.full((1, 2), 24 / 200))
    assert keypoints[0, 0].tolist() == [10 - 12, 15 - 16, 1]


def test_unknown_decoding_is_refused() -> None:
    with pytest.raises(InputError, match=r"'mean'.*dark"):
        decode(gaussians([(1, 1)]), np.zeros((1, 2)), np.ones((1, 2)), method="mean")  # type: ignore[arg-type]
