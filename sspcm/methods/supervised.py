"""Supervised training on the labelled people alone (Xiao et al., ECCV 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from sspcm.data.batches import Batch
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.hard_views import as_other_cameras
from sspcm.methods.method import Method, MethodSetting
from wepdtof_pose.errors import InputError


class Supervised(Method):
    """One network, plain heatmap regression: the baseline of every comparison.

    With the option `cameras` its labelled views are shown as other cameras would show them
    (`sspcm.augment.cameras`), and with `textures` some of them in other textures
    (`sspcm.augment.textures`): for drawn people, where real ones are meant.

    | pass | network | input | mode | gradient | BatchNorm statistics |
    |---|---|---|---|---|---|
    | 1 | A | labelled easy view | train | yes | batch; running ones updated |
    """

    @dataclass(frozen=True)
    class Options:
        """Options.

        Attributes:
            cameras: show labelled views as other cameras would.
            textures: share of these views that are shown in other textures, too.
            role: whose fresh weights the network has; a burn-in trains one network a role.
        """

        cameras: bool = False
        textures: float = 0.0
        role: str = "A"

        def __post_init__(self) -> None:
            if not 0 <= self.textures <= 1:
                raise InputError(
                    f"method.options.textures must be from 0 to 1, not {self.textures}"
                )
            if self.textures and not self.cameras:
                raise InputError(
                    "method.options.textures changes views that method.options.cameras shows: "
                    "set that to true, too"
                )

    uses_unlabelled = False
    reported = "A"
    roles: ClassVar = {"network": "A"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.network = setting.make_network(options.role)
        self.options = options

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss M(H(x_s))."""
        images = batch.labelled
        if self.options.cameras:
            textures = self.options.textures
            images = as_other_cameras(images, batch.generator, textures=textures)
        maps = self.network(images)
        return {"supervised": heatmap_mse(maps, batch.target, batch.target_weight)}

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of the network, which is A to a comparison whatever its role."""
        return {"A": self.network(images)}

    def predictor(self) -> nn.Module:
        """Return the network."""
        return self.network
