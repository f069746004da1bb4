import numpy as np
import pytest
import torch

from sspcm.heatmaps.flips import (
    average_flipped,
    flip_heatmaps,
    shift_right,
    shift_right_by,
)
from sspcm.inference.scores import alignment
from wepdtof_pose.errors import InputError

PERMUTATION = np.array([1, 0, 2])


def peak_maps(x: int, width: int = 6) -> torch.Tensor:
    """One map a joint, all with their peak in row 1, column x."""
    maps = torch.zeros(1, 3, 4, width)
    maps[:, :, 1, x] = 1
    return maps


def test_flipping_heatmaps_twice_is_identity() -> None:
    maps = torch.rand(2, 3, 4, 5)
    flipped = flip_heatmaps(maps, PERMUTATION)
    assert torch.equal(flipped[:, 0], maps[:, 1].flip(2))
    assert torch.equal(flip_heatmaps(flipped, PERMUTATION), maps)


def test_shift_keeps_the_first_column() -> None:
    maps = torch.arange(4.0).reshape(1, 1, 1, 4)
    assert shift_right(maps).flatten().tolist() == [0, 0, 1, 2]
    assert shift_right_by(maps + 1, 1.0).flatten().tolist() == [0, 1, 2, 3]
    assert shift_right_by(maps + 1, 0.25).flatten().tolist() == [0.75, 1.75, 2.75, 3.75]


@pytest.mark.parametrize(("align", "moved"), [("pixel", 1.0), ("subpixel", 0.75), ("none", 0.0)])
def test_alignment_moves_the_flipped_map_only(align: str, moved: float) -> None:
    averaged = average_flipped(
        torch.zeros(1, 3, 4, 6),
        flip_heatmaps(peak_maps(2), PERMUTATION),
        PERMUTATION,
        align=align,  # type: ignore[arg-type]
    )
    center = (averaged[0, 0, 1] * torch.arange(6)).sum() / averaged[0, 0, 1].sum()
    assert center.item() == pytest.approx(2 + moved)
    assert averaged.sum().item() == pytest.approx(3 * 0.5)


@pytest.mark.parametrize(("recipe", "offset"), [("corrected", 0.0), ("released", 0.125)])
def test_a_flip_test_of_the_corrected_recipe_is_exact(recipe: str, offset: float) -> None:
    """A perfect network sees the crop pixel x at 4 u = x, and at W - 1 - x once mirrored."""
    columns = torch.arange(24.0)
    seen, mirrored = (torch.exp(-((columns - u) ** 2) / 8) for u in (10.0, 24 - 0.25 - 10.0))
    maps, of_mirrored = (row.expand(1, 3, 4, 24) for row in (seen, mirrored))
    found = average_flipped(maps, of_mirrored, PERMUTATION, align=alignment(recipe))[0, 0, 0]
    centre = (found * columns).sum() / found.sum()
    assert centre.item() == pytest.approx(10.0 + offset, abs=0.005)


def test_unknown_alignment_is_refused() -> None:
    maps = peak_maps(2)
    with pytest.raises(InputError, match=r"'half'.*subpixel"):
        average_flipped(maps, maps, PERMUTATION, align="half")  # type: ignore[arg-type]
