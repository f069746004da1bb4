"""The base class of methods, and the setting that each is made with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sspcm.augment.views import HARD_VIEW, ViewDraw, ViewStrength
from sspcm.data.batches import Batch, Pool, PoolView
from sspcm.heatmaps.affine import (
    compose,
    heatmap_matrices,
    invert,
    normalised_theta,
    view_matrices,
    warp,
    warp_normalised,
)
from sspcm.heatmaps.decoding import argmax_positions
from wepdtof_pose.errors import InputError


@dataclass(frozen=True)
class Taught:
    """What the student of a method is taught about people on their upright crops.

    Attributes:
        heatmaps: (N, J, h, w) the maps of the pseudo-labels.
        confidence: (N, J) height of the peak that the method judges a joint by.
        inconsistency: (N, J) distance between the positions of the networks that teach, in heatmap
            pixels; None with a single one.
        kept: (N, J) mask of the joints that the student learns from.
    """

    heatmaps: Tensor
    confidence: Tensor
    inconsistency: Tensor | None
    kept: Tensor


class Method(nn.Module, ABC):
    """A method: a module that owns its networks and its state; the trainer calls what is here.

    Attributes:
        uses_unlabelled: whether `forward` reads `batch.unlabelled`.
        reported: which entry of `heatmaps` the method is judged by.
        roles: entry of the state dictionary -> entry of `heatmaps`, for each network of its own.
        statistics: detached scalars of the last step worth logging.
        idle_parameters: whether some steps leave a trainable network unused.
    """

    idle_parameters = False
    uses_unlabelled: bool
    reported: str
    roles: ClassVar[Mapping[str, str]] = {}
    statistics: dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.statistics = {}

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of one step, called once per step; their sum is minimised.

        Without unlabelled images (burn-in) it is the supervised loss alone.
        """

    def begin_epoch(self, pool: Pool) -> None:
        """Prepare an epoch; methods that label the pool off line do it here."""

    def selected_by(self, *, released: bool) -> tuple[str, ...]:
        """Return the networks whose mean AP chooses the best checkpoint.

        That is the one reported; the released code takes net A, whatever the method.
        """
        return ("A",) if released else (self.reported,)

    def burn_in_roles(self) -> dict[str, str]:
        """Return, by state-dictionary entry, the role whose burnt-in network it starts as.

        By default every network of `roles` starts as its own role was burnt in.
        """
        entries = dict(self.named_modules())
        return {entry: role for entry, role in self.roles.items() if entry in entries}

    def start_from(self, networks: Mapping[str, Mapping[str, Tensor]], *, epochs: int) -> None:
        """Begin after a burn-in of `epochs`, from these state dictionaries by role."""
        for entry, role in self.burn_in_roles().items():
            self.get_submodule(entry).load_state_dict(networks[role])

    def schedule_epoch(self, epoch: float) -> float:
        """Return an epoch's place (from 0) on the learning-rate schedule: itself, by default."""
        return epoch

    def rehearse(self, people: int) -> tuple[int, int]:
        """Take the state of the most expensive epochs; called on a copy whose steps are timed.

        Args:
            people: how many the crop store has.

        Returns:
            The epoch until which only labelled people are learned from, and the number of views in
            which the pool is labelled then; 0 and 0 by default.
        """
        return 0, 0

    def end_step(self) -> None:
        """Update the method's state after a step of the optimiser."""

    def end_epoch(self) -> None:
        """Update the method's state after an epoch; by default nothing changes."""

    @abstractmethod
    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Return heatmaps (N, J, H/4, W/4) of every network (and mean) that is scored."""

    @abstractmethod
    def predictor(self) -> nn.Module:
        """Return the network that leaves the method: images to heatmaps."""

    def taught(self, images: Tensor) -> Taught:
        """Return the pseudo-labels of images (N, 3, H, W), in evaluation mode and without gradient.

        Raises:
            InputError: the method has no pseudo-labels, or none that one view of a person gives.
        """
        raise InputError("gives no pseudo-labels: it has taught nobody")


@dataclass(frozen=True)
class MethodSetting:
    """The setting of every method.

    Attributes:
        make_network: a new network for a role (`A`, `B`, `C`, ...), initialised from the run's
            seed and the role.
        joints: number of heatmaps J.
        labelled_joints: (K,) int64, the joints that the labelled set annotates.
        crop_size: (width, height) in pixels.
        hard_view: strength of the hard view's warp.
        released: repeat the released code, defects included.
        epochs: epochs of the run, for methods that train one network after another.
        burn_in_epochs: how many of these are the burn-in.
        sigma: standard deviation of target Gaussians in heatmap pixels.
        flip_permutation: (J,) joint order of a mirrored person; None has no left and right.
        largest_scale: how far views can be zoomed out: the stored pixels end there.
        labelled_people: how many the run learns from; 0 outside a run.
    """

    make_network: Callable[[str], nn.Module]
    joints: int
    labelled_joints: Tensor
    crop_size: tuple[int, int]
    hard_view: ViewStrength = HARD_VIEW
    released: bool = False
    epochs: int = 2
    burn_in_epochs: int = 0
    sigma: float = 2.0
    flip_permutation: Tensor | None = None
    largest_scale: float = 1.25
    labelled_people: int = 0

    @property
    def occludable_joints(self) -> Tensor:
        """Joints that occlusion may draw: the labelled set's own; all of them as released."""
        return torch.arange(self.joints) if self.released else self.labelled_joints

    def warp_images(self, images: Tensor, views: ViewDraw) -> Tensor:
        """Return images (N, C, H, W) in the hard view."""
        if self.released:
            return warp_normalised(images, self._theta(images, views))
        return warp(images, self._matrices(images, views), self.crop_size)

    def warp_pool(self, pool: PoolView, views: ViewDraw) -> Tensor:
        """Return the pool's images (N, 3, H, W) in the hard view, resampled once by both warps.

        They end where the easy view does, as if that had been warped. Not for `released`.
        """
        to_easy = view_matrices(views.scale, views.rotation, self.crop_size)
        images = pool.through(compose(invert(to_easy), pool.matrices))
        width, height = self.crop_size
        easy = images.new_ones(len(images), 1, height, width)
        return images * warp(easy, self._matrices(images, views), self.crop_size)

    def warp_heatmaps(self, heatmaps: Tensor, views: ViewDraw) -> Tensor:
        """Return heatmaps (N, J, h, w) in the hard view: the same warp as the images'."""
        if self.released:
            return warp_normalised(heatmaps, self._theta(heatmaps, views))
        matrices = heatmap_matrices(self._matrices(heatmaps, views))
        return warp(heatmaps, matrices, (heatmaps.shape[3], heatmaps.shape[2]))

    def _theta(self, images: Tensor, views: ViewDraw) -> Tensor:
        theta = normalised_theta(views.scale, views.rotation)
        return theta.to(images.device, non_blocking=True)

    def _matrices(self, images: Tensor, views: ViewDraw) -> Tensor:
        matrices = view_matrices(views.scale, views.rotation, self.crop_size)
        return matrices.to(images.device, non_blocking=True)


@torch.no_grad()
def teacher_maps(networks: Sequence[nn.Module], images: Tensor, *, mode: str) -> list[Tensor]:
    """Return the maps (N, J, h, w) float32 of each network, without gradient.

    Args:
        networks: those that teach.
        images: (N, 3, H, W).
        mode: BatchNorm mode of the pass: `train` (as released: statistics of the batch, running
            ones updated) or `eval`.
    """
    with mode_of(list(networks), training=mode == "train"):
        # Float32 also under autocast: the warp of a map computes its grid in the map's own type,
        # and bfloat16 coordinates would be a quarter of a pixel off.
        return [network(images).float() for network in networks]


def mean_map(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean map (N, J, h, w) float32 of two maps, which autocast may have in bfloat16."""
    return 0.5 * (a.float() + b.float())


def taught_by(own: Tensor, other: Tensor | None = None) -> Taught:
    """Return what maps (N, J, h, w) teach, with all joints kept; `other` are a second network's."""
    positions, peaks = argmax_positions(own)
    distance = None
    if other is not None:
        distance = (positions - argmax_positions(other)[0]).square().sum(dim=2).sqrt()
    return Taught(own, peaks, distance, torch.ones_like(peaks, dtype=torch.bool))


def require_teacher_mode(mode: str) -> None:
    """Check the option `teacher_mode`.

    Raises:
        InputError: it is neither `train` nor `eval`.
    """
    if mode not in ("train", "eval"):
        raise InputError(f"method.options.teacher_mode is {mode!r}: choose train or eval")


@contextmanager
def mode_of(networks: list[nn.Module], *, training: bool) -> Iterator[None]:
    """Put the networks into training or evaluation mode within the block."""
    before = [network.training for network in networks]
    for network in networks:
        network.train(training)
    try:
        yield
    finally:
        for network, was_training in zip(networks, before, strict=True):
            network.train(was_training)
