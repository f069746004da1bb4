"""SSPCM: semi-supervised pose estimation with position inconsistency (Huang et al., CVPR 2023)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.views import draw_views
from sspcm.data.batches import Batch
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.hard_views import (
    CutOcclude,
    HardDraw,
    HardView,
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
from sspcm.methods.position_inconsistency import (
    most_consistent_pair,
    position_agreement,
    position_mask,
    score_agreement,
    score_mask,
)
from wepdtof_pose.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """How far the two teachers agree on each joint, all (N, J); None is an option that is off.

    Attributes:
        score_mask: the mean peak is above the score threshold.
        position_mask: the positions differ by less than the position threshold.
        score: agreement of the peak heights in 0..1, to weight by.
        position: agreement of the positions in 0..1, to weight by.
    """

    score_mask: Tensor
    position_mask: Tensor | None = None
    score: Tensor | None = None
    position: Tensor | None = None


def consistency_weights(
    unlabelled_weight: Tensor,
    agreement: Agreement,
    *,
    score_filter: bool = True,
    either_filter: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the joint weights (N, J) of the teachers' and of the student's consistency loss.

    The position mask and the position weight reach the student only, unless `either_filter` keeps
    joints that pass the score or the position mask: that is for all three networks alike.

    Args:
        unlabelled_weight: (N, J) 1 for joints of the labelled set's vocabulary.
        agreement: the masks and weights that are in use.
        score_filter: apply the score mask.
        either_filter: join the two masks by "or"; needs a position mask.
    """
    teacher = unlabelled_weight
    near = agreement.position_mask
    if either_filter:
        assert near is not None
        teacher, near = teacher * (agreement.score_mask | near), None
    elif score_filter:
        teacher = teacher * agreement.score_mask
    if agreement.score is not None:
        teacher = teacher * agreement.score
    student = teacher if near is None else teacher * near
    if agreement.position is not None:
        student = student * agreement.position
        teacher = student if either_filter else teacher
    return teacher, student


class Sspcm(Method):
    """Two teachers A, B that teach each other, their past A', B', and a student C.

    T_N is the map of network N on the easy view x_u of an unlabelled person, S_N on its own hard
    view (Cut-Occlude, then one common warp). A learns from T_B, B from T_A, and C from T_E, the
    mean map of the pair out of {A, A'} x {B, B'} that agrees best in position, joint by joint.
    Nothing learns from C.

    | pass | networks | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1 | A', B' | x_u | teacher_mode | no | own copy updated (train) |
    | 2 | A, B, C | x_s | train | yes | updated |
    | 3 | A, B | x_u | teacher_mode | no | updated (train) |
    | 4 | A, B, C | hard view of x_u, one a network | train | yes | updated |

    `teacher_mode: train` (as released) keeps the teachers' batch statistics: their maps on x_u are
    then normalised as the students' are, also early on, when running statistics lag behind.
    """

    @dataclass(frozen=True)
    class Options:
        """Options, with the published values.

        Attributes:
            score_threshold: a joint is learned from where (max T_A + max T_B) / 2 is above it.
            patches: Cut-Occlude patches an image; 0 switches it off.
            time_correction: use A' and B'; without it T_E is always (T_A + T_B) / 2.
            warmup_epochs: the last epoch (from 0) without time correction: n leaves n + 1 epochs
                without, as published. The first always is one: there is no past yet.
            teacher_mode: BatchNorm mode of passes 1 and 3, `train` or `eval`.
            score_filter: apply the score threshold.
            position_threshold: also ask that the teachers' positions differ by less than this
                share of the heatmap's diagonal; 0 is off. Reaches the student only.
            score_reweighting: weight by the agreement of the teachers' scores.
            position_reweighting: weight the student by the agreement of their positions.
            either_filter: keep joints that pass the score or the position threshold, for all
                three networks.
        """

        score_threshold: float = 0.1
        patches: int = 2
        time_correction: bool = True
        warmup_epochs: int = 0
        teacher_mode: str = "train"
        score_filter: bool = True
        position_threshold: float = 0.0
        score_reweighting: bool = False
        position_reweighting: bool = False
        either_filter: bool = False

        def __post_init__(self) -> None:
            require_teacher_mode(self.teacher_mode)
            for name in ("patches", "warmup_epochs"):
                if getattr(self, name) < 0:
                    raise InputError(f"method.options.{name} must not be negative")
            if self.either_filter and not self.position_threshold > 0:
                raise InputError(
                    "method.options.either_filter needs a method.options.position_threshold above 0"
                )

        @property
        def hard_view(self) -> HardView:
            """The operations of the hard view."""
            return (CutOcclude(self.patches),) if self.patches else ()

    uses_unlabelled = True
    reported = "C"
    roles: ClassVar = {"teacher_a": "A", "teacher_b": "B", "student": "C"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.setting = setting
        self.options = options
        self.teacher_a = setting.make_network("A")
        self.teacher_b = setting.make_network("B")
        self.student = setting.make_network("C")
        self.past_a = copy.deepcopy(self.teacher_a).requires_grad_(False)
        self.past_b = copy.deepcopy(self.teacher_b).requires_grad_(False)
        self.epochs_done = 0

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step, with fresh draws."""
        return self.losses(batch, self.draw(len(batch.labelled), batch.generator))

    def draw(self, people: int, generator: torch.Generator) -> HardDraw:
        """Return the draws of a step: patches of A's view, of B's, of C's, then the warp."""
        of_a, of_b, of_c = (
            draw_hard_view(self.setting, self.options.hard_view, people, generator)
            for _ in range(3)
        )
        return HardDraw(
            (of_a, of_b, of_c), draw_views(people, self.setting.hard_view, generator=generator)
        )

    def losses(self, batch: Batch, draw: HardDraw) -> dict[str, Tensor]:
        """Return the supervised and consistency loss of one step with given draws."""
        x_s, x_u, y, w_s = batch.labelled, batch.unlabelled, batch.target, batch.target_weight
        students = (self.teacher_a, self.teacher_b, self.student)
        past = None if x_u is None else self._past_maps(x_u)
        supervised = 0.5 * sum(
            (heatmap_mse(network(x_s), y, w_s) for network in students), start=y.new_zeros(())
        )
        if x_u is None:
            self.statistics = {}
            return {"supervised": supervised}
        t_a, t_b = teacher_maps(
            [self.teacher_a, self.teacher_b], x_u, mode=self.options.teacher_mode
        )
        if past is None:
            t_e = 0.5 * (t_a + t_b)
            self.statistics = {}
        else:
            pair = most_consistent_pair(t_a, t_b, *past)
            t_e = pair.heatmaps
            self.statistics = {f"pair_{k}": (pair.index == k).float().mean() for k in range(4)} | {
                "inconsistency": pair.distance.amin(dim=0).mean()
            }
        w_teacher, w_student = self._weights(t_a, t_b, batch.unlabelled_weight)
        self.statistics["joints_kept"] = (w_student > 0).float().mean()

        taught = [t_b, t_a, t_e]
        joints = peaks_of(taught)
        views = make_hard_views(self.setting, batch, [self.options.hard_view] * 3, joints, draw)
        s_a, s_b, s_c = (network(view) for network, view in zip(students, views, strict=True))
        target_a, target_b, target_c = warp_targets(self.setting, taught, draw.view)
        consistency = (
            heatmap_mse(s_a, target_a, w_teacher)
            + heatmap_mse(s_b, target_b, w_teacher)
            + heatmap_mse(s_c, target_c, w_student)
        )
        return {"supervised": supervised, "consistency": consistency}

    def start_from(self, networks: Mapping[str, Mapping[str, Tensor]], *, epochs: int) -> None:
        """Start A, B and C as they were burnt in; A', B' are then equal to A, B."""
        super().start_from(networks, epochs=epochs)
        self.past_a.load_state_dict(self.teacher_a.state_dict())
        self.past_b.load_state_dict(self.teacher_b.state_dict())

    def end_epoch(self) -> None:
        """Make A', B' what A, B are now, BatchNorm statistics included."""
        self.past_a.load_state_dict(self.teacher_a.state_dict())
        self.past_b.load_state_dict(self.teacher_b.state_dict())
        self.epochs_done += 1

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of A, B, the mean of their maps, and C."""
        a, b = self.teacher_a(images), self.teacher_b(images)
        return {"A": a, "B": b, "mean": mean_map(a, b), "C": self.student(images)}

    def predictor(self) -> nn.Module:
        """Return the student."""
        return self.student

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """Return T_E with the mean peak of A and B, and the inconsistency of the chosen pair."""
        t_a, t_b = teacher_maps([self.teacher_a, self.teacher_b], images, mode="eval")
        peaks = 0.5 * (taught_by(t_a).confidence + taught_by(t_b).confidence)
        past = [t_a, t_b]
        if self._corrects_by_the_past:
            past = teacher_maps([self.past_a, self.past_b], images, mode="eval")
        pair = most_consistent_pair(t_a, t_b, *past)
        _, weights = self._weights(t_a, t_b, torch.ones_like(peaks))
        return Taught(pair.heatmaps, peaks, pair.distance.amin(dim=0), weights > 0)

    def get_extra_state(self) -> dict[str, int]:
        """Return the epochs done, kept in the checkpoint beside the weights."""
        return {"epochs_done": self.epochs_done}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` gave."""
        self.epochs_done = int(state["epochs_done"])

    def _past_maps(self, x_u: Tensor) -> list[Tensor] | None:
        # In the first epoch A', B' do not exist; the released code stops there, we take the mean.
        if not self._corrects_by_the_past:
            return None
        return teacher_maps([self.past_a, self.past_b], x_u, mode=self.options.teacher_mode)

    @property
    def _corrects_by_the_past(self) -> bool:
        return self.options.time_correction and self.epochs_done > self.options.warmup_epochs

    def _weights(self, t_a: Tensor, t_b: Tensor, w_u: Tensor) -> tuple[Tensor, Tensor]:
        """Return the joint weights (N, J) of the teachers' and the student's consistency loss."""
        options = self.options
        by_position = options.position_threshold > 0
        return consistency_weights(
            w_u,
            Agreement(
                score_mask=score_mask(t_a, t_b, threshold=options.score_threshold),
                position_mask=position_mask(t_a, t_b, threshold=options.position_threshold)
                if by_position
                else None,
                score=score_agreement(t_a, t_b) if options.score_reweighting else None,
                position=position_agreement(t_a, t_b) if options.position_reweighting else None,
            ),
            score_filter=options.score_filter,
            either_filter=options.either_filter,
        )
