import numpy as np
import pytest
import torch

from sspcm.augment.occlusion import JITTER, PatchDraw, cut_occlude, joint_cutout

CASES = ("a", "b", "c", "d")


def coded_images(shape: np.ndarray) -> torch.Tensor:
    people, _, height, width, _ = (int(size) for size in shape)
    i, y, x = torch.meshgrid(
        torch.arange(people), torch.arange(height), torch.arange(width), indexing="ij"
    )
    code = (i * 65536 + y * 256 + x + 1).double()
    return torch.stack([code, -code], dim=1)


def assert_changed_as_recorded(result, images, recorded, case):
    expected = images[:, 0].flatten().clone()
    expected[recorded(f"{case}_changed_pos").long()] = recorded(f"{case}_changed_code").double()
    assert torch.equal(result[:, 0].flatten(), expected)
    assert torch.equal(result[:, 1], -result[:, 0])


@pytest.mark.parametrize("case", CASES)
def test_released_joint_cutout(recording, case):
    recorded = recording("f09_joint_cutout.npz")
    images = coded_images(recorded[f"{case}_shape"])
    joint = recorded(f"{case}_joint_idx")
    draw = PatchDraw(
        jitter=recorded(f"{case}_z") * JITTER,
        half_size=recorded(f"{case}_size"),
        joint=joint,
        donor_joint=joint,
        donor=torch.zeros(len(images), dtype=torch.int64),
    )
    result = joint_cutout(images, recorded(f"{case}_joints"), draw, released=True)
    assert_changed_as_recorded(result, images, recorded, case)


@pytest.mark.parametrize("case", CASES)
def test_released_cut_occlude(recording, case):
    recorded = recording("f09_cut_occlude.npz")
    images = coded_images(recorded[f"{case}_shape"])
    draw = PatchDraw(
        jitter=recorded(f"{case}_z") * JITTER,
        half_size=recorded(f"{case}_size"),
        joint=recorded(f"{case}_target_joint_idx"),
        donor_joint=recorded(f"{case}_donor_joint_idx"),
        donor=recorded(f"{case}_donor_image"),
    )
    result = cut_occlude(images, recorded(f"{case}_joints"), draw, released=True)
    assert_changed_as_recorded(result, images, recorded, case)
