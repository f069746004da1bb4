import numpy as np
import pytest

from wepdtof_pose.scores.oks import joint_similarity, oks_matrix, oks_nms, pose_oks

SIGMAS = np.array([0.05, 0.1])
BOX = np.array([[10.0, 20.0, 30.0, 40.0]])


def person(*joints: tuple[float, float, float]) -> np.ndarray:
    return np.array([joints])


@pytest.mark.parametrize(
    ("distance", "area", "expected"),
    [
        pytest.param(0.0, 100.0, 1.0, id="exact"),
        pytest.param(np.sqrt(2 * 100.0) * 0.1, 100.0, np.exp(-1), id="sqrt 2 of s k"),
        pytest.param(10.0, 400.0, np.exp(-100 / (2 * 400 * 0.01)), id="twice the size"),
    ],
)
def test_joint_similarity(distance: float, area: float, expected: float) -> None:
    squared = np.array([[distance**2]])
    assert joint_similarity(squared, np.array([area]), np.array([0.05]))[0, 0] == pytest.approx(
        expected
    )


def test_oks_is_the_mean_over_labelled_joints() -> None:
    truth = person((10, 10, 2), (20, 20, 0))
    predictions = np.array([[[10.0, 10.0], [99.0, 99.0]], [[13.0, 14.0], [20.0, 20.0]]])
    oks = oks_matrix(predictions, truth, np.array([500.0]), BOX, SIGMAS)
    assert oks.shape == (2, 1)
    np.testing.assert_allclose(oks[:, 0], [1.0, np.exp(-25 / (2 * 500 * 0.01))])


@pytest.mark.parametrize(
    ("point", "distance"),
    [
        pytest.param((25, 40), 0.0, id="inside the box"),
        pytest.param((-20, -20), 0.0, id="on the corner of the grown box"),
        pytest.param((-23, 40), 3.0, id="left of the grown box"),
        pytest.param((74, 103), 5.0, id="beyond its far corner"),
    ],
)
def test_a_person_without_joints_is_compared_by_box(
    point: tuple[float, float], distance: float
) -> None:
    truth = person((0, 0, 0), (0, 0, 0))
    predictions = np.array([[point, point]])
    oks = oks_matrix(predictions, truth, np.array([636.0]), BOX, SIGMAS)
    expected = np.exp(-(distance**2) / (2 * 636 * (2 * SIGMAS) ** 2)).mean()
    assert oks[0, 0] == pytest.approx(expected)


def test_no_people_or_no_predictions_give_empty_matrices() -> None:
    nothing = np.zeros((0, 2, 3))
    some = np.ones((3, 2, 3))
    assert oks_matrix(some, nothing, np.zeros(0), np.zeros((0, 4)), SIGMAS).shape == (3, 0)
    assert oks_matrix(nothing, some, np.ones(3), np.ones((3, 4)), SIGMAS).shape == (0, 3)
    assert oks_nms(nothing, np.zeros(0), np.zeros(0), SIGMAS, 0.5).shape == (0,)


def test_pose_oks_is_symmetric_and_one_with_itself() -> None:
    rng = np.random.default_rng(0)
    oks = pose_oks(rng.uniform(0, 20, (5, 2, 2)), rng.uniform(100, 900, 5), SIGMAS)
    np.testing.assert_allclose(oks, oks.T)
    np.testing.assert_allclose(np.diag(oks), 1)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(1.0, [2, 0, 3, 1], id="nothing is more than identical"),
        pytest.param(0.9, [2, 0, 1], id="the copy goes"),
        pytest.param(0.1, [2, 1], id="the near one too"),
    ],
)
def test_suppression_keeps_the_best_of_similar_poses(threshold: float, expected: list[int]) -> None:
    # OKS with 400 square pixels and these sigmas: 0.32 at 4 pixels, 0 at 100.
    x = np.array([0.0, 100.0, 4.0, 0.0])
    poses = np.zeros((4, 2, 2))
    poses[..., 0] = x[:, None]
    scores = np.array([0.8, 0.1, 0.9, 0.7])
    assert oks_nms(poses, scores, np.full(4, 400.0), SIGMAS, threshold).tolist() == expected


def test_of_equal_scores_the_later_pose_goes_first() -> None:
    poses, areas = np.zeros((3, 2, 2)), np.ones(3)
    assert oks_nms(poses, np.ones(3), areas, SIGMAS, 0.5).tolist() == [2]
