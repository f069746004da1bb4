import hashlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn

from sspcm.networks.hrnet import HRNet
from sspcm.networks.resnet import PoseResNet
from sspcm.networks.weights import load_imagenet, load_initial, networks_of, read_weights
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
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": Path()}, protocol=2))
    with pytest.raises(InputError, match=r"more than tensors|not a torch file"):
        read_weights(tmp_path / "pickle.pth")
    with pytest.raises(InputError, match=r"more than tensors.*state_dict"):
        read_weights(save({"state_dict": small(0).state_dict(), "perf": Path()}, tmp_path))
