"""PoseCons: consistency of an easy and a hard view in one network (Xie et al., ICCV 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.views import draw_views
from sspcm.data.batches import Batch
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.hard_views import (
    HardDraw,
    HardView,
    JointCutout,
    RandAugment,
    draw_hard_view,
    make_hard_views,
    peaks_of,
    warp_targets,
)
from sspcm.methods.method import (
    Method,
    MethodSetting,
    Taught,
    require_teacher_mode,
    taught_by,
    teacher_maps,
)
from wepdtof_pose.errors import InputError

AUGMENTATIONS = ("affine", "joint_cutout", "rand_augment")


class PoseCons(Method):
    """One network whose map T = H(x_u) of the easy view teaches its map S of the hard view.

    The hard view is the easy one after Joint Cutout at joints of T (or RandAugment, or nothing)
    and a warp; the target is T under the same warp. No gradient flows through T, so that the easy
    view teaches the hard one and never the other way round: otherwise all maps collapse to the
    background. Loss: M(H(x_s), y) + M(S, warp T).

    | pass | network | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1 | A | x_s | train | yes | updated |
    | 2 | A | x_u | teacher_mode | no | updated (train) |
    | 3 | A | hard view of x_u | train | yes | updated |
    """

    @dataclass(frozen=True)
    class Options:
        """Options, with the published values.

        Attributes:
            augmentation: what makes the view hard besides the warp: `joint_cutout`,
                `rand_augment`, or `affine` for nothing.
            joints: joints an image that Joint Cutout blanks.
            operations: operations an image of RandAugment, N.
            magnitude: their strength m, 0 to 30.
            teacher_mode: BatchNorm mode of pass 2, `train` or `eval`.
        """

        augmentation: str = "joint_cutout"
        joints: int = 5
        operations: int = 2
        magnitude: int = 20
        teacher_mode: str = "train"

        def __post_init__(self) -> None:
            require_teacher_mode(self.teacher_mode)
            if self.augmentation not in AUGMENTATIONS:
                raise InputError(
                    f"method.options.augmentation is {self.augmentation!r}: choose one of "
                    + ", ".join(AUGMENTATIONS)
                )
            if min(self.joints, self.operations) < 1:
                raise InputError(
                    "method.options.joints and method.options.operations must be at least 1; "
                    "augmentation: affine leaves the image as it is"
                )
            if not 0 <= self.magnitude <= 30:
                raise InputError(
                    f"method.options.magnitude must be from 0 to 30, not {self.magnitude}"
                )

        @property
        def hard_view(self) -> HardView:
            """The operations of the hard view."""
            if self.augmentation == "joint_cutout":
                return (JointCutout(self.joints),)
            if self.augmentation == "rand_augment":
                return (RandAugment(self.operations, self.magnitude),)
            return ()

    uses_unlabelled = True
    reported = "A"
    roles: ClassVar = {"network": "A"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.setting = setting
        self.options = options
        self.network = setting.make_network("A")

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step, with fresh draws."""
        return self.losses(batch, self.draw(len(batch.labelled), batch.generator))

    def draw(self, people: int, generator: torch.Generator) -> HardDraw:
        """Return the draws of a step: the operations, then the warp."""
        operations = draw_hard_view(self.setting, self.options.hard_view, people, generator)
        return HardDraw(
            (operations,), draw_views(people, self.setting.hard_view, generator=generator)
        )

    def losses(self, batch: Batch, draw: HardDraw) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step with given draws."""
        x_s, x_u, w_u = batch.labelled, batch.unlabelled, batch.unlabelled_weight
        supervised = heatmap_mse(self.network(x_s), batch.target, batch.target_weight)
        if x_u is None:
            return {"supervised": supervised}
        taught = teacher_maps([self.network], x_u, mode=self.options.teacher_mode)
        (view,) = make_hard_views(
            self.setting, batch, [self.options.hard_view], peaks_of(taught), draw
        )
        (target,) = warp_targets(self.setting, taught, draw.view)
        consistency = heatmap_mse(self.network(view), target, w_u)
        return {"supervised": supervised, "consistency": consistency}

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of the network."""
        return {"A": self.network(images)}

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """Return T; there is no second network to differ from."""
        (maps,) = teacher_maps([self.network], images, mode="eval")
        return taught_by(maps)

    def predictor(self) -> nn.Module:
        """Return the network."""
        return self.network
