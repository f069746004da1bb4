import numpy as np
import pytest

from wepdtof_pose.fisheye.lenses import EquidistantLens, KannalaBrandtLens

LENSES = {
    "equidistant": EquidistantLens(cx=383.5, cy=380.0, focal=240.0, max_angle=np.deg2rad(92)),
    "kannala-brandt": KannalaBrandtLens(
        383.5, 380.0, 240.0, -0.03, 0.006, -0.0012, 0.0001, np.deg2rad(92)
    ),
}


@pytest.mark.parametrize("name", LENSES)
def test_unproject_then_project_is_identity(name: str) -> None:
    lens = LENSES[name]
    pixels = np.random.default_rng(0).uniform(0, 767, (5000, 2))
    rays = lens.unproject(pixels)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1, atol=1e-12)
    np.testing.assert_allclose(lens.project(2.7 * rays), pixels, atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_project_then_unproject_is_identity(name: str) -> None:
    lens = LENSES[name]
    rays = np.random.default_rng(1).standard_normal((5000, 3))
    rays[:, 2] = np.abs(rays[:, 2])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    np.testing.assert_allclose(lens.unproject(lens.project(rays)), rays, atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_axis_lands_on_the_principal_point(name: str) -> None:
    lens = LENSES[name]
    np.testing.assert_array_equal(lens.project([0.0, 0.0, 2.0]), [lens.cx, lens.cy])
    np.testing.assert_allclose(lens.unproject([lens.cx, lens.cy]), [0, 0, 1], atol=1e-15)


def test_equidistant_radius_is_focal_times_angle() -> None:
    lens = LENSES["equidistant"]
    theta = np.deg2rad(60)
    point = [0.0, -np.sin(theta), np.cos(theta)]
    np.testing.assert_allclose(lens.project(point), [383.5, 380.0 - 240.0 * theta])


def test_kannala_brandt_polynomial() -> None:
    lens = KannalaBrandtLens(0.0, 0.0, 100.0, k1=0.1, k2=0.01)
    assert lens.radius_at(0.5) == pytest.approx(100 * (0.5 + 0.1 * 0.5**3 + 0.01 * 0.5**5))


def test_without_coefficients_kannala_brandt_is_equidistant() -> None:
    plain = KannalaBrandtLens(10.0, 20.0, 50.0)
    points = np.random.default_rng(2).standard_normal((100, 3))
    expected = EquidistantLens(10.0, 20.0, 50.0).project(points)
    np.testing.assert_allclose(plain.project(points), expected, atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_image_circle(name: str) -> None:
    lens = LENSES[name]
    rim = [lens.cx + lens.radius, lens.cy]
    assert np.arccos(lens.unproject(rim)[2]) == pytest.approx(np.deg2rad(92))
    assert lens.contains(np.subtract(rim, [0.01, 0]))
    assert not lens.contains(np.add(rim, [0.01, 0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"focal": 0.0}, "focal"),
        ({"focal": 100.0, "max_angle": 4.0}, "max_angle"),
        ({"focal": 100.0, "k1": -0.3}, "fold"),
    ],
    ids=["no focal length", "more than all around", "polynomial that turns back"],
)
def test_refused_lens(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KannalaBrandtLens(cx=0.0, cy=0.0, **arguments)
