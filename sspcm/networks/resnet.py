"""PoseResNet: a ResNet, three transposed convolutions and a 1x1 head.

Source: Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, over
He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the lateral connections are
those of Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017. The backbone's
parameters carry torchvision's names, the others those of the released projects (golden fixture
f11).
"""

from __future__ import annotations

import torch
from torch import nn

from sspcm.networks.pyramid import SMALL_STD, Stages, climb, deconvolutions, lateral_connections
from wepdtof_pose.errors import InputError


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (ResNet-18 and 34)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) -> (N, width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += shortcut
        return self.relu(x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the 3x3 one has the stride."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) -> (N, 4 width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += shortcut
        return self.relu(x)


Block = type[BasicBlock] | type[Bottleneck]

STAGES: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
"""Depth -> block and the number of blocks in each of the four stages."""


class PoseResNet(Stages):
    """Heatmaps (N, joints, H/4, W/4) of images (N, 3, H, W) by a ResNet with deconvolutions.

    H and W are multiples of 32. Fresh weights are Kaiming-normal (fan out) in the backbone and
    N(0, 0.001) in the transposed convolutions and the head; biases 0, BatchNorm 1 and 0.

    As published, everything passes through the stage at H/32, which of a crop of 96 x 64 leaves
    3 x 2 places. With `lateral`, the stages at H/16, H/8 and H/4 join the transposed convolutions
    of their size, each through a 1x1 convolution: places come from there, and small crops suffice.

    >>> network = PoseResNet(18, 14, width=8, deconv_channels=16)
    >>> network(torch.zeros(2, 3, 64, 32)).shape
    torch.Size([2, 14, 16, 8])
    """

    def __init__(
        self,
        depth: int,
        joints: int,
        *,
        width: int = 64,
        deconv_channels: int = 256,
        lateral: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        """Build the network.

        Args:
            depth: 18, 34, 50, 101 or 152.
            joints: number of heatmaps.
            width: channels of the stem and the first stage (64 as published); the stages have
                1, 2, 4 and 8 times as many.
            deconv_channels: channels of the three transposed convolutions.
            lateral: connect the stages to the transposed convolutions of their size.
            generator: CPU source of the fresh weights; torch's global one if None.

        Raises:
            InputError: unknown depth, or a size below 1.
        """
        super().__init__()
        if depth not in STAGES:
            raise InputError(f"no ResNet of depth {depth}: choose one of {sorted(STAGES)}")
        for name, value in (
            ("joints", joints),
            ("width", width),
            ("deconv_channels", deconv_channels),
        ):
            if value < 1:
                raise InputError(f"{name} is {value}: a network needs at least 1")
        block, counts = STAGES[depth]
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = residual_stage(block, width, width, counts[0], 1)
        out = block.expansion * width
        self.layer2 = residual_stage(block, out, 2 * width, counts[1], 2)
        self.layer3 = residual_stage(block, 2 * out, 4 * width, counts[2], 2)
        self.layer4 = residual_stage(block, 4 * out, 8 * width, counts[3], 2)
        self.deconv_layers = deconvolutions(8 * out, deconv_channels)
        self.laterals = lateral_connections(
            (4 * out, 2 * out, out) if lateral else (), deconv_channels
        )
        self.final_layer = nn.Conv2d(deconv_channels, joints, 1)
        self._initialise(generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return heatmaps (N, joints, H/4, W/4) of normalised images (N, 3, H, W)."""
        # Pooling first gives the same values and gradients, with ReLU on a quarter of the pixels.
        x = self.relu(self.maxpool(self.bn1(self.conv1(x))))
        fine = self.layer1(x)
        middle = self.layer2(fine)
        coarse = self.layer3(middle)
        x = self.layer4(coarse)
        if not self.laterals:
            return self.final_layer(self.deconv_layers(x))
        stages = (coarse, middle, fine)
        return self.final_layer(climb(x, stages, self.deconv_layers, self.laterals))

    def stages(self) -> list[nn.Module]:
        """Return the four stages of the backbone; the first holds the stem."""
        stem = nn.ModuleList([self.conv1, self.bn1, self.layer1])
        return [stem, self.layer2, self.layer3, self.layer4]

    def _initialise(self, generator: torch.Generator | None) -> None:
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d) or module is self.final_layer:
                nn.init.normal_(module.weight, std=SMALL_STD, generator=generator)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)


def residual_stage(block: Block, inputs: int, width: int, count: int, stride: int) -> nn.Sequential:
    """Return `count` residual blocks in a row, the first of which has the stride."""
    blocks = [block(inputs, width, stride)]
    blocks += [block(width * block.expansion, width) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
