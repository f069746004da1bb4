"""HRNet: parallel branches at 1/4 to 1/32 of the resolution that keep exchanging their features.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation",
CVPR 2019. Parameter names are those of the released checkpoints (golden fixture f11).
"""

from __future__ import annotations

import torch
from torch import nn

from sspcm.networks.pyramid import SMALL_STD
from sspcm.networks.resnet import BasicBlock, Bottleneck, residual_stage
from wepdtof_pose.errors import InputError

EXCHANGES = {2: 1, 3: 4, 4: 3}
"""Stage, which is also its number of branches -> how often its branches exchange features."""

BLOCKS_A_BRANCH = 4


class HRNet(nn.Module):
    """Heatmaps (N, joints, H/4, W/4) of images (N, 3, H, W), read off the finest branch.

    H and W are multiples of 32. Fresh convolutions are N(0, 0.001), as published for training
    from an ImageNet file; biases 0, BatchNorm 1 and 0.

    >>> network = HRNet(14, width=4)
    >>> network(torch.zeros(1, 3, 64, 32)).shape
    torch.Size([1, 14, 16, 8])
    """

    def __init__(
        self, joints: int, *, width: int = 32, generator: torch.Generator | None = None
    ) -> None:
        """Build the network.

        Args:
            joints: number of heatmaps.
            width: channels of the finest branch (32 or 48 as published); each coarser one has
                twice as many.
            generator: CPU source of the fresh weights; torch's global one if None.

        Raises:
            InputError: a size below 1.
        """
        super().__init__()
        if joints < 1 or width < 1:
            raise InputError(f"joints is {joints} and width {width}: both must be at least 1")
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_stage(Bottleneck, 64, 64, 4, 1)
        self.transition1 = nn.ModuleList(
            [
                _convolution(256, widths[0], stride=1, relu=True),
                nn.Sequential(_convolution(256, widths[1], stride=2, relu=True)),
            ]
        )
        self.stage2 = _stage(widths[:2])
        self.transition2 = _add_branch(widths[:3])
        self.stage3 = _stage(widths[:3])
        self.transition3 = _add_branch(widths)
        self.stage4 = _stage(widths, only_finest=True)
        self.final_layer = nn.Conv2d(widths[0], joints, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=SMALL_STD, generator=generator)
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return heatmaps (N, joints, H/4, W/4) of normalised images (N, 3, H, W)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches = self.stage2([transition(x) for transition in self.transition1])
        # A new branch grows out of the coarsest one; the others go on as they are.
        branches = self.stage3([*branches, self.transition2[-1](branches[-1])])
        branches = self.stage4([*branches, self.transition3[-1](branches[-1])])
        return self.final_layer(branches[0])


class Exchange(nn.Module):
    """Residual blocks on every branch, then each branch becomes the sum of all, resampled."""

    def __init__(self, widths: list[int], *, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            residual_stage(BasicBlock, width, width, BLOCKS_A_BRANCH, 1) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resample(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return features (N, width_i, H_i, W_i), finest first, of as many branches as outputs."""
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            assert isinstance(layers, nn.ModuleList)
            total = layers[0](features[0])
            for layer, x in zip(layers[1:], features[1:], strict=True):
                total = total + layer(x)
            fused.append(self.relu(total))
        return fused


def _stage(widths: list[int], *, only_finest: bool = False) -> nn.Sequential:
    count = EXCHANGES[len(widths)]
    outputs = [len(widths)] * (count - 1) + [1 if only_finest else len(widths)]
    return nn.Sequential(*(Exchange(widths, outputs=number) for number in outputs))


def _add_branch(widths: list[int]) -> nn.ModuleList:
    """One place a branch, as in the released checkpoints; only the last, new one has weights."""
    old: list[nn.Module] = [nn.Identity() for _ in widths[:-1]]
    new = nn.Sequential(_convolution(widths[-2], widths[-1], stride=2, relu=True))
    return nn.ModuleList([*old, new])


def _resample(widths: list[int], source: int, target: int) -> nn.Module:
    """Return the way from branch `source` to `target`: 1x1 and upsampling, or strided 3x3."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    halvings = [
        _convolution(widths[source], widths[source], stride=2, relu=True)
        for _ in range(target - source - 1)
    ]
    last = _convolution(widths[source], widths[target], stride=2, relu=False)
    return nn.Sequential(*halvings, last)


def _convolution(inputs: int, outputs: int, *, stride: int, relu: bool) -> nn.Sequential:
    layers = [
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))
