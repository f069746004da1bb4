import argparse
import hashlib
import pickle
from collections import OrderedDict
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn

from sspcm.networks.architecture import network_of_state
from sspcm.networks.hrnet import HRNet
from sspcm.networks.resnet import PoseResNet
from sspcm.networks.weights import (
    load_imagenet,
    load_initial,
    networks_of,
    open_weights,
    read_weights,
)
from sspcm.ready.names import network_path
from wepdtof_pose.errors import InputError

State = dict[str, torch.Tensor]


def small(seed: int, *, joints: int = 3, width: int = 4) -> PoseResNet:
    generator = torch.Generator().manual_seed(seed)
    return PoseResNet(18, joints, width=width, deconv_channels=4, generator=generator)


def released(networks: dict[str, nn.Module], *, parallel: bool = False) -> State:
    """One state of several networks, named as the released projects do."""
    state = OrderedDict()
    for prefix, network in networks.items():
        for name, value in network.state_dict().items():
            head = name.replace("final_layer.", "final_layer_1.") if prefix else name
            state[("module." if parallel else "") + (f"{prefix}." if prefix else "") + head] = value
    return state


def same(a: nn.Module, b: nn.Module) -> bool:
    others = b.state_dict()
    return all(torch.equal(value, others[name]) for name, value in a.state_dict().items())


def save(content: Any, folder: Path, name: str = "weights.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize(("role", "seed"), [("A", 0), ("B", 1), ("C", 2)])
def test_a_network_out_of_a_triple(tmp_path: Path, parallel: bool, role: str, seed: int) -> None:
    networks = {"resnet": small(0), "resnet2": small(1), "final_resnet": small(2)}
    file = save({"epoch": 3, "state_dict": released(networks, parallel=parallel)}, tmp_path)
    network = small(9)
    load_initial(network, file, role=role)
    assert same(network, small(seed))


def test_a_single_network_is_that_of_every_role(tmp_path: Path) -> None:
    file = save(released({"": small(0)}, parallel=True), tmp_path)
    for role in ("A", "B", "teacher"):
        network = small(9)
        load_initial(network, file, role=role)
        assert same(network, small(0))


def test_networks_are_found_by_their_stems() -> None:
    state = released({"resnet": small(0), "resnet2": HRNet(3, width=2)})
    found = networks_of(state)
    assert list(found) == ["resnet", "resnet2"]
    assert set(found["resnet2"]) == set(HRNet(3, width=2).state_dict())


def test_imagenet_weights_fill_the_backbone_only(tmp_path: Path) -> None:
    state = {k: v for k, v in small(0).state_dict().items() if k.split(".")[0][:5] != "decon"}
    state = {k: v for k, v in state.items() if not k.startswith("final_layer")}
    # As in old torchvision files: a classifier on top, no BatchNorm counters.
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    state |= {"fc.weight": torch.ones(10, 32), "fc.bias": torch.ones(10)}
    network = small(1)
    load_initial(network, save(state, tmp_path), role="A")
    assert torch.equal(network.conv1.weight, small(0).conv1.weight)
    assert torch.equal(network.layer4[1].conv2.weight, small(0).layer4[1].conv2.weight)
    assert torch.equal(network.final_layer.weight, small(1).final_layer.weight)
    assert torch.equal(network.deconv_layers[0].weight, small(1).deconv_layers[0].weight)


def test_a_file_named_by_its_hash_must_have_it(tmp_path: Path) -> None:
    file = save(small(0).state_dict(), tmp_path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    load_initial(small(1), file.rename(tmp_path / f"net-{digest[:8]}.pth"), role="A")
    wrong = save(small(0).state_dict(), tmp_path, "net-01234567.pth")
    with pytest.raises(InputError, match=r"SHA-256 is .* not 01234567"):
        load_initial(small(1), wrong, role="A")


def test_download_is_checked_and_failure_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def answer(url: str, **options: Any) -> State:
        asked.update(options, url=url)
        return small(0).state_dict()

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", answer)
    network = small(1)
    load_imagenet(network, "resnet18")
    assert asked["check_hash"] is True
    assert asked["weights_only"] is True
    assert asked["url"].endswith("/resnet18-f37072fd.pth")
    assert torch.equal(network.conv1.weight, small(0).conv1.weight)

    def fail(url: str, **options: Any) -> State:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    with pytest.raises(InputError, match=r"no route to host.*local file"):
        load_imagenet(network, "resnet18")
    with pytest.raises(InputError, match=r"'hrnet_w32'.*local file"):
        load_imagenet(network, "hrnet_w32")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"cut short")
    with pytest.raises(InputError, match="SHA-256"):
        load_imagenet(network, "resnet18")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(released({"": small(0, width=8)}), "conv1.weight has shape", id="width"),
        pytest.param({"conv1.weight": torch.ones(4, 3, 7, 7)}, "and .* more", id="missing"),
        pytest.param(
            {"weight": torch.ones(2)}, "no ResNet, HRNet or EfficientNet-Lite0", id="other network"
        ),
        pytest.param({"epoch": 3}, "no parameters", id="no tensors"),
        pytest.param([1, 2], "no state dictionary", id="a list"),
    ],
)
def test_wrong_contents_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_initial(small(9), save(content, tmp_path), role="A")


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "nothing.pth")
    (tmp_path / "text.pth").write_text("not torch")
    with pytest.raises(InputError, match="not a torch file"):
        read_weights(tmp_path / "text.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(InputError, match="not a torch file"):
        read_weights(tmp_path / "empty.pth")
    whole = save(small(0).state_dict(), tmp_path).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut short"):
        read_weights(tmp_path / "cut.pth")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": Fraction()}, protocol=2))
    with pytest.raises(InputError, match=r"more than tensors|not a torch file"):
        read_weights(tmp_path / "pickle.pth")
    with pytest.raises(InputError, match=r"more than tensors.*state_dict"):
        read_weights(save({"state_dict": small(0).state_dict(), "perf": Fraction()}, tmp_path))


@pytest.mark.parametrize("wrapping", ["net", "ema", "network", "model_state", "model", "mine"])
def test_the_usual_wrappings_are_opened(tmp_path: Path, wrapping: str) -> None:
    network = small(9)
    file = save({"epoch": 1, wrapping: {"state_dict": small(0).state_dict()}}, tmp_path)
    load_initial(network, file, role="A")
    assert same(network, small(0))


def test_networks_that_are_not_read_are_said(tmp_path: Path) -> None:
    first, second = small(0).state_dict(), small(1).state_dict()
    file = save({"model": first, "ema": second, "optimizer": {"state": {}}}, tmp_path)
    network = small(9)
    notes = load_initial(network, file, role="A")
    assert same(network, small(0))
    assert any("also holds networks under 'ema', which are not read" in note for note in notes)
    # Of simple baselines the same network is in two entries.
    wrapped = {f"module.{name}": value for name, value in first.items()}
    file = save({"state_dict": wrapped, "best_state_dict": first}, tmp_path)
    assert open_weights(file).notes == []


def test_which_of_several_networks_is_which_is_said(tmp_path: Path) -> None:
    several = {"student": small(0), "teacher": small(1)}
    file = save(released(several), tmp_path)
    (note,) = open_weights(file).notes
    assert note == f"{file}: holds several networks: 'student' is A, 'teacher' is B"
    save({name: network.state_dict() for name, network in several.items()}, tmp_path)
    said = "holds several networks, 'student', 'teacher': save the one that is to be read alone"
    with pytest.raises(InputError, match=said):
        open_weights(file)


def test_options_and_counters_beside_parameters_are_put_aside(tmp_path: Path) -> None:
    counters = {"n_averaged": torch.tensor(3), "conv1.total_ops": torch.zeros(1)}
    state = {"module." + name: value for name, value in small(0).state_dict().items()} | counters
    options = argparse.Namespace(lr=0.1, path=tmp_path, started=datetime.now())
    file = save({"state_dict": state, "args": options}, tmp_path)
    (found,) = open_weights(file).networks.values()
    assert set(found) == set(small(0).state_dict())


def test_a_safetensors_file_names_the_step_that_works(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b'\x0a\0\0\0\0\0\0\0{"a": {}}  ')
    with pytest.raises(InputError, match=r"is a safetensors file: .*torch\.save"):
        read_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize("head", ["keypoint_head.", "head."])
def test_the_layout_of_mmpose(tmp_path: Path, head: str) -> None:
    state = {
        (head if name.startswith(("deconv_layers.", "final_layer.")) else "backbone.") + name: value
        for name, value in small(0).state_dict().items()
    }
    state["data_preprocessor.mean"] = torch.zeros(3, 1, 1)
    file = save({"meta": {"epoch": 1}, "state_dict": state}, tmp_path)
    network = small(9)
    load_initial(network, file, role="A")
    assert same(network, small(0))
    assert open_weights(file).mmpose
    assert same(network_of_state(open_weights(file).networks[""], source="file"), small(0))


def test_what_holds_no_network_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its entries: epoch, lr"):
        read_weights(save({"epoch": 1, "lr": 0.1}, tmp_path))
    with pytest.raises(InputError, match=r"holds no ResNet.* its parameters are fc\.weight"):
        open_weights(save({"fc.weight": torch.ones(2, 2)}, tmp_path))


def named(joints: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """What a checkpoint of ours says of its networks."""
    pairs: list[Any] = []
    names = {"name": "own", "joints": joints, "flip_pairs": pairs, "skeleton": [], "sigmas": None}
    return {"keypoint_set": names, "crop_size": [64, 64], "bgr": False, **more}


def test_a_head_is_taken_by_the_names_of_its_joints(tmp_path: Path) -> None:
    source = small(0)
    about = named(("nose", "hand", "foot"))
    file = save({"state_dict": source.state_dict(), "about": about}, tmp_path)
    network, fresh = small(9, joints=4), small(9, joints=4)
    said = load_initial(network, file, role="A", joints=("foot", "tail", "nose", "hand"))
    for name in ("weight", "bias"):
        found, own = network.state_dict()[f"final_layer.{name}"], fresh.state_dict()
        wanted = source.state_dict()[f"final_layer.{name}"]
        assert torch.equal(found[[0, 2, 3]], wanted[[2, 0, 1]])
        assert torch.equal(found[1], own[f"final_layer.{name}"][1])
    assert torch.equal(network.state_dict()["conv1.weight"], source.state_dict()["conv1.weight"])
    assert "3 of 4 joints of the head, by name; fresh are tail" in said[0]


def test_a_head_without_names_is_taken_by_number_and_said(tmp_path: Path) -> None:
    network = small(9)
    said = load_initial(
        network, save(small(0).state_dict(), tmp_path), role="A", joints=("a", "b", "c")
    )
    assert same(network, small(0))
    assert "by number: the file does not name its joints" in said[0]


def test_another_channel_order_and_turning_are_said(tmp_path: Path) -> None:
    about = named(("a", "b", "c"), upright=True)
    file = save({"state_dict": small(0).state_dict(), "about": about}, tmp_path)
    notes = load_initial(small(9), file, role="A", joints=("a", "b", "c"), bgr=True, upright=False)
    assert "saw RGB images, this run feeds BGR" in notes[1]
    assert "data.upright=true, this run has data.upright=false" in notes[2]
    assert len(load_initial(small(9), file, role="A", bgr=False, upright=True)) == 1


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"roles": [1]}, "roles"),
        ({"crop_size": [0, 0]}, "crop_size"),
        ({"crop_size": [64, 100]}, "no multiple of 32"),
        ({"crop_size": "x"}, "crop_size"),
        ({"sigma": "x"}, "sigma"),
        ({"sigma": 0.0}, "sigma"),
        ({"keypoint_set": [1]}, "keypoint_set"),
    ],
    ids=str,
)
def test_what_a_file_says_of_its_networks_is_checked(
    tmp_path: Path, about: dict[str, Any], said: str
) -> None:
    content = {"state_dict": small(0).state_dict(), "about": named(("a", "b", "c")) | about}
    with pytest.raises(InputError, match=said):
        open_weights(save(content, tmp_path))


def test_a_network_is_only_as_large_as_its_file(tmp_path: Path) -> None:
    state = small(0).state_dict()
    state["conv1.weight"] = torch.zeros(4096, 3, 7, 7)
    with pytest.raises(InputError, match="layer4 of width 32768"):
        network_of_state(state, source="here")


def test_a_network_that_finds_people_is_named_by_its_own_option() -> None:
    file = network_path("ceiling-find")
    with pytest.raises(InputError, match=r"finds people and predicts no poses: .*--finder"):
        network_of_state(read_weights(file), source="here")


def test_arrays_in_place_of_tensors_are_called_so(tmp_path: Path) -> None:
    state = PoseResNet(18, 3, width=8).state_dict()
    torch.save({name: value.numpy() for name, value in state.items()}, tmp_path / "arrays.pth")
    with pytest.raises(InputError, match=r"holds no parameters.* none a tensor"):
        read_weights(tmp_path / "arrays.pth")
