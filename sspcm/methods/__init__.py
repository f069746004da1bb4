"""The methods that are compared: one file each, and the plain dictionary METHODS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from sspcm.batches import Batch
from sspcm.config import from_dict
from sspcm.methods.setting import MethodSetting
from sspcm.methods.sspcm import Sspcm
from sspcm.methods.supervised import Supervised
from wepdtof_pose.errors import InputError


class Method(Protocol):
    """What the trainer asks of a method: an nn.Module that owns its networks and its state.

    Attributes:
        uses_unlabelled: whether `forward` reads `batch.unlabelled`.
        reported: which entry of `heatmaps` the method is judged by.
        statistics: detached scalars of the last step worth logging.
    """

    uses_unlabelled: bool
    reported: str
    statistics: dict[str, Tensor]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of one step; their sum is minimised. One call a step, so that DDP wraps it."""

    def end_epoch(self) -> None:
        """What the method does between epochs."""

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Heatmaps (N, J, H/4, W/4) of every network (and mean) that is scored."""

    def predictor(self) -> nn.Module:
        """The network that leaves the method: images to heatmaps."""


METHODS: dict[str, type[Supervised] | type[Sspcm]] = {
    "supervised": Supervised,
    "sspcm": Sspcm,
}


def build_method(
    name: str, setting: MethodSetting, options: Mapping[str, Any]
) -> Supervised | Sspcm:
    """The method of that name.

    Raises:
        InputError: no such method, or an option that it does not have.
    """
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}: choose one of {', '.join(METHODS)}")
    kind = METHODS[name]
    return kind(setting, from_dict(kind.Options, options, prefix="method.options."))
