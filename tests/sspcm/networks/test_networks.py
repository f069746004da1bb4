import pytest
import torch
from torch import nn

from sspcm.networks import NETWORKS, build_network
from sspcm.networks.hrnet import HRNet
from sspcm.networks.resnet import SMALL_STD, PoseResNet
from wepdtof_pose.errors import InputError


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_gives_quarter_resolution(depth: int) -> None:
    network = PoseResNet(depth, 5, width=4, deconv_channels=6)
    assert network(torch.zeros(2, 3, 96, 64)).shape == (2, 5, 24, 16)
    assert network.layer4[0].conv1.weight.shape[0] == 8 * 4
    assert network.final_layer.weight.shape == (5, 6, 1, 1)


def test_without_laterals_a_lateral_resnet_is_the_plain_one() -> None:
    network = build_network("resnet50_lateral", 5, width=8, deconv_channels=16)
    plain = build_network("resnet50", 5, width=8, deconv_channels=16)
    network.load_state_dict(plain.state_dict(), strict=False)
    for lateral in network.laterals:
        nn.init.zeros_(lateral[1].weight)
    x = torch.randn(2, 3, 96, 64)
    torch.testing.assert_close(network(x), plain(x))


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_each_lateral_goes_past_the_coarser_stages(stage: int) -> None:
    network = build_network("resnet18_lateral", 5, width=8, deconv_channels=16).eval()
    # Nothing but this lateral is left of what follows the stages.
    nn.init.zeros_(network.deconv_layers[0].weight)
    for k, lateral in enumerate(network.laterals):
        if k != stage:
            nn.init.zeros_(lateral[1].weight)
    a, b = network(torch.randn(2, 3, 96, 64))
    assert not torch.equal(a, b)
    nn.init.zeros_(network.laterals[stage][1].weight)
    a, b = network(torch.randn(2, 3, 96, 64))
    assert torch.equal(a, b)


def test_hrnet_gives_quarter_resolution() -> None:
    assert HRNet(5, width=2)(torch.zeros(1, 3, 64, 32)).shape == (1, 5, 16, 8)


def test_every_network_can_be_built() -> None:
    with torch.device("meta"):
        for name in NETWORKS:
            assert build_network(name, 7).final_layer.out_channels == 7


def test_a_seed_gives_the_same_network_whatever_the_global_stream() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        torch.rand(1)
        network = build_network("resnet18", 3, width=4, deconv_channels=4, generator=generator)
        return list(network.state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(weights(1), weights(1), strict=True))
    assert not torch.equal(weights(1)[0], weights(2)[0])


def test_fresh_weights_have_the_published_spread() -> None:
    network = PoseResNet(18, 14, width=32, generator=torch.Generator().manual_seed(0))
    assert network.final_layer.weight.std().item() == pytest.approx(SMALL_STD, rel=0.05)
    assert network.final_layer.bias is not None
    assert network.final_layer.bias.abs().max() == 0
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(SMALL_STD, rel=0.02)
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
            assert module.momentum == 0.1
    fan_out = 7 * 7 * 32
    assert network.conv1.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


def test_gradients_reach_every_parameter() -> None:
    network = PoseResNet(50, 2, width=4, deconv_channels=4)
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet19", {}, "unknown network 'resnet19'.*resnet152.*hrnet_w48"),
        ("hrnet_w32", {"width": 16}, "has no option width"),
        ("resnet18", {"width": 0}, "width is 0"),
        ("resnet18", {"deconv_channels": -1}, "deconv_channels is -1"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_network(name, 3, **options)  # type: ignore[arg-type]
