from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.fisheye.lenses import EquidistantLens
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import frame_image, read_image
from wepdtof_pose.pictures import annotators, people
from wepdtof_pose.pictures.films import scene_rows, write_sheet, write_video
from wepdtof_pose.pictures.frames import write_frames, write_grid, write_heatmaps
from wepdtof_pose.pictures.people import frame_picture, gaussian_heatmaps, person_picture
from wepdtof_pose.scores.predictions import predictions_of_people


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
    found = middle_of(picture, annotators.MIDDLE)
    np.testing.assert_allclose(found, [60.5 * zoom - 0.5, 40.5 * zoom - 0.5], atol=0.6)


def test_a_person_is_drawn_where_the_crop_has_it(one: PoseDataset) -> None:
    picture = person_picture(one, 0, one.keypoints[0], size=(240, 320))
    # The box is 50 x 50.5 at (20, 20); grown to 3:4 and by 1.25 the crop is 62.5 pixels wide
    # times 50 / 50, its middle at (45, 45.25).
    zoom = 240 / (50 * 1.25)
    expected = [120 + (60 - 45) * zoom, 160 + (40 - 45.25) * zoom]
    np.testing.assert_allclose(middle_of(picture, annotators.MIDDLE), expected, atol=0.6)


def test_what_shrinks_is_averaged(one: PoseDataset) -> None:
    stripes = np.zeros((90, 120, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    cv2.imwrite(str(one.root / one.frames["file_name"].iloc[0]), stripes)
    # One pixel of the picture is 5.2 of the frame; the inside, where nothing lies beyond the frame.
    inside = person_picture(one, 0, None, size=(12, 16))[4:-4, 2:-2].astype(float)
    assert np.abs(inside - 100).max() < 25


@pytest.mark.parametrize("width", [12, 30, 48])
def test_what_shrinks_stays_in_its_place(one: PoseDataset, width: int) -> None:
    spot = np.zeros((90, 120, 3), dtype=np.uint8)
    spot[30:51, 50:71] = 255  # its middle is the pixel (60, 40)
    cv2.imwrite(str(one.root / one.frames["file_name"].iloc[0]), spot)
    size = (width, width * 4 // 3)
    picture = person_picture(one, 0, None, size=size)[..., 0].astype(float)
    rows, columns = np.indices(picture.shape)
    found = np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()
    zoom = width / (50 * 1.25)
    expected = [size[0] / 2 + (60 - 45) * zoom, size[1] / 2 + (40 - 45.25) * zoom]
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_track_id_stands_at_the_rotated_box(
    make_dataset: Callable,
    write_folder: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A bar of 10 x 50 pixels about (60, 45), turned by 45 degrees: its upper side has the corners
    # (74.1, 23.8) and (81.2, 30.9), while the upper left corner of the upright box is (38.8, 23.8).
    turned = {"cx": 60.0, "cy": 45.0, "w": 10.0, "h": 50.0, "angle": 45.0}
    columns = {f"rotated_{name}": [value] for name, value in turned.items()}
    reach = 60 / np.sqrt(8)
    box = {"x": [60 - reach], "y": [45 - reach], "w": [2 * reach], "h": [2 * reach]}
    dataset = make_dataset([1], track_id=[7], **columns, **box)
    dataset = load_dataset(write_folder(tmp_path, person_keypoints=dataset))["all"]
    labels: list[tuple] = []
    monkeypatch.setattr(annotators, "draw_label", lambda _, *label, size: labels.append(label))
    frame_picture(dataset, 0)
    ((text, place),) = labels
    assert text == "7"
    zoom = 1152 / 120
    corner = np.array([60 + 20 / np.sqrt(2), 45 - 30 / np.sqrt(2)])
    np.testing.assert_allclose(place, (corner + 0.5) * zoom - 0.5, atol=1e-6)


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


def test_each_picture_decodes_its_frame_once(
    one: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    monkeypatch.setattr(people, "frame_image", lambda *_: decoded.append(1) or frame_image(one, 0))
    found = predictions_of_people(one, one.keypoints)
    options = {"limit": 1, "rng": np.random.default_rng(0)}
    write_frames(one, tmp_path / "v", predictions=found, **options)
    write_grid(one, tmp_path / "g.png", predictions=found, **options)
    write_heatmaps(one, tmp_path / "h.png", **options)
    write_sheet(one, tmp_path / "s.png", np.array([0]), predictions=found)
    assert len(decoded) == 4


def test_only_people_on_predicted_frames_stand_in_a_grid(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    data = load_dataset(write_folder(tmp_path / "data", all=make_dataset([1, 2, 3])))["all"]
    second = data.select_frames(np.array([1]))
    found = predictions_of_people(second, second.keypoints)
    options = {"limit": 9, "columns": 9, "predictions": found}
    file = write_grid(data, tmp_path / "g.png", rng=np.random.default_rng(0), **options)
    assert read_image(file).shape[1] == 2 * (2 * 240 + 8) + 8
    frames = write_frames(
        data, tmp_path / "v", limit=9, rng=np.random.default_rng(0), predictions=found
    )
    assert len(frames) == 1


def test_nothing_to_draw(make_dataset: Callable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable people"):
        write_grid(make_dataset([]), tmp_path / "g.png", limit=1, rng=np.random.default_rng(0))


def test_heatmaps_peak_at_the_joints(one: PoseDataset, tmp_path: Path) -> None:
    pose = np.array([[10.0, 20.0, 2.0], [3.0, 4.0, 0.0]])
    heatmaps = gaussian_heatmaps(pose, (48, 64), 2.0)
    assert heatmaps.shape == (2, 64, 48)
    assert heatmaps[0, 20, 10] == 1
    assert heatmaps[0, 20, 12] == pytest.approx(np.exp(-0.5))
    assert not heatmaps[1].any()
    file = write_heatmaps(one, tmp_path / "h.png", limit=3, rng=np.random.default_rng(0))
    covered = read_image(file)[8:328, 8 + 240 : 8 + 480]
    # The neck lies in the crop where test_a_person_is_drawn_where_the_crop_has_it says.
    bright = np.argwhere(covered.min(axis=2) > 200)
    zoom = 240 / 62.5
    expected = [160 + (40 - 45.25) * zoom, 120 + (60 - 45) * zoom]
    np.testing.assert_allclose(bright.mean(axis=0), expected, atol=4)


def test_rings(one: PoseDataset) -> None:
    lens = EquidistantLens(100, 100, 60, np.pi / 2)
    image = np.zeros((201, 201, 3), dtype=np.uint8)
    annotators.draw_rings(image, lens, width=1)
    drawn = np.argwhere(image.max(axis=2) > 100) - 100.0
    radii = np.linalg.norm(drawn, axis=1)
    # Rings every 15 degrees, 15.7 pixels apart, up to the rim at 94.2; labels lie on 30 and 60.
    assert (np.abs(radii - 94.25) < 1).sum() > 300
    assert (np.abs(radii - 15.7) < 1).sum() > 20
    assert (np.abs(radii - 23.5) < 1).sum() < 5
    small, large = (frame_picture(one, 0, rings=rings) for rings in (False, True))
    assert (small != large).any()


def test_scene_rows(make_dataset: Callable) -> None:
    dataset = make_dataset([1] * 10, scenes=["b", "a"] * 5)
    assert scene_rows(dataset, "a", limit=9).tolist() == [1, 3, 5, 7, 9]
    assert scene_rows(dataset, None, limit=2).tolist() == [0, 8]
    with pytest.raises(InputError, match="no scene 'c' in the data set: there are b, a"):
        scene_rows(dataset, "c", limit=1)
    with pytest.raises(InputError, match="no frames"):
        scene_rows(make_dataset([]), None, limit=1)


def test_sheet_and_film(make_dataset: Callable, write_folder: Callable, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", a=make_dataset([1] * 5))
    dataset = load_dataset(folder)["all"]
    rows = scene_rows(dataset, None, limit=5)
    sheet = read_image(write_sheet(dataset, tmp_path / "s.png", rows, columns=2))
    assert sheet.shape[1] == 2 * (480 + 8) + 8
    film = write_video(dataset, tmp_path / "fi lm" / "ä.mp4", rows, rings=True, fps=4)
    reader = cv2.VideoCapture(str(film))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert reader.get(cv2.CAP_PROP_FPS) == 4
    assert reader.read()[1].shape == (864, 1152, 3)
    assert [path.name for path in film.parent.iterdir()] == ["ä.mp4"]
