"""EfficientNet-Lite0: a backbone that a CPU trains, with ImageNet weights from a Python package.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, in its Lite variant: no squeeze-and-excitation, ReLU6 for Swish, a stem that does not
scale. Convolutions are padded as TensorFlow's "same" does, for which the weights were trained.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspcm.networks.pyramid import PyramidPose, kaiming_convolutions

STEM = 32
BLOCKS = (
    # kernel, stride, expansion, channels, repeats
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""The rows of the paper's table 1; a row's first block has the stride."""

PYRAMID = ((0, 3), (3, 5), (5, 11), (11, 16))
"""Blocks of the stages that end at 1/4, 1/8, 1/16 and 1/32 of the resolution."""

CHANNELS = (24, 40, 112, 320)
"""Of the features at the end of each stage."""

EPSILON = 1e-3
"""Of BatchNorm, as the weights were trained."""


class EfficientNetLite0(nn.Module):
    """The features of images (N, 3, H, W) at 1/4, 1/8, 1/16 and 1/32 of the resolution.

    They have 24, 40, 112 and 320 channels. `stages` are what can be frozen, four of them. Without
    ImageNet weights (`sspcm.networks.weights.load_imagenet`) convolutions are Kaiming-normal.

    >>> [tuple(f.shape[1:]) for f in EfficientNetLite0()(torch.zeros(1, 3, 64, 32))]
    [(24, 16, 8), (40, 8, 4), (112, 4, 2), (320, 2, 1)]
    """

    def __init__(self, *, generator: torch.Generator | None = None) -> None:
        """Build the backbone; `generator` gives its fresh weights, torch's global one if None."""
        super().__init__()
        self.conv_stem = SameConv2d(3, STEM, 3, stride=2)
        self.bn0 = nn.BatchNorm2d(STEM, eps=EPSILON)
        self.relu = nn.ReLU6(inplace=True)
        blocks: list[nn.Module] = []
        inputs = STEM
        for kernel, stride, expansion, outputs, repeats in BLOCKS:
            for repeat in range(repeats):
                first = repeat == 0
                blocks.append(
                    InvertedResidual(
                        inputs,
                        outputs,
                        kernel=kernel,
                        stride=stride if first else 1,
                        expansion=expansion,
                    )
                )
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        kaiming_convolutions(self, generator)

    def stages(self) -> list[nn.Module]:
        """Return the four stages that end at the features; the first holds the stem."""
        parts = [nn.ModuleList(self.blocks[start:end]) for start, end in PYRAMID]
        return [nn.ModuleList([self.conv_stem, self.bn0, *parts[0]]), *parts[1:]]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four features, finest first, of normalised images (N, 3, H, W)."""
        x = self.relu(self.bn0(self.conv_stem(x)))
        features = []
        for start, end in PYRAMID:
            for block in self.blocks[start:end]:
                x = block(x)
            features.append(x)
        return features


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution and 1x1 projection, around a shortcut where it fits."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        self.expand_conv = None
        if expansion > 1:
            self.expand_conv = SameConv2d(inputs, wide, 1)
            self.bn0 = nn.BatchNorm2d(wide, eps=EPSILON)
        self.depthwise_conv = SameConv2d(wide, wide, kernel, stride=stride, groups=wide)
        self.bn1 = nn.BatchNorm2d(wide, eps=EPSILON)
        self.project_conv = SameConv2d(wide, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        before = x
        if self.expand_conv is not None:
            x = self.relu(self.bn0(self.expand_conv(x)))
        x = self.relu(self.bn1(self.depthwise_conv(x)))
        x = self.bn2(self.project_conv(x))
        return x + before if self.shortcut else x


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "same" does.

    Of an even side, stride 2 has one pixel less on the left and above than on the right and below.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride))."""
        if self.stride[0] == 1:
            return super().forward(x)
        after = self.kernel_size[0] // 2
        top, left = (after - (side % 2 == 0) for side in x.shape[2:])
        x = functional.pad(x, (left, after, top, after))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)


class PoseEfficientNet(PyramidPose):
    """Heatmaps (N, joints, H/4, W/4) by EfficientNet-Lite0 and a light lateral head.

    >>> PoseEfficientNet(14)(torch.zeros(2, 3, 64, 32)).shape
    torch.Size([2, 14, 16, 8])
    """

    def __init__(
        self,
        joints: int,
        *,
        deconv_channels: int = 32,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            EfficientNetLite0(generator=generator),
            CHANNELS,
            joints,
            deconv_channels=deconv_channels,
            generator=generator,
        )
