"""What users call from Python: load, predict, train, evaluate, and the forms that poses take."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import sspcm
from sspcm.config_io import load_config
from sspcm.inference.finder import find_inputs
from sspcm.inference.predict import PredictionOptions, predict_inputs
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset


@pytest.fixture
def model(single_run: Path) -> sspcm.Model:
    return sspcm.load(single_run)


@pytest.fixture
def image(test_people: PoseDataset) -> Path:
    return test_people.root / test_people.frames["file_name"].iloc[0]


BOXES = [[40.0, 60.0, 60.0, 80.0], [100.0, 90.0, 50.0, 60.0]]


def test_an_image_in_poses_out_as_the_command_gives_them(
    model: sspcm.Model, image: Path, tmp_path: Path
) -> None:
    rows = [{"file_name": image.name, "bbox": box} for box in BOXES]
    write_json(tmp_path / "boxes.json", rows)
    options = PredictionOptions(boxes=tmp_path / "boxes.json", track=False)
    predict_inputs(model.networks, [image], tmp_path / "out", options)
    wanted = read_json(tmp_path / "out" / "predictions.json")
    poses = model(image, boxes=BOXES)
    assert poses.to_coco() == wanted
    assert poses.size == cv2.imread(str(image)).shape[1::-1]
    neck = model.joints.index("neck")
    np.testing.assert_array_equal(poses.joint("neck"), poses.keypoints[:, neck])
    with pytest.raises(InputError, match="no joint 'tail': there are right_shoulder"):
        poses.joint("tail")


def test_forms_of_an_image(model: sspcm.Model, image: Path) -> None:
    from PIL import Image

    pixels = cv2.imread(str(image))
    wanted = model(image, boxes=BOXES).keypoints
    for other in (pixels, str(image), Image.fromarray(pixels[..., ::-1])):
        np.testing.assert_array_equal(model(other, boxes=BOXES).keypoints, wanted)
    assert len(model(pixels[..., 0])) == 1  # grey, as one person
    for wrong in (pixels.astype(float), np.zeros((0, 0, 3), np.uint8), [1, 2]):
        with pytest.raises(InputError, match="an image must be"):
            model(wrong)
    for wrong, found in ((image.read_bytes(), "bytes"), (None, "NoneType"), ([pixels], "list")):
        with pytest.raises(InputError, match=f"in BGR, not {found}$"):
            model(wrong)
    with image.open("rb") as stream, pytest.raises(InputError, match="not BufferedReader"):
        model(stream)
    torch_pixels = torch.from_numpy(pixels)
    np.testing.assert_array_equal(model(torch_pixels, boxes=BOXES).keypoints, wanted)


def test_a_pillow_image_is_what_its_file_is(model: sspcm.Model, tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
    sideways, deep, real = (tmp_path / name for name in ("6.jpg", "16.png", "real.tiff"))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(sideways, exif=exif)
    Image.fromarray(pixels[..., 0].astype(np.uint16) << 4).save(deep)
    for path, size in ((sideways, (48, 96)), (deep, (96, 48))):
        poses = model(Image.open(path))
        assert poses.size == size
        np.testing.assert_array_equal(poses.image, model(path).image)
    Image.fromarray(pixels[..., 0] / np.float32(255)).save(real)
    with pytest.raises(InputError, match="mode 'F' has values that are no 8 or 16 bits"):
        model(Image.open(real))
    for mode in ("RGB", "I"):
        with pytest.raises(InputError, match="has no pixels"):
            model(Image.new(mode, (0, 4)))
    real.write_bytes(sideways.read_bytes()[:700])
    with pytest.raises(InputError, match="Pillow cannot be read: image file is truncated"):
        model(Image.open(real))


class Found:
    """Boxes as Ultralytics' results hold them: tensors, scores as `conf`, all numbers as `data`."""

    def __init__(self, corners: list[list[float]]) -> None:
        self.xyxy = torch.tensor(corners, dtype=torch.float32, requires_grad=True)
        self.conf = torch.full((len(corners),), 0.5)
        self.data = torch.cat([self.xyxy, self.conf[:, None]], dim=1)


def test_forms_of_boxes(model: sspcm.Model, image: Path) -> None:
    wanted = model(image, boxes=[[10, 10, 40, 80], [30, 20, 40, 60]])
    found = model(image, boxes=Found([[10, 10, 50, 90], [30, 20, 70, 80]]))
    np.testing.assert_array_equal(found.keypoints, wanted.keypoints)
    np.testing.assert_allclose(found.scores, 0.5 * wanted.scores)
    tensor = torch.tensor([[10.0, 10, 40, 80], [30, 20, 40, 60]], requires_grad=True)
    np.testing.assert_array_equal(model(image, boxes=tensor).keypoints, wanted.keypoints)
    assert len(model(image, boxes=[[50, 50, 0, 30, 10], [50, 50, 20, 30, 10]])) == 1
    for wrong, said in (
        ([[90, 90, -40, 20]], "negative sides"),
        ([[90, 90, 40, -20, 30]], "negative sides"),
        (Found([[70, 80, 30, 20]]), "negative sides"),
        (Found([[70, 80, float("nan"), 20]]), "not finite"),
        ([[0.1, 0.2, 0.3, 0.4]], "between 0 and 1"),
    ):
        with pytest.raises(InputError, match=said):
            model(image, boxes=wrong)
    for threshold in ("0.5", float("nan")):
        with pytest.raises(InputError, match="threshold of boxes must be a number"):
            model(image, threshold=threshold)
    for finder in (3, Found):
        with pytest.raises(InputError, match=r"an object with find\(images\), not "):
            sspcm.load("ceiling-pose", finder=finder)


@pytest.mark.parametrize("found", [None, [], [np.zeros((1, 4))], [np.full((1, 6), np.nan)], [1], 3])
def test_a_finder_must_give_boxes_of_each_image(image: Path, tmp_path: Path, found: Any) -> None:
    finder = SimpleNamespace(find=lambda images: found, record={"source": "mine"})
    with pytest.raises(InputError, match=r"must give, for each image, one array \(people, 6\)"):
        sspcm.load("ceiling-pose", finder=finder)(image)
    with pytest.raises(InputError, match=r"must give, for each image, one array \(people, 6\)"):
        find_inputs(finder, [image], tmp_path / "boxes.json")
    finder.find = lambda images: [[]]
    assert len(sspcm.load("ceiling-pose", finder=finder)(image)) == 0


def test_turned_crops_need_boxes(model: sspcm.Model, image: Path) -> None:
    turned = sspcm.Model(replace(model.networks, upright=True))
    with pytest.raises(InputError, match="cannot take whole frames"):
        turned(image)
    turned_box = [[70.0, 100.0, 60.0, 80.0, 20.0]]
    poses = turned(image, boxes=turned_box)
    assert poses.rotated.tolist() == turned_box
    assert poses.to_coco()[0]["rotated_box"] == turned_box[0]
    other = turned(image, boxes=turned_box, up="box")
    assert not np.allclose(other.keypoints, poses.keypoints)


def test_a_video_gives_poses_with_numbers_and_times(model: sspcm.Model, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for number in range(5):
        writer.write(np.full((64, 96, 3), 40 + number, dtype=np.uint8))
    writer.release()
    found = list(model.predict_video(path, keep_images=True))
    assert [poses.frame for poses in found] == [1, 2, 3, 4, 5]
    assert [poses.time for poses in found] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [poses.tracks.tolist() for poses in found] == [[1]] * 5
    assert found[0].draw().shape == (64, 96, 3)
    bare = next(iter(model.predict_video(path, track=False)))
    assert bare.tracks.tolist() == [0]
    with pytest.raises(InputError, match="without keeping their frame"):
        bare.draw()
    nan = float("nan")
    for wrong in ({"smooth": -1.0}, {"smooth": nan}, {"smooth": 0.2, "track": False}):
        with pytest.raises(InputError, match="smoothing"):
            next(model.predict_video(path, **wrong))
    with pytest.raises(InputError, match="is a video, not an image: predict_video"):
        model(path)
    cv2.imwrite(str(tmp_path / "still.png"), np.zeros((64, 96, 3), dtype=np.uint8))
    with pytest.raises(InputError, match="holds 2 images and videos: name one video"):
        next(model.predict_video(tmp_path))


def test_drawing_leaves_the_frame_as_it_is(model: sspcm.Model, image: Path) -> None:
    poses = model(image, boxes=BOXES)
    before = cv2.imread(str(image))
    drawn = poses.draw(threshold=-1)
    np.testing.assert_array_equal(poses.image, before)
    assert (drawn != before).any()
    assert len(list(poses)) == len(poses)
    assert len(poses.above(10.0)) == 0


def test_poses_for_supervision(
    model: sspcm.Model, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poses = model(image, boxes=BOXES)

    class Module:
        @staticmethod
        def KeyPoints(**fields: Any) -> dict[str, Any]:
            return fields

    monkeypatch.setitem(sys.modules, "supervision", Module)
    given = poses.to_supervision()
    np.testing.assert_array_equal(given["xy"], poses.keypoints[..., :2])
    np.testing.assert_array_equal(given["keypoint_confidence"], poses.keypoints[..., 2])
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match="needs the package supervision"):
        poses.to_supervision()


@pytest.mark.fiftyone
@pytest.mark.usefixtures("fiftyone")
def test_poses_for_fiftyone(model: sspcm.Model, image: Path) -> None:
    poses = model(image, boxes=BOXES)
    labels = poses.to_fiftyone().keypoints
    points = np.array([label.points for label in labels]) * poses.size
    np.testing.assert_allclose(points, poses.keypoints[..., :2], atol=1e-3)


@pytest.mark.usefixtures("own_cache")
def test_train_and_evaluate(tiny_fisheye: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    settings |= {"optimisation.epochs": 1, "optimisation.epoch_steps": 1}
    sspcm.train(tiny_fisheye, tmp_path / "run", method="supervised", labels=9, settings=settings)
    result = read_json(tmp_path / "run" / "result.json")
    assert (result["labels"], result["method"]) == ("9", "supervised")
    # What is not said is chosen as by the command.
    assert load_config(tmp_path / "run" / "config.yaml").data.upright
    with pytest.raises(InputError, match=r"preset quick and own\.yaml both say all settings"):
        sspcm.train(tiny_fisheye, tmp_path / "other", preset="quick", config="own.yaml")
    # Go on: the run knows what it is.
    more = {"optimisation.epochs": 2}
    longer = sspcm.train(tiny_fisheye, tmp_path / "run", settings=more, resume=True)
    assert (longer.epochs, longer.people_labelled) == (2, 9)
    result = read_json(tmp_path / "run" / "result.json")
    scores = sspcm.evaluate(tmp_path / "run")["networks"]["A"]
    assert scores["AP"] == pytest.approx(result["last"]["A"]["AP"])
    with pytest.raises(InputError, match="split needs data"):
        sspcm.evaluate(tmp_path / "run", split="val")


def test_settings_of_a_group_keep_the_others_of_the_preset(
    tiny_fisheye: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    others = {key: value for key, value in settings.items() if not key.startswith("optimisation.")}
    grouped = others | {"optimisation": {"epochs": 2, "epoch_steps": 1, "batch_size": 4}}
    run = tmp_path / "run"
    sspcm.train(tiny_fisheye, run, method="supervised", labels=9, preset="quick", settings=grouped)
    optimisation = load_config(run / "config.yaml").optimisation
    assert (optimisation.epochs, optimisation.epoch_steps, optimisation.batch_size) == (2, 1, 4)
    assert optimisation.learning_rate == 5e-4
    assert optimisation.burn_in_epochs == 1


def test_a_loaded_data_set_is_no_path(tiny_fisheye: Path, tmp_path: Path) -> None:
    loaded = load_dataset(tiny_fisheye)["all"]
    for refused in (
        lambda: sspcm.train(loaded, tmp_path / "run"),
        lambda: sspcm.evaluate("ceiling-pose", loaded),
    ):
        with pytest.raises(InputError, match=r"of type PoseDataset: give the path"):
            refused()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", [None, 5, b"data", ["data"]])
def test_what_is_no_path_is_refused(model: sspcm.Model, tmp_path: Path, place: Any) -> None:
    for call in (
        lambda: sspcm.load(place),
        lambda: next(model.predict_video(place)),
        lambda: sspcm.evaluate(model, tmp_path, detections=place or 5),
        lambda: sspcm.train("data", place),
        lambda: sspcm.adapt([tmp_path], tmp_path, boxes=place or 5),
        lambda: sspcm.adapt([place], tmp_path),
    ):
        with pytest.raises(InputError, match=r"named by a text or a path|path"):
            call()


def test_unknown_networks_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"ceiling-nobody: no such .* \(there are "):
        sspcm.load("ceiling-nobody")
    assert set(sspcm.ready_networks()) <= {"ceiling-pose", "ceiling-find"}


def test_importing_is_quick() -> None:
    """Torch comes with the first network, not with the package."""
    script = "import sys, sspcm; assert 'load' in dir(sspcm); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sspcm.nothing  # noqa: B018


@pytest.mark.parametrize("settings", ["seed=3", ["seed=3"]])
def test_settings_are_a_dictionary(tmp_path: Path, settings: Any) -> None:
    with pytest.raises(InputError, match="give a dictionary of keys of the configuration"):
        sspcm.train("people", tmp_path / "run", settings=settings)
