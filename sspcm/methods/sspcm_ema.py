"""SSPCM's argument at a fraction of its cost: one trained network and its averages (ours).

As in SSPCM (Huang et al., CVPR 2023) a pseudo-label is trusted where predictions of two periods
agree in position. The periods are here those of two exponential averages of one network (mean
teachers: Tarvainen and Valpola, NeurIPS 2017), and what is learned is drawn anew, as Kim et al.
("A Unified Framework for Domain Adaptive Pose Estimation", ECCV 2022) do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.cameras import with_statistics_of
from sspcm.augment.views import ViewDraw, draw_views, plain_views, zoomed_views
from sspcm.data.batches import Batch, view_joints
from sspcm.heatmaps.affine import (
    compose,
    heatmap_matrices,
    invert,
    transform_points,
    view_matrices,
    warp,
)
from sspcm.heatmaps.decoding import argmax_positions, blur_heatmaps, fitting_blur, newton_positions
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

FEW_LABELS = 100
"""Labelled people up to whom the unlabelled loss has its full weight."""


class SspcmEma(Method):
    """One trained network A and two averages of it: E of a short memory, L of a long one.

    The teachers see an unlabelled person as people are evaluated: x_p, which is neither turned nor
    zoomed, where they are right more often than on a random easy view. T is the mean of the maps of
    E, of L, and of L on x_p mirrored, zoomed in, and both, each mapped back. Its position
    inconsistency s is the largest distance between the five argmax positions. A joint is kept where
    s is at most `agreement` of the map's width and T's peak is above `score_threshold`: nearly all
    are, for those that are hard to see are those on which there is most to learn. `peak_quantile`
    leaves out the lower peaks of a batch, too (Kim et al. keep the upper half). The hard view is
    the same person's easy view x_u, turned, zoomed and mirrored at random, after RandAugment and
    Cut-Occlude; the kept joint, at T's refined position as x_u shows it, is drawn there anew as an
    exact Gaussian y_u: a map that was warped and learned would blur the peaks from step to step.
    One pass of A takes labelled and hard views together, so that BatchNorm sees one distribution.
    Loss: M(H_A(x_s), y) + w M(H_A(hard view), y_u). The weight w is 1 up to `FEW_LABELS` labelled
    people and falls with the root of their number: the more joints are known exactly, the more the
    errors of those that are guessed cost.

    | pass | networks | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1 | E | x_p | eval | no | averages of A's |
    | 2 | L | x_p, mirrored, zoomed, and both | eval | no | averages of A's |
    | 3 | A | x_s and hard view of x_u in one batch | train | yes | updated |

    Where labelled people are drawn and the pool is real, two options bring them closer: `cameras`
    shows labelled views as other cameras would, and `exchange` gives some labelled views the
    colours of real ones, and some hard views those of drawn ones (Kim et al.).

    E and L take in A's weights after every step. A needs a burn-in: before it knows what the labels
    can tell it, its own pseudo-labels hold it back. Without one, E and L forget their fresh weights
    in a ramp of some hundred steps, in which their memories are equally short. E is reported,
    unless an option says otherwise.
    """

    @dataclass(frozen=True)
    class Options:
        """Options; each of the parts can be taken out.

        Attributes:
            short_memory: decay a step of E.
            long_memory: decay a step of L; 0 leaves L out, and the mirrored view is E's.
            mirror: take mirrored views into T and s.
            zoom: scale of zoomed views of L, pixels of x_p a pixel; 0 is off.
            plain: teach on x_p; otherwise on the easy view x_u, which is then warped once more into
                the hard view, as in the published methods.
            agreement: the largest s of a kept joint, as a share of the map's width; 0 is off.
            score_threshold: T's peak is above it where a joint is kept.
            peak_quantile: share of the batch's peaks (over people and joints) that are too low; 0
                is off.
            redraw: draw kept joints anew; otherwise A learns the warped T.
            operations: RandAugment operations an image; 0 switches it off.
            magnitude: their strength, 0 to 30.
            patches: Cut-Occlude patches an image; 0 switches it off.
            views: hard views of each unlabelled person in a step, each of an easy view of its own.
            one_batch: labelled and hard views in one pass, not in two.
            weight: of the unlabelled loss; by the number of labelled people if None. Where these
                are drawn, set it: their joints are exact, but not of the people who matter.
            cameras: show labelled views as other cameras would (`sspcm.augment.cameras`).
            exchange: share of the labelled and of the hard views that get the colours of the other
                kind; 0 is off.
            trained: A starts from a trained network (`network.pretrained`), as after a burn-in: E
                and L have their whole memories from the beginning.
            own_statistics: A's BatchNorm goes by the statistics it started with and keeps them.
                Otherwise a batch's own are used and averaged, and where its labelled people are of
                one kind and its hard views of another, they are those of neither.
            reported: the network that is reported: A, E or L. L, after few steps from a trained
                network, still holds much of that.
        """

        short_memory: float = 0.98
        long_memory: float = 0.995
        mirror: bool = True
        zoom: float = 0.85
        plain: bool = True
        agreement: float = 0.25
        score_threshold: float = 0.1
        peak_quantile: float = 0.0
        redraw: bool = True
        operations: int = 2
        magnitude: int = 15
        patches: int = 2
        views: int = 1
        one_batch: bool = True
        weight: float | None = None
        cameras: bool = False
        exchange: float = 0.0
        trained: bool = False
        own_statistics: bool = False
        reported: str = "E"

        def __post_init__(self) -> None:
            for name in ("short_memory", "long_memory", "peak_quantile"):
                if not 0 <= getattr(self, name) < 1:
                    raise InputError(
                        f"method.options.{name} must be from 0 to below 1, "
                        f"not {getattr(self, name)}"
                    )
            if self.zoom and not 0.5 <= self.zoom <= 1:
                raise InputError(f"method.options.zoom must be 0 or from 0.5 to 1, not {self.zoom}")
            for name in ("agreement", "operations", "patches", "weight", "exchange"):
                if (getattr(self, name) or 0) < 0:
                    raise InputError(f"method.options.{name} must not be negative")
            if self.views < 1:
                raise InputError(f"method.options.views must be at least 1, not {self.views}")
            if self.exchange > 1:
                raise InputError(f"method.options.exchange must be at most 1, not {self.exchange}")
            if not 0 <= self.magnitude <= 30:
                raise InputError(
                    f"method.options.magnitude must be from 0 to 30, not {self.magnitude}"
                )
            if self.reported not in ("A", "E", "L"):
                raise InputError(
                    f"method.options.reported must be A, E or L, not {self.reported!r}"
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
        self.reported = options.reported
        self.network = setting.make_network("A")
        self.short = copy.deepcopy(self.network).requires_grad_(False)
        self.long = copy.deepcopy(self.network).requires_grad_(False)
        self.fresh_steps: int | None = None if options.trained else 0
        by_labels = min(1.0, (FEW_LABELS / max(setting.labelled_people, 1)) ** 0.5)
        self.weight = by_labels if options.weight is None else options.weight

    def train(self, mode: bool = True) -> SspcmEma:
        """Set the mode; BatchNorm that keeps its statistics stays in evaluation mode."""
        super().train(mode)
        if self.options.own_statistics:
            for layer in self.network.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the supervised and pseudo-label loss of one step, with fresh draws."""
        people = len(batch.labelled)
        draws = [self.draw(people, batch.generator) for _ in range(self.options.views)]
        return self.losses(batch, draws)

    def draw(self, people: int, generator: torch.Generator) -> HardDraw:
        """Return the draws of a hard view: the operations, then the warp, where there is one."""
        operations = draw_hard_view(self.setting, self.options.hard_view, people, generator)
        view = plain_views(people)
        if not self.options.plain:
            view = draw_views(people, self.setting.hard_view, generator=generator)
        return HardDraw((operations,), view)

    def losses(self, batch: Batch, draws: Sequence[HardDraw]) -> dict[str, Tensor]:
        """Return the supervised and pseudo-label loss of a step with the hard views' draws."""
        x_s, x_u, y, w_s = batch.labelled, batch.unlabelled, batch.target, batch.target_weight
        if self.options.cameras:
            x_s = as_other_cameras(x_s, batch.generator)
        if x_u is None:
            return {"supervised": heatmap_mse(self.network(x_s), y, w_s)}
        hard, y_u, w_u = self.pseudo_labelled(batch, draws)
        if self.options.exchange:
            shape = (1 + len(draws), len(x_s))
            chosen = torch.rand(shape, generator=batch.generator) < self.options.exchange
            drawn = x_s.repeat(len(draws), 1, 1, 1)
            x_s = with_statistics_of(x_s, x_u, chosen[0])
            hard = with_statistics_of(hard, drawn, chosen[1:].flatten())
        if self.options.one_batch:
            of_labelled, of_hard = self.network(torch.cat([x_s, hard])).split([len(x_s), len(hard)])
        else:
            of_labelled, of_hard = self.network(x_s), self.network(hard)
        return {
            "supervised": heatmap_mse(of_labelled, y, w_s),
            "pseudo": self.weight * heatmap_mse(of_hard, y_u, w_u),
        }

    def pseudo_labelled(
        self, batch: Batch, draws: Sequence[HardDraw]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return hard views (V N, 3, H, W) of the pool, targets (V N, J, h, w), weights (V N, J).

        One hard view of each of the N people is made with each of the V draws.
        """
        looked_at, matrices, flip = self._looked_at(batch)
        taught = self.taught(looked_at)
        positions = self._positions(taught)
        parts = []
        device = positions.device
        permutation = self._permutation(device)
        # The draws come first: they end, and no easy view is drawn in vain.
        for draw, easy in zip(draws, self._easy_views(batch), strict=False):
            assert easy.pool_view is not None
            to_easy = compose(easy.pool_view.matrices, invert(matrices))
            to_easy = to_easy.to(device, non_blocking=True)
            mirrored = (easy.pool_view.flip != flip).to(device, non_blocking=True)
            joints, kept = view_joints(positions, taught.kept, to_easy, mirrored, permutation)
            (hard,) = make_hard_views(self.setting, easy, [self.options.hard_view], [joints], draw)
            y_u, w_u = self._targets(joints, kept, draw.view)
            if not self.options.redraw:
                y_u = self._warped(taught.heatmaps, to_easy, mirrored, draw.view)
            parts.append((hard, y_u, w_u * batch.unlabelled_weight))
        hards, targets, weights = (torch.cat(part) for part in zip(*parts, strict=True))
        self.statistics = {"joints_kept": (weights > 0).float().mean()}
        if taught.inconsistency is not None:
            self.statistics["inconsistency"] = taught.inconsistency.mean()
        return hards, targets, weights

    def burn_in_roles(self) -> dict[str, str]:
        """Start all three as A was burnt in."""
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

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of A, E and L."""
        return {"A": self.network(images), "E": self.short(images), "L": self.long(images)}

    def predictor(self) -> nn.Module:
        """Return the network that is reported."""
        return {"A": self.network, "E": self.short, "L": self.long}[self.reported]

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """Return T with its peaks and s, and the joints that are kept of this batch."""
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
        """Return the steps since fresh weights, kept in the checkpoint beside the weights."""
        return {"fresh_steps": self.fresh_steps}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` gave."""
        self.fresh_steps = state["fresh_steps"]

    def _looked_at(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the pool as teachers see it: images, matrices from stored pixels, mirroring."""
        pool = batch.pool_view
        assert batch.unlabelled is not None
        assert pool is not None
        if not self.options.plain:
            return batch.unlabelled, pool.matrices, pool.flip
        return pool.through(pool.plain), pool.plain, torch.zeros_like(pool.flip)

    def _easy_views(self, batch: Batch) -> Iterator[Batch]:
        """Yield the batch, then the same with other easy views of its pool, without end."""
        pool = batch.pool_view
        assert pool is not None
        yield batch
        while True:
            matrices, flip = pool.redraw(batch.generator)
            view = replace(pool, matrices=matrices, flip=flip)
            yield replace(batch, unlabelled=pool.through(matrices), pool_view=view)

    def _teacher_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps (N, J, h, w) float32 of E, and of L on each of its views, mapped back."""
        with mode_of([self.short, self.long], training=False):
            # Float32 also under autocast, as in `teacher_maps`.
            maps = [self.short(images).float()]
            steady = self.long if self.options.long_memory else self.short
            scales = (1.0, self.options.zoom) if self.options.zoom else (1.0,)
            looks = [
                (scale, mirrored)
                for scale in scales
                for mirrored in ((False, True) if self.options.mirror else (False,))
            ]
            if not self.options.long_memory:
                looks = looks[1:]
            if not looks:
                return maps
            views = torch.cat([self._look(images, *look) for look in looks])
            for view, look in zip(steady(views).float().chunk(len(looks)), looks, strict=True):
                maps.append(self._look_back(view, *look))
            return maps

    def _look(self, images: Tensor, scale: float, mirrored: bool) -> Tensor:
        """Return the images (N, 3, H, W) zoomed about the centre, then mirrored."""
        if scale != 1:
            images = self.setting.warp_images(images, zoomed_views(len(images), scale))
        return images.flip(3) if mirrored else images

    def _look_back(self, maps: Tensor, scale: float, mirrored: bool) -> Tensor:
        """Return the maps (N, J, h, w) of such images as maps of the images themselves."""
        if mirrored:
            # A heatmap pixel i lies on crop pixel 4 i: see `average_flipped`.
            maps = shift_right_by(flip_heatmaps(maps, self._permutation(maps.device)), 0.75)
        if scale != 1:
            maps = self.setting.warp_heatmaps(maps, zoomed_views(len(maps), 1 / scale))
        return maps

    def _permutation(self, device: torch.device) -> Tensor:
        """Return the joint order of a mirrored person."""
        permutation = self.setting.flip_permutation
        if permutation is None:
            permutation = torch.arange(self.setting.joints)
        return permutation.to(device, non_blocking=True)

    def _positions(self, taught: Taught) -> Tensor:
        """Return T's refined positions (N, J, 2) float64, in pixels of the crops."""
        maps = taught.heatmaps
        blurred = blur_heatmaps(maps, size=fitting_blur(self.setting.sigma))
        return newton_positions(blurred, argmax_positions(maps)[0]).double() * HEATMAP_STRIDE

    def _targets(self, joints: Tensor, kept: Tensor, view: ViewDraw) -> tuple[Tensor, Tensor]:
        """Return Gaussians (N, J, h, w) at joints, in the hard view, and their weights (N, J)."""
        width, height = self.setting.crop_size
        to_hard = invert(view_matrices(view.scale, view.rotation, self.setting.crop_size))
        return gaussian_targets(
            transform_points(joints, to_hard.to(joints.device, non_blocking=True)),
            kept.float(),
            (width // HEATMAP_STRIDE, height // HEATMAP_STRIDE),
            sigma=self.setting.sigma,
            exact=True,
        )

    def _warped(self, maps: Tensor, to_easy: Tensor, mirrored: Tensor, view: ViewDraw) -> Tensor:
        """Return T's own maps (N, J, h, w) in the hard view."""
        easy = warp(maps, heatmap_matrices(invert(to_easy)), (maps.shape[3], maps.shape[2]))
        exchanged = easy[:, self._permutation(maps.device)]
        easy = torch.where(mirrored[:, None, None, None], exchanged, easy)
        return warp_targets(self.setting, [easy], view)[0]
