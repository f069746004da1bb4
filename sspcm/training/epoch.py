"""One training epoch: batches, steps, random draws and mean losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from tqdm import tqdm

from sspcm.config import TrainConfig
from sspcm.data.batches import BatchMaker, read_ahead
from sspcm.data.sampler import PairSampler, step_generator, step_seed
from sspcm.hardware import Hardware
from sspcm.methods.method import Method
from sspcm.networks.averages import AveragedWeights
from sspcm.training.distributed import Processes
from sspcm.training.optimiser import learning_rate
from wepdtof_pose.errors import InputError


def train_epoch(
    stepped: nn.Module,
    method: Method,
    optimiser: torch.optim.Optimizer,
    sampler: PairSampler,
    batches: BatchMaker,
    epoch: int,
    config: TrainConfig,
    hardware: Hardware,
    *,
    averaged: AveragedWeights | None = None,
    early: bool = False,
    bar: tqdm | None = None,
) -> dict[str, float]:
    """Train one epoch and return the means of its losses and statistics.

    The random draws of a step depend only on the seed, the epoch, the step and the rank.

    Args:
        stepped: the method to call, wrapped if there are several processes.
        method: the method itself.
        optimiser: over its parameters; its learning rate is set before every step.
        sampler: chooses the people of each step.
        batches: makes the batches.
        epoch: from 0.
        config: the run's.
        hardware: device and precision.
        averaged: updated with the weights after every step.
        early: see `learning_rate`.
        bar: progress bar of the whole run, advanced by each step.
    """
    labelled, unlabelled = sampler.epoch(epoch)
    method.train()
    totals: dict[str, Tensor] = {}
    pooled = method.uses_unlabelled
    readers = (
        partial(
            batches.read,
            labelled[step],
            unlabelled[step] if pooled else None,
            step_generator(config.seed, epoch, step, sampler.rank),
        )
        for step in range(sampler.steps)
    )
    raw_batches = read_ahead(readers)
    for step, raw in enumerate(raw_batches):
        # For layers that draw from torch's global generator, such as Dropout in a user's network.
        torch.manual_seed(step_seed(config.seed, epoch, step, sampler.rank))
        batch = batches.finish(raw)
        rate = learning_rate(
            method.schedule_epoch(epoch + step / sampler.steps), config.optimisation, early=early
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        with hardware.autocast():
            losses = stepped(batch)
        total_loss(losses, hardware.device).backward()
        optimiser.step()
        method.end_step()
        if averaged is not None:
            averaged.update()
        for name, value in {**losses, **method.statistics}.items():
            totals[name] = totals.get(name, 0.0) + torch.as_tensor(value).detach().float()
        if bar is not None:
            bar.update()
    return {name: float(value) / sampler.steps for name, value in totals.items()}


def total_loss(losses: Mapping[str, Tensor], device: torch.device) -> Tensor:
    """Return the sum of a step's losses by name, a scalar, on the device that they are on.

    Raises:
        InputError: these are no losses by name, or none of them depends on a weight that learns, as
            may be with a method or network of one's own.
    """
    named = losses if isinstance(losses, Mapping) else {"": losses}
    for name, one in named.items():
        if not isinstance(one, Tensor) or one.numel() != 1 or named is not losses:
            found = f"{tuple(one.shape)}" if isinstance(one, Tensor) else type(one).__name__
            raise InputError(
                "forward(batch) of a method must return a dictionary of losses, each a tensor of "
                f"one number: it gives {found}{f' as {name!r}' if name else ''}"
            )
    total = sum(losses.values(), start=torch.zeros((), device=device))
    if not total.requires_grad:
        raise InputError(
            "no loss depends on a weight that learns: does the network or the method detach its "
            "output, or give whole numbers, or has it no weights?"
        )
    return total


def require_numbers(
    losses: dict[str, float], method: Method, processes: Processes, epoch: int
) -> None:
    """Stop a diverged run on every process before anything of the epoch is saved.

    Raises:
        InputError: a loss or a weight of the epoch (from 1) is not finite, in any process.
    """
    weights = all(bool(torch.isfinite(p).all()) for p in method.parameters())
    if not all(processes.gather(weights and all(map(math.isfinite, losses.values())))):
        raise InputError(
            f"the loss is not a number in epoch {epoch}: lower optimisation.learning_rate"
        )
