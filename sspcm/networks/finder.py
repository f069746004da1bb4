"""A network that finds people in whole frames: where, how large, and which way their heads point.

One stage (after Zhou et al., "Objects as Points", 2019): at 1/8 of the resolution a heatmap of the
middles of boxes, and in each cell the offset to the middle, the logarithms of width and height,
and the direction from the hips to the head as a unit vector. Its maps have `CHANNELS` channels:
centre, offset x and y, log width, log height, direction x and y, all in cells.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sspcm.networks.efficientnet import CHANNELS as FEATURES
from sspcm.networks.efficientnet import EfficientNetLite0
from sspcm.networks.pyramid import (
    Stages,
    climb,
    deconvolutions,
    kaiming_convolutions,
    lateral_connections,
)

STRIDE = 8
"""Image pixels a cell."""
CHANNELS = 7
WIDTH = 64
"""Channels of the head."""

_PRIOR = -4.0
_SURE = 0.6


class FinderNet(Stages):
    """Maps (N, 7, H/8, W/8) of normalised images (N, 3, H, W), sides multiples of 32.

    >>> FinderNet()(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 7, 8, 12])
    """

    def __init__(self, *, width: int = WIDTH, generator: torch.Generator | None = None) -> None:
        """Build the network; `generator` gives its fresh weights, torch's global one if None."""
        super().__init__()
        self.backbone = EfficientNetLite0(generator=generator)
        _, *finer, coarsest = FEATURES
        self.deconv_layers = deconvolutions(coarsest, width, count=2)
        self.laterals = lateral_connections(finer[::-1], width)
        self.mix = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.final_layer = nn.Conv2d(width, CHANNELS, 1)
        for head in (self.laterals, self.mix):
            kaiming_convolutions(head, generator)
        for layer in self.deconv_layers:
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.normal_(self.final_layer.weight, std=0.01, generator=generator)
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)
        # Nearly all cells are empty: a fresh network says so.
        nn.init.constant_(self.final_layer.bias[:1], _PRIOR)

    def stages(self) -> list[nn.Module]:
        """Return the stages of the backbone."""
        return self.backbone.stages()

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps."""
        _, *features = self.backbone(x)
        return self.final_layer(
            self.mix(climb(features[-1], features[-2::-1], self.deconv_layers, self.laterals))
        )


def finder_targets(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Draw the target maps (7, height, width) float32 of one image.

    A box is a Gaussian as wide as a twelfth of the root of its area, 0.8 cells at least, with its
    peak of 1 in the cell of its middle. Each cell tells of the box whose Gaussian is highest there.

    Args:
        boxes: (n, 5) cx, cy, w, h in image pixels and degrees clockwise from up, head outwards.
        size: (width, height) in cells.
    """
    width, height = size
    target = np.zeros((CHANNELS, height, width), np.float32)
    target[6] = -1
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for cx, cy, w, h, angle in np.asarray(boxes, dtype=np.float64):
        middle = (cx / STRIDE, cy / STRIDE)
        spread = max(0.8, np.sqrt(w * h) / STRIDE / 12)
        far = (x - round(middle[0])) ** 2 + (y - round(middle[1])) ** 2
        bell = np.exp(-far / (2 * spread**2))
        mine = bell > target[0]
        turn = np.deg2rad(angle)
        values = (np.log(w / STRIDE), np.log(h / STRIDE), np.sin(turn), -np.cos(turn))
        target[0][mine] = bell[mine]
        target[1][mine] = middle[0] - x[mine]
        target[2][mine] = middle[1] - y[mine]
        for channel, value in enumerate(values, start=3):
            target[channel][mine] = value
    return target


def finder_losses(maps: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return the losses of maps (N, 7, h, w) against targets of the same shape.

    The centre's is the focal loss of Zhou et al. over the number of people; in the cells around
    each middle place and size are learned by absolute error, the direction by squared error: its
    vector is the shorter, the less it is known.
    """
    logit, truth = maps[:, 0].float(), target[:, 0]
    positive = truth == 1
    sure = torch.sigmoid(logit)
    hit = functional.logsigmoid(logit) * (1 - sure) ** 2
    miss = functional.logsigmoid(-logit) * sure**2 * (1 - truth) ** 4
    people = positive.sum().clamp(min=1)
    centre = -torch.where(positive, hit, miss).sum() / people
    weight = (truth * (truth > _SURE))[:, None]
    share = weight / weight.sum().clamp(min=1)
    error = maps[:, 1:].float() - target[:, 1:]
    return {
        "centre": centre,
        "offset": 0.5 * (error[:, 0:2].abs() * share).sum(),
        "size": (error[:, 2:4].abs() * share).sum(),
        "direction": (error[:, 4:6].square() * share).sum(),
    }


def boxes_of_maps(
    maps: Tensor,
    *,
    threshold: float,
    most: int = 100,
    middle: tuple[float, float] | None = None,
    outwards: float = 0.3,
) -> list[np.ndarray]:
    """Return the boxes (n, 6) that maps (N, 7, h, w) tell of: cx, cy, w, h, angle, score.

    A box is a cell whose score is the highest of its 3 x 3 neighbours and at least the threshold;
    the best-scored come first. Pixels and degrees are those of `finder_targets`.

    Args:
        maps: of the network.
        threshold: least score.
        most: boxes an image.
        middle: of an image of a ceiling camera, in pixels: people stand along the radius, heads
            outwards, so far as the network does not know better.
        outwards: length of that vector beside the network's, which is 1 where it is sure.
    """
    maps = maps.float()
    score = torch.sigmoid(maps[:, :1])
    peak = (functional.max_pool2d(score, 3, 1, 1) == score) & (score >= threshold)
    found = []
    for one, scores, peaks in zip(maps.cpu(), score.cpu(), peak.cpu(), strict=True):
        y, x = np.nonzero(peaks[0].numpy())
        values = one[:, y, x].numpy().astype(np.float64)
        if middle is not None:
            way = np.stack([x * STRIDE - middle[0], y * STRIDE - middle[1]])
            values[5:7] += outwards * way / np.maximum(np.hypot(*way), 1e-6)
        boxes = np.stack(
            [
                (x + values[1]) * STRIDE,
                (y + values[2]) * STRIDE,
                np.exp(values[3].clip(-3, 6)) * STRIDE,
                np.exp(values[4].clip(-3, 6)) * STRIDE,
                np.rad2deg(np.arctan2(values[5], -values[6])),
                scores[0, y, x].numpy().astype(np.float64),
            ],
            axis=1,
        )
        found.append(boxes[np.argsort(-boxes[:, 5], kind="stable")][:most])
    return found
