"""SSPCM's argument at a fraction of its cost: one trained network and its averages (ours).

As in SSPCM (Huang et al., CVPR 2023) a pseudo-label is trusted where predictions of two periods
agree in position. The periods are here those of two exponential averages of one network (mean
teachers: Tarvainen and Valpola, NeurIPS 2017), and what is learned is drawn anew, as Kim et al.
("A Unified Framework for Domain Adaptive Pose Estimation", ECCV 2022) do, who also keep the upper
half of the peaks.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.cameras import with_statistics_of
from sspcm.augment.views import ViewDraw, draw_views
from sspcm.data.batches import Batch
from sspcm.heatmaps.affine import invert, transform_points, view_matrices
from sspcm.heatmaps.decoding import (
    argmax_positions,
    blur_heatmaps,
    fitting_blur,
    newton_positions,
)
from sspcm.heatmaps.flips import flip_heatmaps, shift_right_by
from sspcm.heatmaps.targets import HEATMAP_STRIDE, gaussian_targets, heatmap_mse
from sspcm.methods.hard_views import (
    CutOcclude,
    HardDraw,
    HardView,
    RandAugment,
    as_other_cameras,
    draw_hard_view,
    make_hard_views,
    warp_targets,
)
from sspcm.methods.method import Method, MethodSetting, Taught, mode_of
from sspcm.networks.averages import average_towards, averaged_values
from wepdtof_pose.errors import InputError


class SspcmEma(Method):
    """One trained network A and two averages of it: E of a short memory, L of a long one.

    On the easy view x_u of an unlabelled person T is the mean of the maps of E, of L, and of L on
    the mirrored view, mirrored back. Its position inconsistency s is the largest distance between
    the three argmax positions. A joint is kept where s is at most `agreement` of the map's width
    and T's peak is above `score_threshold` and above the batch's `peak_quantile`. The hard view is
    x_u after RandAugment and Cut-Occlude, and a warp; the kept joint, at T's refined position under
    the same warp, is drawn there anew as an exact Gaussian y_u: a map that was warped and learned
    would blur the peaks from step to step. One pass of A takes labelled and hard views together, so
    that BatchNorm sees one distribution. Loss: M(H_A(x_s), y) + M(H_A(hard view), y_u).

    | pass | networks | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1 | E | x_u | eval | no | averages of A's |
    | 2 | L | x_u and its mirror image | eval | no | averages of A's |
    | 3 | A | x_s and hard view of x_u in one batch | train | yes | updated |

    Where labelled people are drawn and the pool is real, two options bring them closer: `cameras`
    shows labelled views as other cameras would, and `exchange` gives some labelled views the
    colours of real ones, and some hard views those of drawn ones (Kim et al.).

    E and L take in A's weights after every step. A needs a burn-in: before it knows what the labels
    can tell it, its own pseudo-labels hold it back. Without one, E and L forget their fresh weights
    in a ramp of some hundred steps, in which their memories are equally short. E is reported.
    """

    @dataclass(frozen=True)
    class Options:
        """Options; each of the parts can be taken out.

        Attributes:
            short_memory: decay a step of E.
            long_memory: decay a step of L; 0 leaves L out, and the mirrored view is E's.
            mirror: take the mirrored view into T and s.
            agreement: the largest s of a kept joint, as a share of the map's width; 0 is off.
            score_threshold: T's peak is above it where a joint is kept.
            peak_quantile: share of the batch's peaks (over people and joints) that are too low; 0
                is off.
            redraw: draw kept joints anew; otherwise A learns the warped T.
            operations: RandAugment operations an image; 0 switches it off.
            magnitude: their strength, 0 to 30.
            patches: Cut-Occlude patches an image; 0 switches it off.
            one_batch: labelled and hard views in one pass, not in two.
            weight: of the unlabelled loss.
            cameras: show labelled views as other cameras would (`sspcm.augment.cameras`).
            exchange: share of the labelled and of the hard views that get the colours of the other
                kind; 0 is off.
            trained: A starts from a trained network (`network.pretrained`), as after a burn-in: E
                and L have their whole memories from the beginning.
        """

        short_memory: float = 0.98
        long_memory: float = 0.995
        mirror: bool = True
        agreement: float = 0.08
        score_threshold: float = 0.2
        peak_quantile: float = 0.5
        redraw: bool = True
        operations: int = 2
        magnitude: int = 15
        patches: int = 2
        one_batch: bool = True
        weight: float = 1.0
        cameras: bool = False
        exchange: float = 0.0
        trained: bool = False

        def __post_init__(self) -> None:
            for name in ("short_memory", "long_memory", "peak_quantile"):
                if not 0 <= getattr(self, name) < 1:
                    raise InputError(
                        f"method.options.{name} must be from 0 to below 1, "
                        f"not {getattr(self, name)}"
                    )
            for name in ("agreement", "operations", "patches", "weight", "exchange"):
                if getattr(self, name) < 0:
                    raise InputError(f"method.options.{name} must not be negative")
            if self.exchange > 1:
                raise InputError(f"method.options.exchange must be at most 1, not {self.exchange}")
            if not 0 <= self.magnitude <= 30:
                raise InputError(
                    f"method.options.magnitude must be from 0 to 30, not {self.magnitude}"
                )

        @property
        def hard_view(self) -> HardView:
            """The operations of the hard view."""
            colours = (RandAugment(self.operations, self.magnitude),) if self.operations else ()
            return colours + ((CutOcclude(self.patches),) if self.patches else ())

    uses_unlabelled = True
    reported = "E"
    roles: ClassVar = {"network": "A", "short": "E", "long": "L"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.setting = setting
        self.options = options
        self.network = setting.make_network("A")
        self.short = copy.deepcopy(self.network).requires_grad_(False)
        self.long = copy.deepcopy(self.network).requires_grad_(False)
        self.fresh_steps: int | None = None if options.trained else 0
        self.statistics: dict[str, Tensor] = {}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Supervised and pseudo-label loss of one step, with fresh draws."""
        return self.losses(batch, self.draw(len(batch.labelled), batch.generator))

    def draw(self, people: int, generator: torch.Generator) -> HardDraw:
        """The draws of a step: the operations, then the warp."""
        operations = draw_hard_view(self.setting, self.options.hard_view, people, generator)
        return HardDraw(
            (operations,), draw_views(people, self.setting.hard_view, generator=generator)
        )

    def losses(self, batch: Batch, draw: HardDraw) -> dict[str, Tensor]:
        """Supervised and pseudo-label loss of one step with given draws."""
        x_s, x_u, y, w_s = batch.labelled, batch.unlabelled, batch.target, batch.target_weight
        if self.options.cameras:
            x_s = as_other_cameras(x_s, batch.generator)
        if x_u is None:
            return {"supervised": heatmap_mse(self.network(x_s), y, w_s)}
        taught = self.taught(x_u)
        (hard,) = make_hard_views(
            self.setting, batch, [self.options.hard_view], [taught.heatmaps], draw
        )
        if self.options.exchange:
            chosen = torch.rand(2, len(x_s), generator=batch.generator) < self.options.exchange
            drawn = x_s
            x_s = with_statistics_of(x_s, x_u, chosen[0])
            hard = with_statistics_of(hard, drawn, chosen[1])
        y_u, w_u = self._targets(taught, draw.view)
        w_u = w_u * batch.unlabelled_weight
        if self.options.one_batch:
            of_labelled, of_hard = self.network(torch.cat([x_s, hard])).split([len(x_s), len(hard)])
        else:
            of_labelled, of_hard = self.network(x_s), self.network(hard)
        self.statistics = {"joints_kept": (w_u > 0).float().mean()}
        if taught.inconsistency is not None:
            self.statistics["inconsistency"] = taught.inconsistency.mean()
        return {
            "supervised": heatmap_mse(of_labelled, y, w_s),
            "pseudo": self.options.weight * heatmap_mse(of_hard, y_u, w_u),
        }

    def burn_in_roles(self) -> dict[str, str]:
        """All three start as A was burnt in."""
        return {"network": "A", "short": "A", "long": "A"}

    def start_from(self, networks: Mapping[str, Mapping[str, Tensor]], *, epochs: int) -> None:
        """Begin after a burn-in: E and L have nothing to forget, and their whole memories."""
        super().start_from(networks, epochs=epochs)
        self.fresh_steps = None

    def end_step(self) -> None:
        """Move E and L towards A."""
        if self.fresh_steps is not None:
            self.fresh_steps += 1
        current = averaged_values(self.network)
        for network, decay in (
            (self.short, self.options.short_memory),
            (self.long, self.options.long_memory),
        ):
            average_towards(averaged_values(network), current, decay=decay, step=self.fresh_steps)

    def end_epoch(self) -> None:
        """Nothing changes between epochs."""

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Heatmaps of A, E and L."""
        return {"A": self.network(images), "E": self.short(images), "L": self.long(images)}

    def predictor(self) -> nn.Module:
        """E."""
        return self.short

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """T with its peaks and s, and the joints that are kept of this batch."""
        views = self._teacher_maps(images)
        maps = torch.stack(views).mean(dim=0)
        peaks = argmax_positions(maps)[1]
        kept = peaks > self.options.score_threshold
        if self.options.peak_quantile:
            kept &= peaks > peaks.flatten().quantile(self.options.peak_quantile)
        inconsistency = None
        if len(views) > 1:
            positions = torch.stack([argmax_positions(view)[0] for view in views])
            distance = (positions[:, None] - positions[None]).square().sum(dim=-1).sqrt()
            inconsistency = distance.amax(dim=(0, 1))
            if self.options.agreement:
                kept &= inconsistency <= self.options.agreement * maps.shape[3]
        return Taught(maps, peaks, inconsistency, kept)

    def get_extra_state(self) -> dict[str, int | None]:
        """Steps since fresh weights, kept in the checkpoint beside the weights."""
        return {"fresh_steps": self.fresh_steps}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` gave."""
        self.fresh_steps = state["fresh_steps"]

    def _teacher_maps(self, images: Tensor) -> list[Tensor]:
        """Maps (N, J, h, w) float32 of E, of L, and of the mirrored view, mirrored back."""
        with mode_of([self.short, self.long], training=False):
            # Float32 also under autocast, as in `teacher_maps`.
            views = [self.short(images).float()]
            steady = self.long if self.options.long_memory else self.short
            inputs = [images] if self.options.long_memory else []
            if self.options.mirror:
                inputs.append(images.flip(3))
            if not inputs:
                return views
            maps = list(steady(torch.cat(inputs)).float().chunk(len(inputs)))
            if self.options.mirror:
                permutation = self.setting.flip_permutation
                if permutation is None:
                    permutation = torch.arange(self.setting.joints)
                permutation = permutation.to(images.device, non_blocking=True)
                # A heatmap pixel i lies on crop pixel 4 i: see `average_flipped`.
                maps[-1] = shift_right_by(flip_heatmaps(maps[-1], permutation), 0.75)
            return views + maps

    def _targets(self, taught: Taught, view: ViewDraw) -> tuple[Tensor, Tensor]:
        """Targets (N, J, h, w) in the hard view and weights (N, J)."""
        maps, weight = taught.heatmaps, taught.kept.float()
        if not self.options.redraw:
            return warp_targets(self.setting, [maps], view)[0], weight
        blurred = blur_heatmaps(maps, size=fitting_blur(self.setting.sigma))
        positions = newton_positions(blurred, argmax_positions(maps)[0])
        to_hard = invert(view_matrices(view.scale, view.rotation, self.setting.crop_size))
        joints = transform_points(
            positions.double() * HEATMAP_STRIDE, to_hard.to(maps.device, non_blocking=True)
        )
        return gaussian_targets(
            joints,
            weight,
            (maps.shape[3], maps.shape[2]),
            sigma=self.setting.sigma,
            exact=True,
        )
