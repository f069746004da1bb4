"""The progress of a run, and the checkpoint from which it resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from torch import nn
from torch.optim import Optimizer

from sspcm.hardware import Hardware
from sspcm.networks.averages import AveragedWeights
from sspcm.runs.checkpoint import load_checkpoint, misfit, save_checkpoint
from sspcm.runs.folder import RunFolder
from wepdtof_pose.errors import InputError

SELECTION_SCORE = "AP"
"""The score that selects the best checkpoint."""


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        epoch: epochs done.
        seconds: training time so far, without evaluation and writing pseudo-labels.
        best_epoch: the epoch with the best scores, counted from 1; 0 before the first evaluation.
        best: scores of every network in that epoch.
        last: scores of every network in the last evaluated epoch.
        peak_memory: bytes, over all processes of the run so far.
        burn_in: the burn-in's part of the result; None if there was no burn-in.
    """

    epoch: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best: dict[str, Any] | None = None
    last: dict[str, Any] = field(default_factory=dict)
    peak_memory: int = 0
    burn_in: dict[str, Any] | None = None

    def add_scores(self, scores: dict[str, Any], selected_by: Sequence[str]) -> bool:
        """Add the scores of the epoch just done and return whether they are the best so far.

        Args:
            scores: network name -> score name -> value.
            selected_by: the networks whose mean score counts.
        """
        self.last = scores
        if self.best is not None:
            now, before = (
                sum(of[name][SELECTION_SCORE] or 0.0 for name in selected_by)
                for of in (scores, self.best)
            )
            if now <= before:
                return False
        self.best, self.best_epoch = scores, self.epoch
        return True


def save(
    run: RunFolder,
    method: nn.Module,
    optimiser: Optimizer,
    progress: Progress,
    about: dict[str, Any],
    averaged: AveragedWeights | None = None,
) -> None:
    """Write the checkpoint that `restore` reads: networks, description, optimiser, progress."""
    content: dict[str, Any] = {
        "about": about,
        "optimiser": optimiser.state_dict(),
        "progress": dict(vars(progress)),
    }
    if averaged is None:
        save_checkpoint(run.last_checkpoint, content | {"method": method.state_dict()})
        return
    content["averaged"] = averaged.state()
    with averaged.applied():
        # Within the block, the method has the averages, and `averaged` holds the raw weights.
        save_checkpoint(run.last_checkpoint, content | {"method": method.state_dict()})


def restore(
    run: RunFolder,
    method: nn.Module,
    optimiser: Optimizer,
    hardware: Hardware,
    averaged: AveragedWeights | None = None,
) -> Progress:
    """Restore method and optimiser from the run's last checkpoint; without one, change nothing.

    Raises:
        InputError: the checkpoint is damaged or belongs to another method, network or optimiser.
    """
    file = run.last_checkpoint
    if not file.is_file():
        return Progress()
    try:
        state = load_checkpoint(file, device=hardware.device)
    except InputError as error:
        raise InputError(f"{error}: remove it to begin the run anew") from None
    try:
        method.load_state_dict(state["method"])
        if averaged is not None:
            averaged.restore(state["averaged"])
            averaged.exchange()
        optimiser.load_state_dict(state["optimiser"])
        progress = msgspec.convert(state["progress"], Progress)
        for parameter, moments in optimiser.state.items():
            for moment in moments.values():
                if moment.ndim and moment.shape != parameter.shape:
                    raise ValueError(f"the optimiser's state has shape {tuple(moment.shape)}")
    # Torch and msgspec raise many kinds of errors for content that does not fit.
    except Exception as error:
        raise InputError(f"{file}: does not fit the run's configuration: {misfit(error)}") from None
    return progress
