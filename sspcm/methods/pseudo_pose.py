"""PseudoPose: a trained teacher labels the pool once, a fresh student learns from both.

The off-line baseline of Xie et al., ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sspcm.data.batches import Batch, Pool
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.method import Method, MethodSetting, Taught, mode_of, taught_by, teacher_maps
from sspcm.methods.offline_labels import (
    UPRIGHT,
    OfflineLabels,
    Transform,
    label_pool,
    offline_targets,
)
from wepdtof_pose.errors import InputError


class PseudoPose(Method):
    """A teacher for the first epochs, then a student that also learns from its labels.

    The run is one: teacher and student together take the optimiser steps that any other method
    takes. For `teacher_epochs` epochs the teacher learns from labelled people alone, exactly as
    `supervised` does. Then it labels every person of the pool once, and for the rest of the run
    the student, which starts afresh, learns from labelled people and from Gaussians drawn at the
    pseudo-labels. After a burn-in the teacher is ready, and the student starts as burnt in, too,
    unless `fresh_student` says otherwise: in the epochs that are left a fresh one would not learn
    what the labels alone can tell it. Each of the two goes through the whole learning-rate
    schedule that follows the burn-in, compressed to its own epochs, and the student's Adam state
    starts empty.

    Loss of the student: M(H(x_s), y) + M(H(x_u), pseudo y), both halves in one batch.

    | pass | network | input | mode | gradient | BatchNorm running statistics |
    |---|---|---|---|---|---|
    | 1, first epochs | teacher | x_s | train | yes | updated |
    | once | teacher | upright crops of the pool | eval | no | kept |
    | 1, later epochs | student | x_s and x_u in one batch | train | yes | updated |

    The released projects have no code of it: `released` changes how people are read, drawn and
    labelled by name (channel order, partners, 24 joints), and nothing in this file.
    The pseudo-labels are part of the state, so a resumed run goes on with the same ones.
    """

    @dataclass(frozen=True)
    class Options:
        """Options.

        Attributes:
            teacher_epochs: epochs of the teacher, burn-in included; 0 is the burn-in, or half of
                the run's epochs where there is none.
            fresh_student: after a burn-in, too, the student starts afresh, as in the papers.
            score_threshold: a joint is learned from where the teacher's map peaks above it.
        """

        teacher_epochs: int = 0
        fresh_student: bool = False
        score_threshold: float = 0.1

        def __post_init__(self) -> None:
            if self.teacher_epochs < 0:
                raise InputError(
                    f"method.options.teacher_epochs must not be negative: {self.teacher_epochs}"
                )

        @property
        def transforms(self) -> Sequence[Transform]:
            """Views that the teacher's maps are averaged over."""
            return (UPRIGHT,)

    idle_parameters = True
    uses_unlabelled = False
    reported = "student"
    roles: ClassVar = {"teacher": "teacher", "student": "student"}

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        super().__init__()
        self.setting = setting
        self.options = options
        self.teacher_epochs = (
            options.teacher_epochs or setting.burn_in_epochs or setting.epochs // 2
        )
        if self.teacher_epochs < setting.burn_in_epochs:
            raise InputError(
                f"method.options.teacher_epochs is {self.teacher_epochs}, but the burn-in alone "
                f"takes {setting.burn_in_epochs} epochs"
            )
        if not 0 < self.teacher_epochs < setting.epochs:
            raise InputError(
                f"method.options.teacher_epochs is {self.teacher_epochs} of {setting.epochs} "
                "epochs: teacher and student need at least one each"
            )
        self.teacher = setting.make_network("A")
        self.student = setting.make_network("C")
        self.labels: OfflineLabels | None = None
        self.epochs_done = 0

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of the network whose turn it is."""
        y, w_s = batch.target, batch.target_weight
        if self.epochs_done < self.teacher_epochs:
            return {"supervised": heatmap_mse(self.teacher(batch.labelled), y, w_s)}
        if batch.unlabelled is None:
            return {"supervised": heatmap_mse(self.student(batch.labelled), y, w_s)}
        pseudo, w_u = self._pseudo_targets(batch)
        maps = self.student(torch.cat([batch.labelled, batch.unlabelled]))
        of_labelled, of_pool = maps.split([len(batch.labelled), len(batch.unlabelled)])
        self.statistics = {"joints_kept": (w_u > 0).float().mean()}
        return {
            "supervised": heatmap_mse(of_labelled, y, w_s),
            "pseudo": heatmap_mse(of_pool, pseudo, w_u),
        }

    def begin_epoch(self, pool: Pool) -> None:
        """Label the pool before the student's first epoch."""
        self.uses_unlabelled = self.epochs_done >= self.teacher_epochs
        if self.epochs_done == self.teacher_epochs:
            with mode_of([self.teacher], training=False):
                self.labels = label_pool(
                    self.teacher,
                    pool,
                    transforms=self.options.transforms,
                    flip_permutation=self._flip_permutation,
                )

    def selected_by(self, *, released: bool) -> tuple[str, ...]:
        """Return the student: no released code of the method chooses otherwise."""
        return (self.reported,)

    def burn_in_roles(self) -> dict[str, str]:
        """Start the teacher as A was burnt in, and the student as C unless it is to be fresh."""
        if self.options.fresh_student:
            return {"teacher": "A"}
        return {"teacher": "A", "student": "C"}

    def start_from(self, networks: Mapping[str, Mapping[str, Tensor]], *, epochs: int) -> None:
        """Take the burnt-in networks, and count the teacher's epochs."""
        super().start_from(networks, epochs=epochs)
        self.epochs_done = epochs

    def rehearse(self, people: int) -> tuple[int, int]:
        """Let the student learn, from labels that say nothing."""
        joints = self.setting.joints
        self.labels = OfflineLabels(torch.zeros(people, joints, 2), torch.zeros(people, joints))
        self.epochs_done, self.uses_unlabelled = self.teacher_epochs, True
        return self.teacher_epochs, len(self.options.transforms)

    def schedule_epoch(self, epoch: float) -> float:
        """Return the share of its own epochs that the network whose turn it is has behind it."""
        burn_in, last = self.setting.burn_in_epochs, self.setting.epochs
        start, end = burn_in, self.teacher_epochs
        if epoch >= self.teacher_epochs:
            start, end = self.teacher_epochs, last
        return burn_in + (epoch - start) * (last - burn_in) / (end - start)

    def end_epoch(self) -> None:
        """Count the epoch."""
        self.epochs_done += 1

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of teacher and student (untrained before its first epoch)."""
        return {"teacher": self.teacher(images), "student": self.student(images)}

    @torch.no_grad()
    def taught(self, images: Tensor) -> Taught:
        """Return the teacher's maps, whose peaks above the threshold the student learned from."""
        if len(self.options.transforms) > 1:
            raise InputError(
                "data_distill labels from many views of a person, not from one crop: its "
                "pseudo-labels cannot be written"
            )
        (maps,) = teacher_maps([self.teacher], images, mode="eval")
        own = taught_by(maps)
        return replace(own, kept=own.confidence > self.options.score_threshold)

    def predictor(self) -> nn.Module:
        """Return the student."""
        return self.student

    def get_extra_state(self) -> dict[str, Any]:
        """Return the epochs done and the pseudo-labels, kept in a checkpoint beside the weights."""
        labels = None if self.labels is None else dict(vars(self.labels))
        return {"epochs_done": self.epochs_done, "labels": labels}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` gave."""
        self.epochs_done = int(state["epochs_done"])
        labels = state["labels"]
        self.labels = labels and OfflineLabels(
            **{key: value.cpu() for key, value in labels.items()}
        )

    @property
    def _flip_permutation(self) -> Tensor:
        permutation = self.setting.flip_permutation
        return torch.arange(self.setting.joints) if permutation is None else permutation

    def _pseudo_targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the targets (N, J, h, w) and weights (N, J) of the batch's unlabelled people."""
        assert self.labels is not None
        assert batch.pool_view is not None
        target, weight = offline_targets(
            self.labels,
            batch.pool_view,
            score_threshold=self.options.score_threshold,
            flip_permutation=self._flip_permutation,
            heatmap_size=(batch.target.shape[3], batch.target.shape[2]),
            sigma=self.setting.sigma,
            exact=not self.setting.released,
            device=batch.target.device,
        )
        return target, weight * batch.unlabelled_weight
