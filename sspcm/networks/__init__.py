"""Networks that map images (N, 3, H, W) to heatmaps (N, J, H/4, W/4).

`resnet18` to `resnet152` are the published PoseResNets, `resnet18_lateral` and so on the same with
lateral connections, for small crops; `hrnet_w32` and `hrnet_w48` are HRNets.

Any other `nn.Module` that does so can be trained, evaluated and exported too: its name is
`module:callable`, where `callable(joints)` gives it and the module can be imported. With this in
`my_networks.py`, in a folder on PYTHONPATH,

    class Shallow(nn.Sequential):
        def __init__(self, joints: int) -> None:
            super().__init__(nn.Conv2d(3, 32, 7, 4, 3), nn.ReLU(), nn.Conv2d(32, joints, 1))

it is `--set network.name=my_networks:Shallow` on the command line, and from Python
`TrainConfig(network=NetworkConfig(name="my_networks:Shallow"), ...)`. The run records the name, so
that `sspcm evaluate`, `predict` and `export` find the network again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from sspcm.networks.hrnet import HRNet
from sspcm.networks.resnet import STAGES, PoseResNet
from wepdtof_pose.errors import InputError

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    **{f"resnet{depth}": partial(PoseResNet, depth) for depth in STAGES},
    **{f"resnet{depth}_lateral": partial(PoseResNet, depth, lateral=True) for depth in STAGES},
    "hrnet_w32": partial(HRNet, width=32),
    "hrnet_w48": partial(HRNet, width=48),
}
"""Network name -> constructor (joints, *, generator, ...)."""


def build_network(
    name: str,
    joints: int,
    *,
    width: int | None = None,
    deconv_channels: int | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """The network of that name with fresh weights.

    Args:
        name: one of `NETWORKS`, or `module:callable` for a network of your own.
        joints: number of heatmaps.
        width: channels of a ResNet's first stage (64 if None); the rest scales with it.
        deconv_channels: channels of a ResNet's transposed convolutions (256 if None).
        generator: CPU source of the fresh weights; torch's global one if None. The same seed gives
            the same network.

    Raises:
        InputError: an unknown name, a ResNet's option for another network, or a module of your own
            that cannot be imported or gives no `nn.Module`.

    >>> build_network("resnet18", 14, width=16, deconv_channels=32).final_layer.out_channels
    14
    """
    if name not in NETWORKS and ":" not in name:
        raise InputError(
            f"unknown network {name!r}: choose one of {', '.join(NETWORKS)}, or module:callable"
        )
    sizes = {"width": width, "deconv_channels": deconv_channels}
    given = {option: value for option, value in sizes.items() if value is not None}
    if given and not name.startswith("resnet"):
        raise InputError(f"{name} has no option {', '.join(given)}: it belongs to the ResNets")
    if name not in NETWORKS:
        return _imported(name, joints, generator)
    return NETWORKS[name](joints, generator=generator, **given)


def _imported(name: str, joints: int, generator: torch.Generator | None) -> nn.Module:
    module_name, _, attribute = name.partition(":")
    try:
        constructor = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"network {name!r}: {error} (is the folder of {module_name}.py on PYTHONPATH?)"
        ) from None
    except AttributeError:
        raise InputError(f"network {name!r}: {module_name} has no {attribute!r}") from None
    # Such a constructor draws from torch's global source, which is lent to it and then restored.
    before = torch.get_rng_state()
    try:
        if generator is not None:
            torch.default_generator.manual_seed(generator.initial_seed())
        network = constructor(joints)
    finally:
        if generator is not None:
            torch.set_rng_state(before)
    if not isinstance(network, nn.Module):
        raise InputError(f"network {name!r}: {attribute}({joints}) gave no torch.nn.Module")
    return network
