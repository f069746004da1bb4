"""The optimiser and the learning-rate schedule of a run."""

from __future__ import annotations

import math

import torch
from torch import nn

from sspcm.config import OptimisationConfig
from wepdtof_pose.errors import InputError


def make_optimiser(
    method: nn.Module, config: OptimisationConfig, *, fused: bool = True
) -> torch.optim.Optimizer:
    """Return Adam or AdamW over the trainable parameters of a method.

    Args:
        method: owns the parameters; lagged copies and frozen stages are not trained.
        config: kind of optimiser, weight decay and learning rate.
        fused: update all parameters in one kernel rather than one after the other.

    Raises:
        InputError: nothing is trainable, as may be with networks of one's own.
    """
    parameters = [p for p in method.parameters() if p.requires_grad]
    if not parameters:
        raise InputError("the networks have no weight that learns (requires_grad)")
    foreach = None if fused else False
    if config.optimiser == "adamw":
        return torch.optim.AdamW(
            parameters,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=fused,
            foreach=foreach,
        )
    return torch.optim.Adam(parameters, lr=config.learning_rate, fused=fused, foreach=foreach)


def learning_rate(epoch: float, config: OptimisationConfig, *, early: bool = False) -> float:
    """Return the learning rate after `epoch` epochs, counted from the start of the run.

    The burn-in and the phase after it each have a schedule of their own. With `early`, each drop of
    the step schedule comes one epoch too soon, as in the released code after a resume.
    """
    done, length = epoch - config.burn_in_epochs, config.epochs - config.burn_in_epochs
    rate, milestones = config.learning_rate, config.milestones
    if epoch < config.burn_in_epochs:
        done, length = epoch, config.burn_in_epochs
        rate, milestones = config.burn_in_learning_rate or rate, config.burn_in_milestones
    if config.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * min(1, done / length)))
    else:
        rate *= config.factor ** sum(done + early >= milestone for milestone in milestones)
    if done < config.warm_up_epochs:
        rate *= done / config.warm_up_epochs
    return rate
