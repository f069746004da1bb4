"""One sample from frame to tensors: through the published crop, and through a stored region."""

import numpy as np
import pytest
import torch

from sspcm.augment.views import ViewDraw, region_to_crop
from sspcm.data.batches import easy_views, view_joints
from sspcm.data.crop_places import CropPlaces
from sspcm.data.crop_store import cut_window, region_size
from sspcm.data.normalisation import normalise
from sspcm.heatmaps.targets import gaussian_targets
from wepdtof_pose.geometry import boxes_to_center_scale, clip_boxes, crop_matrices, transform_points
from wepdtof_pose.keypoints import convert_keypoints, get_keypoint_set

UNION = get_keypoint_set("union-24")


@pytest.fixture(scope="module")
def sample(recording):
    return recording("f13_sample_pipeline.npz")


@pytest.fixture(scope="module")
def crop_size(sample):
    return sample["crop_bgr"].shape[2], sample["crop_bgr"].shape[1]


def upright(sample, crop_size):
    """Centres and scales of the boxes before any augmentation."""
    image = sample["image_bgr"]
    boxes, kept = clip_boxes(sample["boxes_xywh"], (image.shape[1], image.shape[0]), released=True)
    assert kept.all()
    return boxes_to_center_scale(boxes, crop_size)


def keypoints(sample):
    fisheye = get_keypoint_set("wepdtof-pose-14")
    return convert_keypoints(sample["keypoints_14"], fisheye, UNION)


def views(sample):
    return ViewDraw(scale=sample("scale_factor"), rotation=sample("rot_deg"), flip=sample("flip"))


def published_crop(sample, crop_size, index):
    image = sample["image_bgr"]
    center, scale = upright(sample, crop_size)
    center, scale = center[index].copy(), scale[index] * sample["scale_factor"][index]
    if sample["flip"][index]:
        image = np.ascontiguousarray(image[:, ::-1])
        center[0] = image.shape[1] - 1 - center[0]
    np.testing.assert_array_equal(center, sample["center"][index])
    np.testing.assert_allclose(scale, sample["scale"][index], rtol=1e-6)
    matrix = crop_matrices(
        center[None], scale[None], sample["rot_deg"][index : index + 1], crop_size
    )
    return cut_window(image, matrix[0], crop_size)


def test_crops_are_the_published_ones(sample, crop_size):
    crops = np.stack(
        [published_crop(sample, crop_size, i) for i in range(len(sample["flip"]))]
    ).astype(int)
    difference = np.abs(crops - sample["crop_bgr"].astype(int))
    assert (difference > 0).mean() <= 1e-4
    assert difference.max() <= 8


def test_normalised_tensor(sample):
    crop = torch.from_numpy(sample["crop_bgr"][1:2, :, :, ::-1].copy()).permute(0, 3, 1, 2).float()
    tensor = normalise(crop, bgr=True)[0]
    np.testing.assert_allclose(
        tensor.mean(dim=(1, 2)).numpy(), sample["norm_sample1_mean"], atol=1e-4
    )
    patch = sample["norm_sample1_patch"]
    found = tensor.unfold(1, patch.shape[1], 1).unfold(2, patch.shape[2], 1)
    distance = (found - torch.from_numpy(patch)[:, None, None]).abs().amax(dim=(0, 3, 4))
    assert distance.min() <= 1e-5


def region_views(sample, crop_size):
    """Easy views cut from stored regions instead of the frame."""
    center, scale = upright(sample, crop_size)
    side = region_size(crop_size, largest_scale=1.25)
    matrices = CropPlaces(center, scale, np.zeros(len(center))).matrices(crop_size, (side, side))
    regions = np.stack([cut_window(sample["image_bgr"], m, (side, side)) for m in matrices])
    to_crop = region_to_crop(views(sample), side, crop_size)
    images = easy_views(torch.from_numpy(regions), to_crop, crop_size=crop_size, bgr=False)
    points = keypoints(sample)
    joints, visibility = view_joints(
        torch.from_numpy(transform_points(points[..., :2], matrices)),
        torch.from_numpy((points[..., 2] > 0).astype(np.float32)),
        to_crop,
        views(sample).flip,
        torch.from_numpy(UNION.flip_permutation),
    )
    return images, joints, visibility


def test_joints_and_targets_through_a_stored_region(sample, crop_size):
    _, joints, visibility = region_views(sample, crop_size)
    expected = sample["joints_in_crop"][..., :2]
    labelled = visibility.numpy() > 0
    np.testing.assert_allclose(joints.numpy()[labelled], expected[labelled], atol=2e-3)
    size = sample["target"].shape[3], sample["target"].shape[2]
    target, weight = gaussian_targets(joints, visibility, size)
    np.testing.assert_allclose(target.numpy(), sample["target"], atol=1e-6)
    np.testing.assert_array_equal(weight.numpy(), sample["target_weight"][..., 0])


def test_an_image_through_a_stored_region_is_the_published_crop_up_to_resampling(sample, crop_size):
    images, _, _ = region_views(sample, crop_size)
    for index in range(len(images)):
        crop = torch.from_numpy(sample["crop_bgr"][index]).permute(2, 0, 1).float()[None]
        published = normalise(crop, bgr=False)[0]
        difference = (images[index] - published).abs()
        # Resampled twice: the same picture, a little smoother (0.06 is 3.4 grey levels).
        assert difference.mean() < 0.06
        correlation = np.corrcoef(images[index].flatten(), published.flatten())[0, 1]
        assert correlation > 0.995
