"""Heatmaps from the feature pyramid of a backbone, and stages that stay as they are.

A backbone gives its features at 1/4, 1/8, 1/16 and 1/32 of the resolution; the head goes from the
coarsest to the finest by transposed convolutions (Xiao et al., ECCV 2018), each of which is joined
by the features of its size (Lin et al., CVPR 2017).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from wepdtof_pose.errors import InputError

_Network = TypeVar("_Network", bound="Stages")

SMALL_STD = 0.001
"""Standard deviation of fresh transposed-convolution and head weights, as published."""


class Stages(nn.Module, ABC):
    """A network whose first stages can be frozen: they keep their weights and statistics."""

    frozen_stages = 0

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """Return the stages of the backbone, from the image on; the stem is part of the first."""

    def freeze(self, count: int) -> None:
        """Freeze the first `count` stages.

        Raises:
            InputError: there are not so many.
        """
        stages = self.stages()
        if not 0 <= count <= len(stages):
            raise InputError(
                f"{count} stages cannot be frozen: this network has {len(stages)} of them"
            )
        self.frozen_stages = count
        for stage in stages[:count]:
            stage.requires_grad_(False)
        self.train(self.training)

    def train(self: _Network, mode: bool = True) -> _Network:
        """Set the mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        if self.frozen_stages:
            for stage in self.stages()[: self.frozen_stages]:
                stage.eval()
        return self


class PyramidPose(Stages):
    """Heatmaps (N, joints, H/4, W/4) of images (N, 3, H, W), from a backbone's pyramid.

    The head's weights are N(0, 0.001) where they are transposed convolutions or the last layer,
    Kaiming-normal (fan out) in the lateral connections.

    Attributes:
        backbone: images to a list of four features, finest first; its `stages` can be frozen.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: Sequence[int],
        joints: int,
        *,
        deconv_channels: int = 32,
        generator: torch.Generator | None = None,
    ) -> None:
        """Build the head; `channels` are those of the features, finest (1/4 of the side) first.

        Raises:
            InputError: a size below 1.
        """
        super().__init__()
        if joints < 1 or deconv_channels < 1:
            raise InputError(
                f"joints is {joints} and deconv_channels {deconv_channels}: both must be at least 1"
            )
        *finer, coarsest = channels
        self.backbone = backbone
        self.deconv_layers = deconvolutions(coarsest, deconv_channels, count=len(finer))
        self.laterals = lateral_connections(finer[::-1], deconv_channels)
        self.final_layer = nn.Conv2d(deconv_channels, joints, 1)
        for module in (*self.deconv_layers, self.final_layer):
            if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.normal_(module.weight, std=SMALL_STD, generator=generator)
        kaiming_convolutions(self.laterals, generator)
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)

    def stages(self) -> list[nn.Module]:
        """Return the stages of the backbone.

        Raises:
            InputError: the backbone has none.
        """
        stages = getattr(self.backbone, "stages", None)
        if stages is None:
            raise InputError(
                "config key 'network.frozen_stages' is for efficientnet_lite0 and the ResNets, not "
                "for timm's networks"
            )
        return stages()

    def forward(self, x: Tensor) -> Tensor:
        """Return heatmaps (N, joints, H/4, W/4) of normalised images (N, 3, H, W)."""
        features = self.backbone(x)
        return self.final_layer(
            climb(features[-1], features[-2::-1], self.deconv_layers, self.laterals)
        )


def deconvolutions(inputs: int, channels: int, *, count: int = 3) -> nn.Sequential:
    """Return `count` transposed convolutions 4x4/2 with BatchNorm and ReLU, in a flat row."""
    layers: list[nn.Module] = []
    for before in (inputs, *[channels] * (count - 1)):
        layers += [
            nn.ConvTranspose2d(before, channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def lateral_connections(inputs: Sequence[int], channels: int) -> nn.ModuleList:
    """Return a 1x1 convolution with BatchNorm for each feature, coarsest first."""
    return nn.ModuleList(
        nn.Sequential(nn.Conv2d(before, channels, 1, bias=False), nn.BatchNorm2d(channels))
        for before in inputs
    )


def climb(
    x: Tensor, features: Sequence[Tensor], layers: nn.Sequential, laterals: nn.ModuleList
) -> Tensor:
    """Climb from the coarsest features up, joined by those of each size (coarsest first)."""
    parts = list(layers)
    for k, (feature, lateral) in enumerate(zip(features, laterals, strict=True)):
        deconvolution, norm, relu = parts[3 * k : 3 * k + 3]
        x = relu(norm(deconvolution(x)) + lateral(feature))
    return x


def kaiming_convolutions(network: nn.Module, generator: torch.Generator | None) -> None:
    """Draw the weights of all convolutions: Kaiming-normal, fan out."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
