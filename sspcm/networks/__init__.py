"""Networks that map images (N, 3, H, W) to heatmaps (N, J, H/4, W/4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from sspcm.networks.hrnet import HRNet
from sspcm.networks.resnet import STAGES, PoseResNet
from wepdtof_pose.errors import InputError

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    **{f"resnet{depth}": partial(PoseResNet, depth) for depth in STAGES},
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
        name: one of `NETWORKS`.
        joints: number of heatmaps.
        width: channels of a ResNet's first stage (64 if None); the rest scales with it.
        deconv_channels: channels of a ResNet's transposed convolutions (256 if None).
        generator: CPU source of the fresh weights; torch's global one if None. The same seed gives
            the same network.

    Raises:
        InputError: an unknown name, or a ResNet's option for an HRNet.

    >>> build_network("resnet18", 14, width=16, deconv_channels=32).final_layer.out_channels
    14
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}: choose one of {', '.join(NETWORKS)}")
    sizes = {"width": width, "deconv_channels": deconv_channels}
    given = {option: value for option, value in sizes.items() if value is not None}
    if given and name.startswith("hrnet"):
        raise InputError(f"{name} has no option {', '.join(given)}: it belongs to the ResNets")
    return NETWORKS[name](joints, generator=generator, **given)
