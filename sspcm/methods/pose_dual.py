"""PoseDual: two networks teach each other from easy to hard views (Xie et al., ICCV 2021)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.views import draw_views
from sspcm.data.batches import Batch
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.hard_views import (
    HardDraw,
    draw_hard_view,
    make_hard_views,
    peaks_of,
    warp_targets,
)
from sspcm.methods.method import Method, MethodSetting, Taught, mean_map, taught_by, teacher_maps
from sspcm.methods.pose_cons import PoseCons


class PoseDual(Method):
    """Two networks A, B; the easy view of each teaches the hard view of the other.

    T_N is the map of network N on the easy view x_u, S_N on its own hard view: the joints that are
    occluded there are those of the map that teaches it; operations are drawn for each, the warp is
    one. Loss: (M(H_A(x_s), y) + M(H_B(x_s), y)) / 2 + M(S_A, warp T_B) + M(S_B, warp T_A).

    | pass | networks | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1 | A, B | x_s | train | yes | updated |
    | 2 | A, B | x_u | teacher_mode | no | updated (train) |
    | 3 | A, B | hard view of x_u, one a network | train | yes | updated |

    The two differ in nothing but their initial weights; A is reported, their mean map is scored.
    """

    Options = PoseCons.Options

    uses_unlabelled = True
    reported = "A"
    roles: ClassVar = {"network_a": "A", "network_b": "B"}

    def __init__(self, setting: MethodSetting, options: PoseCons.Options) -> None:
        super().__init__()
        self.setting = setting
        self.options = options
        self.network_a = setting.make_network("A")
        self.network_b = setting.make_network("B")

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step, with fresh draws."""
        return self.losses(batch, self.draw(len(batch.labelled), batch.generator))

    def draw(self, people: int, generator: torch.Generator) -> HardDraw:
        """Return the draws of a step: the operations of A's view, those of B's, then the warp."""
        of_a = draw_hard_view(self.setting, self.options.hard_view, people, generator)
        # RandAugment makes one image for both in the released code, where it is the data loader's.
        shared = self.setting.released and self.options.augmentation == "rand_augment"
        of_b = (
            of_a
            if shared
            else draw_hard_view(self.setting, self.options.hard_view, people, generator)
        )
        return HardDraw(
            (of_a, of_b), draw_views(people, self.setting.hard_view, generator=generator)
        )

    def losses(self, batch: Batch, draw: HardDraw) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step with given draws."""
        x_s, x_u, y, w_s = batch.labelled, batch.unlabelled, batch.target, batch.target_weight
        w_u = batch.unlabelled_weight
        supervised = 0.5 * (
            heatmap_mse(self.network_a(x_s), y, w_s) + heatmap_mse(self.network_b(x_s), y, w_s)
        )
        if x_u is None:
            return {"supervised": supervised}
        t_a, t_b = teacher_maps(
            [self.network_a, self.network_b], x_u, mode=self.options.teacher_mode
        )
        for_a, for_b = t_b, t_a
        view_a, view_b = make_hard_views(
            self.setting, batch, [self.options.hard_view] * 2, peaks_of([for_a, for_b]), draw
        )
        target_a, target_b = warp_targets(self.setting, [for_a, for_b], draw.view)
        consistency = heatmap_mse(self.network_a(view_a), target_a, w_u) + heatmap_mse(
            self.network_b(view_b), target_b, w_u
        )
        return {"supervised": supervised, "consistency": consistency}

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of A, B and the mean of their maps."""
        a, b = self.network_a(images), self.network_b(images)
        return {"A": a, "B": b, "mean": mean_map(a, b)}

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """Return T_B, from which A learns, and how far T_A is from it."""
        t_a, t_b = teacher_maps([self.network_a, self.network_b], images, mode="eval")
        return taught_by(t_b, t_a)

    def predictor(self) -> nn.Module:
        """Return A."""
        return self.network_a
