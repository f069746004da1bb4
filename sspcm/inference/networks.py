"""Trained networks as evaluation, prediction and export see them, whatever their source.

They consist of networks by name, the joints of their heatmaps, and the form of their crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sspcm.choices import Decoding, Up
from sspcm.config import EvaluationConfig, TrainConfig
from sspcm.data.batches import Batch
from sspcm.data.crop_store import CropStore, open_crop_stores
from sspcm.hardware import Hardware
from sspcm.heatmaps.looks import LOOKS, Look
from sspcm.inference.scores import alignment, predict_people
from sspcm.methods.method import Method, mean_map, mode_of
from sspcm.networks.folding import folded
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import KeypointSet


@dataclass(frozen=True)
class TrainedNetworks:
    """Networks on the device, ready for `predict_people`.

    Attributes:
        method: returns heatmaps by network name.
        keypoint_set: the joints of the heatmaps.
        crop_size: (width, height) of crops in pixels.
        bgr: whether the networks take channels in BGR order.
        evaluation: batch size, decoding, looks and flip test of the run, or the defaults.
        hardware: device and precision of the networks.
        config: of the run; None if there is no run.
        record: the source of the networks, for a result.
        upright: whether they were trained on turned crops.
        up: the direction that pointed up in these; see `sspcm.data.crop_places`.
        sigma: standard deviation of the Gaussians they were trained on, in heatmap pixels.
        notes: what of their file was not read, a sentence each.
    """

    method: Method
    keypoint_set: KeypointSet
    crop_size: tuple[int, int]
    bgr: bool
    evaluation: EvaluationConfig
    hardware: Hardware
    config: TrainConfig | None
    record: dict[str, Any]
    upright: bool = False
    up: Up = "radius"
    sigma: float = 2.0
    notes: tuple[str, ...] = ()

    @property
    def reported(self) -> str:
        """Name of the network whose scores count for the method."""
        return self.method.reported

    @property
    def released(self) -> bool:
        """Whether to score as the released code does; also true for files that do not say."""
        return self.record["recipe"] != "corrected"

    @property
    def looks(self) -> tuple[Look, ...]:
        """The crops in which each person is looked at; the first is the plain one."""
        return LOOKS[self.evaluation.looks]

    def names(self) -> list[str]:
        """Return the names of all networks, and of means of networks."""
        blank = torch.zeros(1, 3, *self.crop_size[::-1], device=self.hardware.device)
        with mode_of([self.method], training=False), torch.inference_mode():
            return list(self.method.heatmaps(blank))

    def only(self, name: str) -> TrainedNetworks:
        """Return a copy with one network only.

        Raises:
            InputError: there is no such network; the message lists the existing ones.
        """
        if name != self.reported and name not in (names := self.names()):
            raise InputError(
                f"{self.record['source']}: has no network {name!r}: choose one of "
                + ", ".join(names)
            )
        return replace(self, method=OneNetwork(self.method, name))

    def with_settings(
        self,
        *,
        decoding: Decoding | None = None,
        flip_test: bool | None = None,
        looks: int | None = None,
    ) -> TrainedNetworks:
        """Return a copy with the given settings; None keeps one.

        A flip test, asked for or not, goes with a single look, and three looks with none.

        Raises:
            InputError: the looks are neither 1 nor 3, or both three and a flip test are asked for.
        """
        before = self.evaluation
        if looks is not None and looks not in list(LOOKS):
            raise InputError(f"looks must be {' or '.join(map(str, LOOKS))}, not {looks!r}")
        if looks is not None and looks > 1 and flip_test:
            raise InputError("three looks are taken without a flip test: two of them are mirrored")
        if looks is None:
            looks = before.looks if flip_test is None else 1
        if flip_test is None:
            flip_test = before.flip_test and looks == 1
        evaluation = replace(
            before,
            decoding=before.decoding if decoding is None else decoding,
            flip_test=flip_test,
            looks=looks,
        )
        return replace(self, evaluation=evaluation)

    def folded(self) -> TrainedNetworks:
        """Return a faster copy, for prediction only (see `sspcm.networks.folding`)."""
        return replace(self, method=folded(self.method))

    def crops_of(
        self, people: PoseDataset, folder: Path, *, up: Up | None = None, released: bool = False
    ) -> list[CropStore]:
        """Return stores, in `folder`, of people's crops as the networks take them: one a look."""
        return open_crop_stores(
            people,
            crop_size=self.crop_size,
            window_size=self.crop_size,
            folder=folder,
            upright=self.upright,
            up=self.up if up is None else up,
            released=released,
            sizes=[look.size for look in self.looks],
        )

    def predict(self, crops: Sequence[CropStore]) -> dict[str, np.ndarray]:
        """Return keypoints (people, joints, 3) by network: x, y in frame pixels, joint score.

        Args:
            crops: exact crops of the people, one store for each of the `looks`.
        """
        return predict_people(
            self.method,
            crops,
            self.evaluation,
            self.hardware,
            flip_permutation=self.keypoint_set.flip_permutation,
            bgr=self.bgr,
            sigma=self.sigma,
            align=alignment(self.record["recipe"]),
        )


class FixedNetworks(Method):
    """Trained networks without the method that trained them, for inference only."""

    uses_unlabelled = False

    def __init__(self, networks: dict[str, nn.Module], *, reported: str | None = None) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        # Of three networks, the last is the student; two are equals.
        self.reported = reported or ("C" if "C" in networks else "A")

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Refuse to train."""
        raise InputError("networks read from a file of weights are not trained further")

    def end_epoch(self) -> None:
        """Do nothing: the networks are not trained."""

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the heatmaps of each network, and the mean of those of A and B."""
        maps = {name: network(images) for name, network in self.networks.items()}
        if {"A", "B"} <= maps.keys():
            maps["mean"] = mean_map(maps["A"], maps["B"])
        return maps

    def predictor(self) -> nn.Module:
        """Return the reported network."""
        return self.networks[self.reported]


class OneNetwork(Method):
    """One network of a method, from images (N, 3, H, W) to heatmaps (N, J, H/4, W/4)."""

    uses_unlabelled = False

    def __init__(self, method: Method, name: str) -> None:
        super().__init__()
        self.method = method
        self.reported = name

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """Return the heatmaps of the network."""
        if self.reported == self.method.reported:
            return self.method.predictor()(images)
        return self.method.heatmaps(images)[self.reported]

    def end_epoch(self) -> None:
        """Do nothing: the networks are not trained."""

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the heatmaps under the network's name."""
        return {self.reported: self(images)}

    def predictor(self) -> nn.Module:
        """Return itself."""
        return self
