"""The exported file gives torch's heatmaps, describes itself, and runs without this project."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets
from sspcm.inference import export
from sspcm.inference.networks import FixedNetworks
from sspcm.inference.open import open_networks
from sspcm.inference.predict import PredictionOptions, predict_inputs
from sspcm.inference.refined import RefinedFinder
from sspcm.model import Model
from sspcm.ready.names import finder_for
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset

EXAMPLE = Path(__file__).parents[3] / "examples" / "onnx_predict.py"


@pytest.fixture(scope="session")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra 'export'")
    file = tmp_path_factory.mktemp("exported") / "student.onnx"
    done = CliRunner().invoke(main, ["export", str(tiny_run), "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert "the run's test people" in done.output
    return file


@pytest.mark.slow
@pytest.mark.parametrize("people", [1, 5])
def test_heatmaps_for_any_number_of_people(tiny_run: Path, exported: Path, people: int) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    images = torch.randn(people, 3, 64, 64, generator=torch.Generator().manual_seed(people))
    (found,) = session.run(["heatmaps"], {"images": images.numpy()})
    with torch.inference_mode():
        wanted = open_networks(tiny_run).method.heatmaps(images)
    assert found.shape == (people, 14, 16, 16)
    np.testing.assert_allclose(found, wanted["C"], atol=1e-5)
    assert not np.allclose(found, wanted["A"], atol=1e-5)


@pytest.mark.slow
def test_the_file_describes_itself(exported: Path) -> None:
    import onnx

    about = {entry.key: entry.value for entry in onnx.load(exported).metadata_props}
    assert about["keypoint_set"] == "wepdtof-pose-14"
    assert json.loads(about["joints"])[0] == "right_shoulder"
    assert json.loads(about["crop_size"]) == [64, 64]
    assert json.loads(about["mean"]) == [0.485, 0.456, 0.406]
    assert (about["color_order"], about["decoding"]) == ("RGB", "shift")
    assert (about["network"], about["method"]) == ("C", "sspcm")


class Peaks(torch.nn.Module):
    """Maps (N, 14, H/4, W/4) with one clear and smooth peak each, whatever the crop shows."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(3)
        kernels = torch.randn(14, 1, 9, 9, generator=random)
        smooth = torch.nn.functional.avg_pool2d(kernels, 5, stride=1, padding=2)
        self.register_buffer("kernels", smooth / smooth.flatten(1).norm(dim=1)[:, None, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)
        return torch.exp(torch.nn.functional.conv2d(grey, self.kernels, padding=4))


@pytest.fixture(
    scope="module", params=[{"flip_test": True}, {"looks": 3}], ids=["flip test", "three looks"]
)
def turned(
    request: pytest.FixtureRequest, single_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Model, Path]:
    """A network of turned crops with DARK decoding, and its file."""
    pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
    networks = dataclasses.replace(
        open_networks(single_run, device="cpu").with_settings(decoding="dark", **request.param),
        method=FixedNetworks({"A": Peaks()}),
        upright=True,
    )
    file = tmp_path_factory.mktemp("turned") / "turned.onnx"
    export.export_onnx(networks, file)
    return Model(networks), file


@pytest.mark.slow
@pytest.mark.parametrize("up", ["radius", "box", "angle"])
def test_the_example_gives_the_poses_of_predict_on_turned_crops(
    turned: tuple[Model, Path], tiny_fisheye: Path, tmp_path: Path, up: str
) -> None:
    import onnx

    model, file = turned
    content = onnx.load(file)
    entry = next(entry for entry in content.metadata_props if entry.key == "up")
    assert entry.value == "radius"
    entry.value = up
    onnx.save(content, tmp_path / "turned.onnx")
    (people,) = load_dataset(tiny_fisheye).values()
    image = people.root / people.frames["file_name"].iloc[0]
    for box in (
        [70.0, 100.0, 60.0, 80.0, 200.0],
        [150.0, 60.0, 40.0, 90.0, -75.0],
        [60.0, 50.0, 70.0, 90.0],
        [-20.0, 5.0, 60.0, 70.0],
    ):
        done = subprocess.run(
            [sys.executable, EXAMPLE, tmp_path / "turned.onnx", image, *map(str, box)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (wanted,) = model(image, boxes=[box], up=up).keypoints
        np.testing.assert_allclose(list(json.loads(done.stdout).values()), wanted, atol=5e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "smaller"), [("float16", 0.6), ("int8", 0.45)])
def test_smaller_files_say_how_much_they_differ(
    single_run: Path, tmp_path: Path, weights: str, smaller: float
) -> None:
    import onnx

    networks = open_networks(single_run, device="cpu")
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    export.export_onnx(networks, whole)
    check = export.export_onnx(networks, small, precision=weights)
    assert 0 < check.difference < export._TOLERANCES[weights]
    # Of so small a network the graph itself takes a part of the file.
    weights_of = [
        sum(len(tensor.raw_data) for tensor in onnx.load(file).graph.initializer)
        for file in (whole, small)
    ]
    assert weights_of[1] < smaller * weights_of[0]
    about = {entry.key: entry.value for entry in onnx.load(small).metadata_props}
    assert (about["precision"], about["up"]) == (weights, "radius")


@pytest.mark.slow
@pytest.mark.parametrize("decoding", ["shift", "dark"])
def test_the_example_gives_the_poses_of_predict(
    tiny_run: Path, exported: Path, tmp_path: Path, decoding: str
) -> None:
    if decoding == "dark":
        exported = tmp_path / "dark.onnx"
        options = ["--decoding", "dark", "-o", str(exported)]
        done = CliRunner().invoke(main, ["export", str(tiny_run), *options])
        assert done.exit_code == 0, done.output
    people = make_sets(load_config(tiny_run / "config.yaml").data).test
    image = people.root / people.frames["file_name"].iloc[0]
    height, width = cv2.imread(str(image)).shape[:2]
    # Inside the image, over its border at the top left, and over the far corner.
    boxes = [
        people.boxes[0].tolist(),
        [-10.0, -20.0, 70.0, 90.0],
        [width - 40.5, height - 60.0, 80, 90],
    ]
    for number, box in enumerate(boxes):
        file = tmp_path / f"{number}.json"
        write_json(file, [{"file_name": image.name, "bbox": box, "score": 1}])
        networks = open_networks(tiny_run).only("C")
        evaluation = dataclasses.replace(networks.evaluation, decoding=decoding)
        networks = dataclasses.replace(networks, evaluation=evaluation)
        predict_inputs(networks, [image], tmp_path / str(number), PredictionOptions(boxes=file))
        (row,) = read_json(tmp_path / str(number) / "predictions.json")
        done = subprocess.run(
            [sys.executable, EXAMPLE, exported, image, *map(str, box)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert tuple(found) == people.keypoint_set.joints
        wanted = np.array(row["keypoints"]).reshape(-1, 3)
        # A Newton step on the almost flat maps of so short a training amplifies rounding.
        atol = 5e-3 if decoding == "shift" else 5e-2
        np.testing.assert_allclose(list(found.values()), wanted, atol=atol)


def test_the_example_needs_nothing_of_this_project() -> None:
    imports = {
        line.split()[1] for line in EXAMPLE.read_text().splitlines() if line.startswith("import ")
    }
    assert imports == {"json", "sys", "cv2", "numpy", "onnxruntime"}
    assert not any(line.startswith("from ") for line in EXAMPLE.read_text().splitlines())


@pytest.mark.slow
def test_another_network_than_torchs_is_not_kept(
    tiny_run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_student(network: object, images: object, path: Path, texts: object) -> None:
        path.write_bytes(exported.read_bytes())

    monkeypatch.setattr(export, "_write", write_student)
    with pytest.raises(InputError, match="differ from torch's"):
        export.export_onnx(open_networks(tiny_run), tmp_path / "a.onnx", name="A")
    assert not list(tmp_path.iterdir())
    export.export_onnx(open_networks(tiny_run), tmp_path / "c.onnx", name="C")
    assert (tmp_path / "c.onnx").is_file()


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(
    single_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = CliRunner().invoke(main, ["export", str(single_run), "-o", str(tmp_path / "m.onnx")])
    assert done.exit_code == 2
    assert f"needs the package {package}" in done.output
    assert "wepdtof-pose[export]" in done.output
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def finder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra 'export'")
    file = tmp_path_factory.mktemp("finder") / "find.onnx"
    done = CliRunner().invoke(main, ["export", "ceiling-find", "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert "drawn frames" in done.output
    return file


@pytest.mark.slow
def test_the_example_finds_people_as_find_does(
    finder_file: Path, turned: tuple[Model, Path], tmp_path: Path
) -> None:
    from wepdtof_pose.annotations import sample_folder

    image = min(sample_folder().rglob("*.jpg"))
    picture = cv2.imread(str(image))
    # Not square, so that the frame is filled up.
    picture = picture[: picture.shape[0] * 3 // 4]
    cv2.imwrite(str(tmp_path / "frame.png"), picture)
    model, poses = turned
    finder = finder_for(model.networks, "ceiling-find")
    assert isinstance(finder, RefinedFinder)
    boxes = finder.find([picture])[0]
    assert len(boxes) > 1
    done = subprocess.run(
        [sys.executable, EXAMPLE, poses, tmp_path / "frame.png", finder_file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for order, said in (
        ([finder_file, tmp_path / "frame.png", poses], "is no exported network of kind 'poses'"),
        ([poses, tmp_path / "frame.png", poses], "is no exported network of kind 'finder'"),
        ([poses, tmp_path / "frame.png", tmp_path / "none"], "none: cannot be opened"),
    ):
        wrong = [sys.executable, EXAMPLE, *order]
        refused = subprocess.run(wrong, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    found = [list(person.values()) for person in json.loads(done.stdout)]
    assert len(found) == len(boxes)
    for person, box in zip(found, boxes, strict=True):
        (wanted,) = model(picture, boxes=[box[:5].tolist()]).keypoints
        joints = np.array(person)
        np.testing.assert_allclose(joints[:, :2], wanted[:, :2], atol=5e-2)
        # These peaks have no upper bound, and boxes of another engine differ in the last digits.
        np.testing.assert_allclose(joints[:, 2], wanted[:, 2], rtol=2e-3, atol=1e-2)


@pytest.mark.slow
def test_options_of_poses_are_refused_for_a_finder(tmp_path: Path) -> None:
    options = ["--network", "A", "-o", str(tmp_path / "find.onnx")]
    done = CliRunner().invoke(main, ["export", "ceiling-find", *options])
    assert done.exit_code == 2
    assert "--network: without effect on a network that finds people" in done.output
