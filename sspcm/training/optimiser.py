"""Adam and the learning-rate schedule of a run."""

from __future__ import annotations

import torch
from torch import nn

from sspcm.config import OptimisationConfig


def make_optimiser(
    method: nn.Module, config: OptimisationConfig, *, fused: bool = True
) -> torch.optim.Adam:
    """Adam over the trainable parameters.

    Args:
        method: whose parameters; lagged copies are not trained.
        config: learning rate.
        fused: update all parameters in one kernel; otherwise one after the other.
    """
    parameters = [p for p in method.parameters() if p.requires_grad]
    foreach = None if fused else False
    return torch.optim.Adam(parameters, lr=config.learning_rate, fused=fused, foreach=foreach)


def learning_rate(epoch: float, config: OptimisationConfig, *, early: bool = False) -> float:
    """Learning rate of an epoch (from 0): times `factor` from each milestone on.

    `early` takes each drop one epoch too soon, as the released code does after a resume.
    """
    passed = sum(epoch + early >= milestone for milestone in config.milestones)
    return config.learning_rate * config.factor**passed
