"""Supervised training on the labelled people alone (Xiao et al., ECCV 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from sspcm.data.batches import Batch
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.hard_views import as_other_cameras
from sspcm.methods.method import Method, MethodSetting


class Supervised(Method):
    """One network, plain heatmap regression: the baseline of every comparison.

    With the option `cameras` its labelled views are shown as other cameras would show them
    (`sspcm.augment.cameras`): for drawn people, where real ones are meant.

    | pass | network | input | mode | gradient | BatchNorm statistics |
    |---|---|---|---|---|---|
    | 1 | A | labelled easy view | train | yes | batch; running ones updated |
    """

    @dataclass(frozen=True)
    class Options:
        """Options.

        Attributes:
            cameras: show labelled views as other cameras would.
            role: whose fresh weights the network has; a burn-in trains one network a role.
        """

        cameras: bool = False
        role: str = "A"

    uses_unlabelled = False
    reported = "A"
    roles: ClassVar = {"network": "A"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.network = setting.make_network(options.role)
        self.cameras = options.cameras

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss M(H(x_s))."""
        images = batch.labelled
        if self.cameras:
            images = as_other_cameras(images, batch.generator)
        maps = self.network(images)
        return {"supervised": heatmap_mse(maps, batch.target, batch.target_weight)}

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of the network, which is A to a comparison whatever its role."""
        return {"A": self.network(images)}

    def predictor(self) -> nn.Module:
        """Return the network."""
        return self.network
