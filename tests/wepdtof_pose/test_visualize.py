from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose import drawing
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_image
from wepdtof_pose.loading import load_dataset
from wepdtof_pose.predictions import predictions_of_people
from wepdtof_pose.visualize import frame_picture, person_picture, write_frames, write_grid


@pytest.fixture
def one(make_dataset: Callable, write_folder: Callable, tmp_path: Path) -> PoseDataset:
    """One person on a frame of 120 x 90 pixels, with nothing but the neck at (60, 40)."""
    dataset = make_dataset([1])
    keypoints = np.zeros_like(dataset.keypoints)
    keypoints[0, dataset.keypoint_set.joints.index("neck")] = 60, 40, 2
    dataset = replace(dataset, keypoints=keypoints)
    return load_dataset(write_folder(tmp_path, person_keypoints=dataset))["all"]


def middle_of(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    rows, columns = np.nonzero((image == color).all(axis=2))
    return np.array([columns.mean(), rows.mean()])


def test_small_frames_are_enlarged_about_pixel_centres(one: PoseDataset) -> None:
    picture = frame_picture(one, 0)
    assert picture.shape == (864, 1152, 3)
    zoom = 1152 / 120
    found = middle_of(picture, drawing.MIDDLE)
    np.testing.assert_allclose(found, [60.5 * zoom - 0.5, 40.5 * zoom - 0.5], atol=0.6)


def test_a_person_is_drawn_where_the_crop_has_it(one: PoseDataset) -> None:
    picture = person_picture(one, 0, one.keypoints[0], size=(240, 320))
    # The box is 50 x 50.5 at (20, 20); grown to 3:4 and by 1.25 the crop is 62.5 pixels wide
    # times 50 / 50, its middle at (45, 45.25).
    zoom = 240 / (50 * 1.25)
    expected = [120 + (60 - 45) * zoom, 160 + (40 - 45.25) * zoom]
    np.testing.assert_allclose(middle_of(picture, drawing.MIDDLE), expected, atol=0.6)


def test_selection_is_seeded_and_in_file_order(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    dataset = load_dataset(write_folder(tmp_path, a=make_dataset([1] * 8)))["all"]
    names = [
        [p.name for p in write_frames(dataset, tmp_path / "v", limit=4, rng=rng)]
        for rng in map(np.random.default_rng, (0, 0, 1))
    ]
    assert names[0] == names[1] != names[2]
    numbers = [int(name.split("_")[1].removesuffix(".png")) for name in names[0]]
    assert numbers == sorted(numbers)
    assert len(numbers) == 4


def test_predictions_are_drawn_on_a_second_copy(one: PoseDataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scored = one.keypoints.copy()
    scored[..., 2] = np.where(scored[..., 2] > 0, 0.9, 0.1)
    predictions = predictions_of_people(one, scored)
    file = write_frames(one, tmp_path / "v", limit=1, rng=rng, predictions=predictions)[0]
    assert read_image(file).shape == (864 + 16, 2 * 1152 + 24, 3)
    grid = write_grid(one, tmp_path / "g.png", limit=9, rng=rng, predictions=predictions)
    halves = np.split(read_image(grid)[8:328, 8:488], 2, axis=1)
    np.testing.assert_array_equal(*halves)


def test_nothing_to_draw(make_dataset: Callable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable people"):
        write_grid(make_dataset([]), tmp_path / "g.png", limit=1, rng=np.random.default_rng(0))
