"""A network that finds people in whole frames: where they are, how large, and how they lie.

One stage (after Zhou et al., "Objects as Points", 2019): at 1/8 of the resolution a heatmap of the
middles of boxes, and in each cell around a middle the way to it and the shape of the box. A shape
is the logarithm of the ellipse's matrix: the log of the root of the area, and the stretch, a vector
as long as log(height / width) at twice the box's angle. Unlike width, height and angle it has no
jumps: a box that is nearly square has a stretch near zero, whatever its angle, and a network that
does not know the angle makes the box squarer.

Maps have `CHANNELS` channels: centre, way x and y in cells, log root of the area in cells, stretch
x and y.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
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
CHANNELS = 6
MAPS = ("score", "way x", "way y", "log root", "stretch x", "stretch y")
"""What the channels are, the score before the sigmoid."""
WIDTH = 64
"""Channels of the head."""
LOSSES = ("centre", "way", "size", "stretch")

_SCORE, _WAY, _ROOT, _STRETCH = slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 6)
_SHAPE = slice(3, 6)
_EMPTY = -4.0
"""Score, before the sigmoid, that a fresh network gives: nearly all cells are empty."""
_USUAL = 2.0
"""Log root of the area, in cells, that a fresh network gives: 60 pixels."""
_LEAST_SPREAD = 0.8
_LEAST_WEIGHT = 0.25


class FinderNet(Stages):
    """Maps (N, 6, H/8, W/8) of normalised images (N, 3, H, W), sides multiples of 32.

    >>> FinderNet()(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 6, 8, 12])
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
        nn.init.constant_(self.final_layer.bias[_SCORE], _EMPTY)
        nn.init.constant_(self.final_layer.bias[_ROOT], _USUAL)

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
    """Draw the target maps (7, height, width) float32 of one image: the channels, and a weight.

    A box is a Gaussian as wide as a tenth of the root of its area, 0.8 cells at least, with its
    peak of 1 in the cell of its middle. Way and shape are told in all cells about twice as far
    around, as a peak may be found in each of them; the nearer of two boxes has the cell. The
    weights of a box have the sum 1.

    Args:
        boxes: (n, 5) cx, cy, w, h in image pixels and degrees clockwise from up.
        size: (width, height) in cells.
    """
    width, height = size
    target = np.zeros((CHANNELS + 1, height, width), np.float32)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
    owner = np.full((height, width), -1)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for number, (cx, cy, w, h, angle) in enumerate(boxes):
        middle = (cx / STRIDE, cy / STRIDE)
        root = np.sqrt(w * h) / STRIDE
        spread = max(_LEAST_SPREAD, root / 10)
        cells = (x - round(middle[0])) ** 2 + (y - round(middle[1])) ** 2
        np.maximum(target[0], np.exp(-cells / (2 * spread**2)), out=target[0])
        way = np.stack([middle[0] - x, middle[1] - y])
        weight = np.exp(-(way**2).sum(axis=0) / (2 * (2 * spread) ** 2))
        mine = (weight > _LEAST_WEIGHT) & (weight > target[CHANNELS])
        owner[mine] = number
        target[_WAY, mine] = way[:, mine]
        target[_SHAPE, mine] = shapes_of_boxes([w, h, angle])[:, None]
        target[CHANNELS, mine] = weight[mine]
    for number in range(len(boxes)):
        mine = owner == number
        target[CHANNELS, mine] /= max(target[CHANNELS, mine].sum(), 1e-6)
    return target


def shapes_of_boxes(boxes: ArrayLike) -> np.ndarray:
    """Return the shapes (..., 3) of boxes (..., 3): log root of the area in cells, stretch x and y.

    Args:
        boxes: w, h in pixels, and angle.

    >>> shapes_of_boxes([16.0, 64.0, 45.0]).round(3).tolist()
    [1.386, 0.0, 1.386]
    """
    w, h, angle = np.moveaxis(np.asarray(boxes, dtype=np.float64), -1, 0)
    turn, stretch = 2 * np.deg2rad(angle), np.log(h / w)
    root = np.log(np.sqrt(w * h) / STRIDE)
    return np.stack([root, stretch * np.cos(turn), stretch * np.sin(turn)], axis=-1)


def boxes_of_shapes(shapes: ArrayLike) -> np.ndarray:
    """Return the boxes (..., 3) that have these shapes or means of shapes, w <= h.

    Angles are within [-90, 90]; areas and ratios beyond those of any box are held.

    >>> boxes_of_shapes([1.386, 0.0, 1.386]).round(1).tolist()
    [16.0, 64.0, 45.0]
    """
    root, along, across = np.moveaxis(np.asarray(shapes, dtype=np.float64), -1, 0)
    side = np.exp(root.clip(-3, 6)) * STRIDE
    longer = np.exp((np.hypot(along, across) / 2).clip(0, 2))
    angle = np.rad2deg(np.arctan2(across, along)) / 2
    return np.stack([side / longer, side * longer, angle], axis=-1)


def finder_losses(maps: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return the losses of maps (N, 6, h, w) against targets (N, 7, h, w), means over people.

    The centre's is the focal loss of Zhou et al.; way, size and stretch are learned by absolute
    error, the way's over the root of the box's area: errors count as they change the overlap.
    """
    logit, truth = maps[:, _SCORE].float(), target[:, _SCORE]
    positive = truth == 1
    sure = torch.sigmoid(logit)
    hit = functional.logsigmoid(logit) * (1 - sure) ** 2
    miss = functional.logsigmoid(-logit) * sure**2 * (1 - truth) ** 4
    people = positive.sum().clamp(min=1)
    share = target[:, CHANNELS:] / people
    error = (maps.float() - target[:, :CHANNELS]).abs() * share
    return {
        "centre": -torch.where(positive, hit, miss).sum() / people,
        "way": 2 * (error[:, _WAY] * torch.exp(-target[:, _ROOT])).sum(),
        "size": 2 * error[:, _ROOT].sum(),
        "stretch": error[:, _STRETCH].sum(),
    }


def boxes_of_maps(maps: Tensor, *, threshold: float, most: int = 100) -> list[np.ndarray]:
    """Return the boxes (n, 6) that maps (N, 6, h, w) tell of: cx, cy, w, h, angle, score.

    A box is a cell whose score is the highest of its 3 x 3 neighbours and at least the threshold;
    place and shape are means over those nine, weighted by their scores. The best-scored come first.
    Pixels and degrees are those of `finder_targets`; w <= h, and the angle is within [-90, 90].

    Args:
        maps: of the network.
        threshold: least score.
        most: boxes an image.
    """
    maps = maps.float().cpu()
    score = torch.sigmoid(maps[:, _SCORE])
    peak = (functional.max_pool2d(score, 3, 1, 1) == score) & (score >= threshold)
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in maps.shape[2:])
    cells = torch.stack([columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))])
    told = torch.cat([maps[:, _WAY] + cells, maps[:, _ROOT], maps[:, _STRETCH]], dim=1)
    mean = functional.avg_pool2d(told * score, 3, 1, 1) / functional.avg_pool2d(score, 3, 1, 1)
    found = []
    for values, scores, peaks in zip(mean.numpy(), score.numpy(), peak.numpy(), strict=True):
        y, x = np.nonzero(peaks[0])
        told = values[:, y, x].astype(np.float64)
        shapes = boxes_of_shapes(told[2:].T)
        boxes = np.column_stack([told[:2].T * STRIDE, shapes, scores[0, y, x]])
        found.append(boxes[np.argsort(-boxes[:, 5], kind="stable")][:most])
    return found
