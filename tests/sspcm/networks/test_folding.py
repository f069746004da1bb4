import pytest
import torch
from torch import nn

from sspcm.networks import NETWORKS, build_network
from sspcm.networks.finder import FinderNet
from sspcm.networks.folding import folded


def settled(network: nn.Module) -> nn.Module:
    """The network with running statistics and scales that are no longer those of a fresh one."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
            ):
                assert values is not None
                values.data = low + torch.rand(values.shape, generator=random)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", [name for name in NETWORKS if "_w48" not in name])
def test_poses_stay_the_same_without_a_single_norm(name: str) -> None:
    sizes = {"width": 8} if name.startswith("resnet") else {}
    generator = torch.Generator().manual_seed(2)
    network = settled(build_network(name, 3, generator=generator, **sizes))
    images = torch.randn(2, 3, 64, 64, generator=generator)
    before = norms(network)
    quick = folded(network)
    assert (before > 0, norms(quick), norms(network)) == (True, 0, before)
    with torch.inference_mode():
        wanted = network(images)
        torch.testing.assert_close(quick(images), wanted, rtol=1e-3, atol=1e-3 * wanted.abs().max())


def test_boxes_stay_the_same() -> None:
    network = settled(FinderNet(generator=torch.Generator().manual_seed(3)))
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        wanted = network(images)
        found = folded(network)(images)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3 * wanted.abs().max())


class Crossed(nn.Module):
    """A module of somebody else's, whose norm comes before its convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(self.norm(images))


def test_modules_of_others_stay_as_they_are() -> None:
    network = settled(nn.Sequential(Crossed(), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    images = torch.randn(2, 3, 8, 8)
    quick = folded(network)
    assert norms(quick) == 1
    torch.testing.assert_close(quick(images), network(images))
