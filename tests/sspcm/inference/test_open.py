"""Weights from released files and to them, and initial weights of a run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import runner
from torch import nn

from sspcm.assembly import about_networks, make_method
from sspcm.commands.main import main
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets
from sspcm.inference.networks import FixedNetworks
from sspcm.inference.open import import_weights, open_networks
from sspcm.methods import METHODS
from sspcm.networks import build_network
from sspcm.networks.architecture import network_of_state
from sspcm.networks.hrnet import HRNet
from sspcm.networks.resnet import PoseResNet
from sspcm.networks.roles import network_maker
from sspcm.ready.names import ready_networks
from sspcm.training.train import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

run = runner(main)


def small(seed: int, *, joints: int = 24, depth: int = 18) -> PoseResNet:
    generator = torch.Generator().manual_seed(seed)
    return PoseResNet(depth, joints, width=8, deconv_channels=8, generator=generator)


def save_released(file: Path, **networks: nn.Module) -> Path:
    """A checkpoint named as the released projects name theirs, for DataParallel."""
    state = {
        f"module.{prefix}.{name.replace('final_layer.', 'final_layer_1.')}": value
        for prefix, network in networks.items()
        for name, value in network.state_dict().items()
    }
    torch.save({"epoch": 3, "state_dict": state}, file)
    return file


def same(a: nn.Module, b: nn.Module) -> bool:
    others = b.state_dict()
    return all(torch.equal(value, others[name]) for name, value in a.state_dict().items())


@pytest.fixture
def triple(tmp_path: Path) -> Path:
    file = tmp_path / "model_best.pth"
    return save_released(file, resnet=small(0), resnet2=small(1), final_resnet=small(2))


@pytest.mark.parametrize(
    "network",
    [
        small(0),
        small(0, depth=50),
        build_network("resnet34_lateral", 3, width=8, deconv_channels=8),
        HRNet(3, width=32),
    ],
    ids=["resnet18", "resnet50", "lateral", "hrnet"],
)
def test_a_network_is_known_by_its_parameters(network: nn.Module) -> None:
    found = network_of_state(network.state_dict(), source="here")
    assert type(found) is type(network)
    assert same(found, network)


def test_parameters_of_no_network_are_refused() -> None:
    state = small(0).state_dict()
    for wrong in ({}, {k: v for k, v in state.items() if "layer4.1" not in k}):
        with pytest.raises(InputError, match="here: is no"):
            network_of_state(wrong, source="here")
    with pytest.raises(InputError, match="is no resnet18"):
        network_of_state({**state, "layer2.0.conv1.weight": torch.zeros(1)}, source="here")


@pytest.mark.usefixtures("own_cache")
def test_a_released_file_is_evaluated(triple: Path, tiny_fisheye: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    options = ["--data", tiny_fisheye, "--crop-size", "64x64", "-o", file]
    assert "name them with --keypoints" in run("evaluate", triple, *options).output
    done = run("evaluate", triple, "--keypoints", "union-24", *options)
    assert done.exit_code == 0, done.output
    direct = read_json(file)
    assert list(direct["networks"]) == ["A", "B", "C", "mean"]
    assert (direct["reported"], direct["keypoint_set"]) == ("C", "union-24")
    assert direct["joints_not_scored"] == []
    wrong = run("evaluate", triple, "--keypoints", "coco-17", *options)
    assert "has 24 heatmaps, but keypoint set 'coco-17' has 17 joints" in wrong.output

    # Imported, the file says all of that itself.
    imported = tmp_path / "released.pt"
    done = run("import-weights", triple, "-o", imported, "--crop-size", "64x64")
    assert done.exit_code == 0, done.output
    assert run("evaluate", imported, "--data", tiny_fisheye, "-o", file).exit_code == 0
    assert read_json(file)["networks"] == direct["networks"]
    for other in (["--crop-size", "96x64"], ["--colour", "rgb"]):
        done = run("evaluate", imported, "--data", tiny_fisheye, *other)
        assert done.exit_code == 2
        assert "says itself that it takes crops of 64x64 in bgr" in done.output
    assert "is no run: name a data set with --data" in run("evaluate", imported).output
    again = run("import-weights", imported, "-o", tmp_path / "again.pt")
    assert (again.exit_code, "every command takes it as it is" in again.output) == (2, True)


def test_imported_weights_are_the_files(triple: Path, tmp_path: Path) -> None:
    found = import_weights(
        triple, tmp_path / "out.pt", keypoints="union-24", crop_size=(192, 256), bgr=True
    )
    assert isinstance(found.method, FixedNetworks)
    for letter, seed in zip("ABC", range(3), strict=True):
        assert same(found.method.networks[letter], small(seed))
    assert (found.crop_size, found.bgr, len(found.keypoint_set)) == ((192, 256), True, 24)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps = open_networks(tmp_path / "out.pt", device="cpu").method.heatmaps(images)
        torch.testing.assert_close(maps["B"], small(1).eval()(images))
        torch.testing.assert_close(maps["mean"], (maps["A"] + maps["B"]) / 2)


@pytest.mark.usefixtures("own_cache")
def test_a_checkpoint_copied_out_of_its_run_says_what_it_needs(
    tiny_run: Path, tiny_fisheye: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "student.pt"
    copy.write_bytes((tiny_run / "checkpoints" / "best.pt").read_bytes())
    found = open_networks(copy, device="cpu")
    assert (found.crop_size, found.bgr, found.reported) == ((64, 64), False, "C")
    assert found.record["recipe"] == "corrected"
    scores = []
    for source in (copy, tiny_run / "checkpoints" / "best.pt"):
        # The copy does not know whom its run held out.
        options = ["--data", tiny_fisheye, "--split", "all", "--flip-test"]
        # Nor its precision: float32, whatever this machine is fast at.
        if source != copy:
            options += ["--precision", "float32"]
        options += ["-o", tmp_path / "scores.json"]
        assert run("evaluate", source, *options).exit_code == 0
        scores.append(read_json(tmp_path / "scores.json"))
    assert scores[0]["networks"] == scores[1]["networks"]
    # One from before checkpoints said so would be read wrongly.
    content = torch.load(copy, weights_only=True)
    torch.save({"method": content["method"]}, copy)
    with pytest.raises(InputError, match="lies in no run folder"):
        open_networks(copy)


@pytest.mark.parametrize("name", list(METHODS))
def test_the_networks_of_every_method_are_named_in_its_checkpoint(
    tiny_run: Path, tmp_path: Path, name: str
) -> None:
    config = config_of(tiny_run, method__name=name, data__upright=True, data__sigma=3.0)
    sets = make_sets(config.data)
    method = make_method(config, sets).eval()
    about = about_networks(config, sets, method)
    torch.save({"method": method.state_dict(), "about": about}, tmp_path / "copy.pt")
    found = open_networks(tmp_path / "copy.pt", device="cpu")
    assert (found.upright, found.sigma, found.reported) == (True, 3.0, method.reported)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        wanted, maps = method.heatmaps(images), found.method.heatmaps(images)
    assert wanted.keys() == maps.keys()
    for entry, value in wanted.items():
        torch.testing.assert_close(maps[entry], value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"state_dict": {"fc.weight": torch.zeros(2)}},
            "holds no ResNet, HRNet or EfficientNet-Lite0",
        ),
        ({"state_dict": {"conv1.weight": torch.zeros(8, 3, 7, 7)}}, "is no trained pose network"),
        ("text", "holds no state dictionary"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "file.pth")
    done = run("import-weights", tmp_path / "file.pth", "-o", tmp_path / "out.pt")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert said in done.output
    assert not (tmp_path / "out.pt").exists()


def config_of(tiny_run: Path, **changes: Any) -> Any:
    overrides = {key.replace("__", "."): value for key, value in changes.items()}
    return load_config(tiny_run / "config.yaml", overrides=overrides)


def test_a_single_file_has_one_checkpoint(tiny_run: Path, tmp_path: Path) -> None:
    inside = tiny_run / "checkpoints" / "last.pt"
    alone = shutil.copy(inside, tmp_path / "alone.pt")
    for file in (inside, Path(alone)):
        open_networks(file, checkpoint="last", device="cpu")
        with pytest.raises(InputError, match="--checkpoint chooses from a run folder"):
            open_networks(file, checkpoint="best", device="cpu")


def test_a_finder_is_no_pose_network() -> None:
    with pytest.raises(InputError, match="sspcm predict and adapt take it as --finder"):
        open_networks(ready_networks()["ceiling-find"], device="cpu")


def test_pretrained_networks_by_role(tiny_run: Path, tmp_path: Path) -> None:
    networks = {"resnet": small(0), "resnet2": small(1)}
    pair = save_released(tmp_path / "pair.pth", **networks)
    config = config_of(tiny_run, network__pretrained=str(pair))
    same_joints = network_maker(config, 24)
    assert same(same_joints("A"), small(0))
    assert same(same_joints("B"), small(1))
    # C gets A's where the file has two networks, its own where it has three.
    assert same(same_joints("C"), small(0))
    third = save_released(tmp_path / "triple.pth", **networks, final_resnet=small(2))
    with_third = config_of(tiny_run, network__pretrained=str(third))
    assert same(network_maker(with_third, 24)("C"), small(2))

    # Other joints: everything but the last layer, which is fresh.
    method = make_method(config, make_sets(config.data))
    a, fresh = method.teacher_a.state_dict(), network_maker(config_of(tiny_run), 14)("A")
    for name, value in small(0).state_dict().items():
        wanted = fresh.state_dict()[name] if name.startswith("final_layer") else value
        assert torch.equal(a[name], wanted), name
    # Checkpoints of ours and imported files start a run too.
    own = config_of(tiny_run, network__pretrained=str(tiny_run / "checkpoints" / "last.pt"))
    trained = open_networks(tiny_run).method
    assert same(network_maker(own, 14)("B"), trained.teacher_b)
    assert same(network_maker(own, 14)("C"), trained.student)


def test_an_imagenet_file_fills_the_backbone(tiny_run: Path, tmp_path: Path) -> None:
    state = {
        name: value
        for name, value in small(5).state_dict().items()
        if not name.startswith(("deconv_layers", "final_layer"))
    }
    torch.save({**state, "fc.weight": torch.zeros(1000, 64)}, tmp_path / "imagenet.pth")
    config = config_of(tiny_run, network__pretrained=str(tmp_path / "imagenet.pth"))
    network, fresh = network_maker(config, 14)("B"), network_maker(config_of(tiny_run), 14)("B")
    assert torch.equal(
        network.state_dict()["layer3.0.conv1.weight"], state["layer3.0.conv1.weight"]
    )
    assert torch.equal(network.final_layer.weight, fresh.final_layer.weight)
    # Where a checkpoint follows, the file is not needed any more.
    (tmp_path / "imagenet.pth").unlink()
    network_maker(config, 14, pretrained=False)("A")
    with pytest.raises(InputError, match="no such file"):
        network_maker(config, 14)("A")


def test_pretrained_weights_of_another_network(tiny_run: Path, tmp_path: Path) -> None:
    save_released(tmp_path / "deep.pth", resnet=small(0, depth=50))
    config = config_of(tiny_run, network__pretrained=str(tmp_path / "deep.pth"))
    with pytest.raises(InputError, match=r"another depth, width|lacks parameters"):
        network_maker(config, 14)("A")


def test_a_run_with_wider_views_is_opened_as_it_was_made(tiny_run: Path, tmp_path: Path) -> None:
    wide = {"easy_view__scale": 0.5, "method__options": {"scales": [0.5, 1.0, 1.5]}}
    config = config_of(tiny_run, method__name="data_distill", optimisation__epoch_steps=1, **wide)
    train(config, tmp_path / "run")
    assert open_networks(tmp_path / "run").reported == "student"


def test_joints_in_another_order_are_not_believed(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    names = tmp_path / "run" / "keypoints.json"
    content = read_json(names)
    first, second, *others = content["joints"]
    write_json(names, content | {"joints": [second, first, *others]})
    with pytest.raises(InputError, match=f"keypoints.json: names other joints.*{first}, {second}"):
        open_networks(tmp_path / "run", device="cpu")
    names.unlink()
    found = open_networks(tmp_path / "run", device="cpu")
    assert found.keypoint_set == open_networks(tiny_run, device="cpu").keypoint_set


@pytest.mark.parametrize("name", list(METHODS))
def test_the_reported_network_is_the_predictor(tiny_run: Path, name: str) -> None:
    """Export and prediction take `predictor()` for what is scored under the reported name."""
    config = config_of(tiny_run, method__name=name)
    method = make_method(config, make_sets(config.data)).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        maps = method.heatmaps(images)
        torch.testing.assert_close(method.predictor()(images), maps[method.reported])
