"""MultiAugs: several strong augmentations a step, a loss each (Zhou et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.views import draw_views
from sspcm.data.batches import Batch
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.hard_views import (
    CutMix,
    CutOcclude,
    Cutout,
    HardDraw,
    HardView,
    JointCutout,
    Mixup,
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
    mean_map,
    require_teacher_mode,
    taught_by,
    teacher_maps,
)
from wepdtof_pose.errors import InputError

VIEWS = ("jc", "jo", "co", "mu", "cm", "ra", "joco", "jccm")
RELEASED_DUAL_HOLES, RELEASED_DUAL_WINDOWS = 4, 2


class MultiAugs(Method):
    """PoseCons (one network) or PoseDual (two) with K hard views of each unlabelled person.

    Every hard view starts from the clean easy view x_u and has its own operations; all share one
    warp and, within a network, one target: the warped map of the network that teaches (itself, or
    the other of the two). The consistency loss is the plain sum over views and networks; the
    supervised part is M, or half the sum of two.

    | pass | networks | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1 | A (and B) | x_s | train | yes | updated |
    | 2 | A (and B) | x_u | teacher_mode | no | updated (train) |
    | 3 to 2 + K | A (and B) | each hard view of x_u | train | yes | updated, once a view |

    Views: `jc` Joint Cutout, `jo` Cut-Occlude, `co` Cutout, `mu` Mixup, `cm` CutMix, `ra`
    RandAugment, `joco` Cut-Occlude then Cutout (T_JOCO), `jccm` Joint Cutout then CutMix (T_JCCM).
    What the authors report as harmful (sharpening, map fusion, confidence masking, progressive
    schedules) is left out.
    """

    @dataclass(frozen=True)
    class Options:
        """Options, with the published values.

        Attributes:
            views: the hard views; a name may come twice.
            networks: 1 or 2.
            joints: joints an image that Joint Cutout blanks.
            patches: Cut-Occlude patches an image.
            holes: Cutout windows an image.
            windows: CutMix windows an image.
            operations: operations an image of RandAugment.
            magnitude: their strength, 0 to 30.
            teacher_mode: BatchNorm mode of pass 2, `train` or `eval`.
        """

        views: tuple[str, ...] = ("joco", "jccm")
        networks: int = 2
        joints: int = 5
        patches: int = 2
        holes: int = 5
        windows: int = 2
        operations: int = 2
        magnitude: int = 20
        teacher_mode: str = "train"

        def __post_init__(self) -> None:
            require_teacher_mode(self.teacher_mode)
            unknown = [name for name in self.views if name not in VIEWS]
            if unknown or not self.views:
                found = f"has no {unknown[0]!r}" if unknown else "is empty"
                raise InputError(f"method.options.views {found}: choose from {', '.join(VIEWS)}")
            if self.networks not in (1, 2):
                raise InputError(f"method.options.networks must be 1 or 2, not {self.networks}")
            for name in ("joints", "patches", "holes", "windows", "operations"):
                if getattr(self, name) < 1:
                    raise InputError(
                        f"method.options.{name} must be at least 1; leave a view out of "
                        "method.options.views instead"
                    )
            if not 0 <= self.magnitude <= 30:
                raise InputError(
                    f"method.options.magnitude must be from 0 to 30, not {self.magnitude}"
                )

        def hard_views(self, *, released: bool) -> tuple[HardView, ...]:
            """Return the operations of each hard view."""
            holes, windows, mixed = self.holes, self.windows, self.windows
            if released and self.networks == 2:
                # The released code of two networks gives T_JCCM the number of Cutout, and leaves
                # the lone Cutout and CutMix at defaults.
                holes, windows, mixed = RELEASED_DUAL_HOLES, RELEASED_DUAL_WINDOWS, self.holes
            known: dict[str, HardView] = {
                "jc": (JointCutout(self.joints),),
                "jo": (CutOcclude(self.patches),),
                "co": (Cutout(holes),),
                "mu": (Mixup(),),
                "cm": (CutMix(windows),),
                "ra": (RandAugment(self.operations, self.magnitude),),
                "joco": (CutOcclude(self.patches), Cutout(self.holes)),
                "jccm": (JointCutout(self.joints), CutMix(mixed)),
            }
            return tuple(known[name] for name in self.views)

    uses_unlabelled = True
    reported = "A"
    roles: ClassVar = {"networks.A": "A", "networks.B": "B"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.setting = setting
        self.options = options
        self.hard_views = options.hard_views(released=setting.released)
        self.networks = nn.ModuleDict(
            {role: setting.make_network(role) for role in "AB"[: options.networks]}
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step, with fresh draws."""
        return self.losses(batch, self.draw(len(batch.labelled), batch.generator))

    def draw(self, people: int, generator: torch.Generator) -> HardDraw:
        """Return the draws of a step: A's views in order, B's, then the warp."""
        operations = tuple(
            draw_hard_view(self.setting, hard_view, people, generator)
            for _ in self.networks
            for hard_view in self.hard_views
        )
        return HardDraw(operations, draw_views(people, self.setting.hard_view, generator=generator))

    def losses(self, batch: Batch, draw: HardDraw) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step with given draws."""
        x_s, x_u, w_u = batch.labelled, batch.unlabelled, batch.unlabelled_weight
        networks = list(self.networks.values())
        supervised = sum(
            (heatmap_mse(n(x_s), batch.target, batch.target_weight) for n in networks),
            start=x_s.new_zeros(()),
        ) / len(networks)
        if x_u is None:
            return {"supervised": supervised}
        # With two networks each learns from the other; one alone learns from itself.
        taught = teacher_maps(networks, x_u, mode=self.options.teacher_mode)[::-1]
        targets = warp_targets(self.setting, taught, draw.view)
        count = len(self.hard_views)
        views = make_hard_views(
            self.setting,
            batch,
            self.hard_views * len(networks),
            [peaks for peaks in peaks_of(taught) for _ in range(count)],
            draw,
        )
        consistency = x_s.new_zeros(())
        for number, (network, target) in enumerate(zip(networks, targets, strict=True)):
            for view in views[number * count : (number + 1) * count]:
                consistency = consistency + heatmap_mse(network(view), target, w_u)
        return {"supervised": supervised, "consistency": consistency}

    def selected_by(self, *, released: bool) -> tuple[str, ...]:
        """Return A; as released, two networks are judged by the mean of both APs."""
        return tuple(self.networks) if released else (self.reported,)

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of A; with two networks also of B and the mean of their maps."""
        maps = {role: network(images) for role, network in self.networks.items()}
        if len(maps) == 2:
            maps["mean"] = mean_map(maps["A"], maps["B"])
        return maps

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """Return the map from which A learns: B's with two networks, else its own."""
        maps = teacher_maps(list(self.networks.values()), images, mode="eval")
        return taught_by(maps[-1], maps[0] if len(maps) == 2 else None)

    def predictor(self) -> nn.Module:
        """Return A."""
        return self.networks["A"]
