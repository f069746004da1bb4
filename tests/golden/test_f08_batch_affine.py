import numpy as np
import pytest

from sspcm.augment.views import views_from_draws
from sspcm.heatmaps.affine import normalised_theta, warp_normalised


@pytest.fixture(scope="module")
def affine(recording):
    return recording("f08_batch_affine.npz")


def test_theta_of_scale_and_rotation(affine):
    theta = normalised_theta(affine("scale"), affine("rot_deg"))
    np.testing.assert_allclose(theta.numpy(), affine["theta"], atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
def test_warped_images_and_heatmaps(affine, align_corners):
    images, theta = affine("images_int8").float() / 32, affine("theta")
    for values, name in ((images, "images"), (affine("heatmaps"), "heatmaps")):
        warped = warp_normalised(values, theta, align_corners=align_corners)
        expected = affine[f"{name}_align_{align_corners}"]
        assert np.abs(warped.numpy() - expected).max() <= 1e-4


def test_theta_of_recorded_draws(affine):
    views = views_from_draws(affine("draw_z_scale"), affine("draw_u"), affine("draw_z_rot"))
    theta = normalised_theta(views.scale, views.rotation)
    np.testing.assert_allclose(theta.numpy(), affine["draw_theta"], atol=1e-12)
