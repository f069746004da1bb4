"""Boxes, crop centres and scales, and crop matrices against the recorded reference."""

from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.geometry import (
    boxes_to_center_scale,
    clip_boxes,
    crop_matrices,
    invert_affine,
    transform_points,
)

CROPS = ["192x256", "256x256", "288x384"]
TOLERANCE = 3e-6


@pytest.fixture(scope="module")
def recorded(golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / "f01_affine.npz") as content:
        return dict(content)


def size(name: str) -> tuple[int, int]:
    width, height = name.split("x")
    return int(width), int(height)


def matrices(recorded: dict[str, np.ndarray]) -> np.ndarray:
    rows = zip(*(recorded[k] for k in ("center", "scale", "rot_deg", "output_wh")), strict=True)
    return np.concatenate(
        [crop_matrices(c[None], s[None], r[None], tuple(wh.tolist())) for c, s, r, wh in rows]
    )


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    largest = np.abs(expected).max(axis=(1, 2), keepdims=True)
    np.testing.assert_array_less(np.abs(found - expected) / largest, TOLERANCE)


def test_clipping_is_exact(recorded: dict[str, np.ndarray]) -> None:
    boxes, kept = clip_boxes(recorded["boxes_xywh"], recorded["image_wh"], released=True)
    np.testing.assert_array_equal(kept, recorded["kept"])
    np.testing.assert_array_equal(boxes[kept], recorded["clean_box"][kept])


@pytest.mark.parametrize(
    ("prefix", "crop"), [*(("", crop) for crop in CROPS), ("box2cs_", "192x256")]
)
def test_centers_and_scales_are_exact(
    recorded: dict[str, np.ndarray], prefix: str, crop: str
) -> None:
    boxes, kept = recorded["boxes_xywh"], np.ones(len(recorded["kept"]), dtype=bool)
    if not prefix:
        boxes, kept = recorded["clean_box"], recorded["kept"]
    center, scale = boxes_to_center_scale(boxes[kept], size(crop))
    assert center.dtype == scale.dtype == np.float32
    np.testing.assert_array_equal(center, recorded[f"{prefix}center_{crop}"][kept])
    np.testing.assert_array_equal(scale, recorded[f"{prefix}scale_{crop}"][kept])


def test_matrices(recorded: dict[str, np.ndarray]) -> None:
    found = matrices(recorded)
    assert_close(found, recorded["trans"])
    assert_close(invert_affine(found), recorded["trans_inv"])


def test_points(recorded: dict[str, np.ndarray]) -> None:
    found = matrices(recorded)
    assert_close(transform_points(recorded["pts_image"], found), recorded["pts_image_to_crop"])
    back = transform_points(recorded["pts_crop"], invert_affine(found))
    assert_close(back, recorded["pts_crop_to_image"])
