"""What `sspcm export` wrote predicts as the network that it was written from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from sspcm.adaptation.learning import require_adaptable
from sspcm.commands.main import main
from sspcm.data.detections import frame_boxes
from sspcm.inference.chain import joints_in
from sspcm.inference.export import finder_metadata, metadata
from sspcm.inference.finder import open_finder
from sspcm.inference.networks import FixedNetworks, TrainedNetworks
from sspcm.inference.open import open_networks
from sspcm.model import load
from sspcm.networks.exported import ExportedNetwork
from sspcm.networks.finder import CHANNELS, STRIDE
from sspcm.networks.folding import folded
from sspcm.ready.names import FINDER_NETWORK, POSE_NETWORK, finder_for, network_path
from wepdtof_pose.errors import InputError
from wepdtof_pose.images import write_image

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'export'")


def filters(channels: int, stride: int) -> nn.Conv2d:
    """A network of one convolution, whose maps are as those of the large ones."""
    torch.manual_seed(3)
    return nn.Conv2d(3, channels, stride, stride=stride).eval()


def write(path: Path, network: nn.Conv2d, sides: list[object], about: dict[str, str]) -> Path:
    """Write the network as ONNX, as `sspcm export` does with large ones."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    stride = network.stride[0]
    output = "maps" if about["kind"] == "finder" else "heatmaps"
    smaller = [side // stride if isinstance(side, int) else f"small {side}" for side in sides]
    node = helper.make_node(
        "Conv",
        ["images", "weight", "bias"],
        [output],
        kernel_shape=[stride, stride],
        strides=[stride, stride],
    )
    graph = helper.make_graph(
        [node],
        "network",
        [helper.make_tensor_value_info("images", kind, ["people", 3, *sides])],
        [helper.make_tensor_value_info(output, kind, ["people", network.out_channels, *smaller])],
        [
            onnx.numpy_helper.from_array(value.detach().numpy(), name)
            for name, value in network.named_parameters()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, about)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def trained() -> TrainedNetworks:
    """The form of the ready-trained network, with a network of one convolution."""
    ready = open_networks(network_path(POSE_NETWORK), device="cpu")
    network = FixedNetworks({"A": filters(14, 4)}).eval()
    return TrainedNetworks(**{**vars(ready), "method": network})


@pytest.fixture(scope="module")
def file(trained: TrainedNetworks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "pose.onnx"
    network = trained.method.predictor()
    assert isinstance(network, nn.Conv2d)
    return write(path, network, [160, 128], metadata(trained))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


BOXES = np.array([[120.0, 100.0, 40.0, 90.0, 30.0], [280.0, 200.0, 60.0, 80.0, -140.0]])


def test_it_predicts_as_what_it_was_exported_from(
    trained: TrainedNetworks, file: Path, image: np.ndarray
) -> None:
    networks = open_networks(file)
    for name in ("keypoint_set", "crop_size", "bgr", "evaluation", "upright", "up", "sigma"):
        assert getattr(networks, name) == getattr(trained, name)
    assert networks.record["source"] == str(file)
    assert networks.record["recipe"] == trained.record["recipe"]
    assert networks.names() == ["A"]
    flipped = [one.with_settings(flip_test=True) for one in (networks.only("A"), trained)]
    for pair in ((networks, trained), (networks.folded(), trained), flipped):
        found, known = (joints_in(one, image, frame_boxes(BOXES)) for one in pair)
        np.testing.assert_allclose(found, known, atol=5e-3)


def test_the_front_door_takes_it(file: Path, image: np.ndarray) -> None:
    model = load(file, finder=network_path(FINDER_NETWORK))
    assert len(model(image, boxes=BOXES)) == 2


def test_a_folded_one_is_itself(file: Path) -> None:
    network = ExportedNetwork(file)
    assert folded(network) is network


def test_a_file_within_a_run_is_no_checkpoint_of_it(file: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: {}\n", encoding="utf-8")
    inside = tmp_path / "mine.onnx"
    inside.write_bytes(file.read_bytes())
    assert open_networks(inside).record["checkpoint"] == "mine.onnx"


def test_a_finder_finds_as_what_it_was_exported_from(
    trained: TrainedNetworks, tmp_path: Path, image: np.ndarray
) -> None:
    own = open_finder(network_path(FINDER_NETWORK), device="cpu", threshold=0.45, side=320)
    network = filters(CHANNELS, STRIDE)
    file = write(tmp_path / "find.onnx", network, ["high", "wide"], finder_metadata(own))
    found = open_finder(file, threshold=0.45, side=320)
    known = type(own)(**{**vars(own), "network": network})
    assert (found.side, found.threshold) == (320, 0.45)
    # As it was when it was exported, where nothing else is asked for.
    assert (open_finder(file).side, open_finder(file).threshold) == (320, 0.45)
    (boxes,), (wanted,) = found.find([image]), known.find([image])
    assert len(wanted)
    np.testing.assert_allclose(boxes, wanted, atol=1e-2)
    elsewhere = replace(trained, hardware=replace(trained.hardware, device=torch.device("cuda")))
    assert finder_for(elsewhere, file, refine=False) is not None
    with pytest.raises(InputError, match="finds people: name it with --finder"):
        open_networks(file)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_what_is_no_such_file_ends_in_one_line(
    content: bytes | None, file: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.onnx"
    whole = file.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 3] if content is None else content)
    with pytest.raises(InputError, match=r"damaged\.onnx: cannot be read by onnxruntime") as error:
        open_networks(damaged)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        open_networks(tmp_path / "none.onnx")


def changed(file: Path, out: Path, **texts: str | None) -> Path:
    model = onnx.load(file)
    about = {entry.key: entry.value for entry in model.metadata_props} | texts
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: text for key, text in about.items() if text})
    onnx.save(model, out)
    return out


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"kind": None}, "does not say what it is"),
        ({"crop_size": None}, "another version"),
        ({"crop_size": "[96, 128]"}, "another version"),
        ({"looks": "[[1.0, false], [0.7, true], [1.15, true]]"}, "another version"),
        ({"mean": "[0.5, 0.5, 0.5]"}, "another version"),
        ({"looks": "3"}, "another version"),
        ({"color_order": "GBR"}, "another version"),
        ({"stride": "8"}, "another version"),
        ({"crop_padding": "1.5"}, "another version"),
        ({"sigma": "-1"}, "sigma"),
        ({"joints": json.dumps(["nose"] * 14)}, "names a joint twice"),
        ({"decoding": "best"}, "decoding"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    texts: dict[str, str | None], message: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        open_networks(changed(file, tmp_path / "other.onnx", **texts))


def test_a_graph_without_outputs_is_refused(file: Path, tmp_path: Path) -> None:
    model = onnx.load(file)
    del model.graph.output[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(InputError, match="another version"):
        open_networks(tmp_path / "other.onnx")


def test_what_it_cannot_do_is_refused_with_the_step(file: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"device": "cuda"}, "leave out --device"),
        ({"precision": "bfloat16"}, "leave out --device and --precision"),
        ({"keypoints": "coco-17"}, "leave out --keypoints"),
        ({"checkpoint": "best"}, "--checkpoint chooses from a run folder"),
    ):
        with pytest.raises(InputError, match=message):
            open_networks(file, **options)
    with pytest.raises(InputError, match="predicts poses: name it with --model"):
        open_finder(file)
    with pytest.raises(InputError, match="learns no more"):
        require_adaptable(open_networks(file))
    again = CliRunner().invoke(main, ["export", str(file), "-o", str(tmp_path / "again.onnx")])
    assert again.exit_code == 2
    assert "name what it was exported from" in again.output


def test_predict_takes_it_as_model(file: Path, image: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / "frames" / "frame.png", image)
    boxes = [{"image_id": "frame", "category_id": 1, "rotated_box": BOXES[0].tolist(), "score": 1}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
    command = ["predict", str(tmp_path / "frames"), "--model", str(file), "--boxes"]
    done = CliRunner().invoke(
        main,
        [*command, str(tmp_path / "boxes.json"), "--no-track", "-o", str(tmp_path / "poses")],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    assert "1 pose on 1 frame" in done.output
