import numpy as np
import pytest

from wepdtof_pose.fisheye.lenses import KannalaBrandtLens
from wepdtof_pose.synthetic.camera import draw_camera


@pytest.mark.parametrize("seed", [2048, 2895, 3297])
def test_coefficients_that_fold_the_image_back_are_drawn_again(seed: int) -> None:
    camera = draw_camera(np.random.default_rng(seed), 768, np.array([0, 0, 3.0]))
    assert isinstance(camera.lens, KannalaBrandtLens)
    assert 0.95 * 384 <= camera.lens.radius <= 1.01 * 384
    assert (np.diff(camera.lens.radius_at(np.linspace(0, 2, 500))) > 0).all()
