import numpy as np
import pytest

from wepdtof_pose.synthetic.rays import Boxes, Cones, hit_box, hit_cone, hit_room


def cone(a: tuple, b: tuple, r0: float, r1: float) -> Cones:
    axis = np.subtract(b, a).astype(float)
    height = np.linalg.norm(axis)
    z = axis / height
    y = np.array([0.0, 1, 0]) if abs(z[1]) < 0.9 else np.array([1.0, 0, 0])
    y -= (y @ z) * z
    y /= np.linalg.norm(y)
    to_local = np.stack([np.cross(y, z), y, z])[None]
    return Cones(to_local, np.array([a], float), np.array([height]), np.array([r0]), np.array([r1]))


def march(origin: np.ndarray, way: np.ndarray, shape: Cones) -> np.ndarray:
    """Sphere tracing with the distance to a round cone: an independent way to the same hit."""
    samples = np.linspace(0, 1, 400)
    centres = shape.base[0] + samples[:, None] * shape.height[0] * shape.to_local[0, 2]
    radii = shape.r0[0] + samples * (shape.r1[0] - shape.r0[0])
    t = np.zeros(len(way))
    for _ in range(400):
        points = origin + t[:, None] * way
        distance = np.linalg.norm(points[:, None] - centres, axis=-1) - radii
        t += distance.min(axis=1)
    return np.where(t < 50, t, np.inf)


@pytest.mark.parametrize(
    ("a", "b", "r0", "r1"),
    [
        ((0, 2, 0), (1, 2.5, 0.4), 0.3, 0.3),
        ((0, 2, 0), (1, 2.5, 0.4), 0.4, 0.1),
        ((0.1, 3, 0), (0, 1.5, 0.1), 0.5, 0.1),
        ((0, 1.5, 0), (0.1, 3, 0), 0.1, 0.5),
    ],
    ids=["capsule", "tapered", "small end towards the eye", "big end behind"],
)
def test_cone_hits_agree_with_sphere_tracing(a: tuple, b: tuple, r0: float, r1: float) -> None:
    shape = cone(a, b, r0, r1)
    way = np.random.default_rng(0).normal([0, 1, 0], 0.25, (200, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    expected = march(np.zeros(3), way, shape)
    found = hit_cone(shape, 0, np.zeros(3), way.T)
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.sum() > 25
    # Only rays that graze the silhouette may be judged differently.
    assert (np.isfinite(expected) != np.isfinite(found)).mean() < 0.03
    np.testing.assert_allclose(found[both], expected[both], atol=5e-3)


def test_stretched_sphere_is_an_ellipsoid() -> None:
    stretch = np.diag([1 / 2.0, 1.0, 1.0])[None]
    shape = Cones(stretch, np.zeros((1, 3)), np.array([1e-4]), np.array([1.0]), np.array([1.0]))
    rays = np.array([[-1.0, 0, 0], [0, -1.0, 0], [1.0, 0, 0]])
    found = hit_cone(shape, 0, np.array([5.0, 0, 0]), rays.T)
    np.testing.assert_allclose(found, [3.0, np.inf, np.inf], atol=1e-6)


def test_all_cones_at_once_equal_one_by_one() -> None:
    a, b = cone((0, 2, 0), (1, 2, 0), 0.3, 0.2), cone((0, 3, 1), (1, 2, 0), 0.1, 0.2)
    both = Cones(*(np.concatenate([getattr(c, n) for c in (a, b)]) for n in a.__dict__))
    way = np.random.default_rng(1).normal([0, 1, 0], 0.3, (50, 3)).T
    found = hit_cone(both, slice(None), np.zeros(3), way)
    np.testing.assert_allclose(found[1], hit_cone(b, 0, np.zeros(3), way))


def test_turned_box() -> None:
    boxes = Boxes(np.array([[0.0, 4, 0]]), np.array([[1.0, 1, 1]]), np.array([np.pi / 4]))
    rays = np.array([[0.0, 1, 0], [0, -1, 0], [1, 0, 0]])
    found = hit_box(boxes, 0, np.zeros(3), rays.T)
    np.testing.assert_allclose(found, [4 - np.sqrt(2), np.inf, np.inf], atol=1e-6)


def test_room_faces() -> None:
    rays = np.vstack([-np.eye(3), np.eye(3)])
    t, face = hit_room(
        np.array([-1.0, -2, 0]), np.array([3.0, 4, 5]), np.array([0, 0, 2.0]), rays.T
    )
    np.testing.assert_allclose(t, [1, 2, 2, 3, 4, 3])
    assert face.tolist() == [0, 2, 4, 1, 3, 5]


def test_hull_points_hold_the_cone() -> None:
    shape = cone((0, 0, 0), (0, 0, 2), 0.5, 0.2)
    points = shape.hull_points()[0]
    for way in np.random.default_rng(2).standard_normal((200, 3)):
        way /= np.linalg.norm(way)
        support = max(0.5, 2 * way[2] + 0.2)
        assert (points @ way).max() >= support - 1e-6
