"""Forecast how long a run will take, by timing one step of each phase before it starts."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sspcm.config import TrainConfig
from sspcm.data.batches import BatchMaker
from sspcm.data.sampler import PairSampler, step_generator
from sspcm.hardware import Hardware
from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.method import Method
from sspcm.training.epoch import total_loss

_STEP_PER_FORWARD = 3.0
"""A step is one forward pass and one backward pass, which takes twice as long."""
_LONG = 1.0
"""A first step slower than this many seconds is not repeated for a better measurement."""


@dataclass(frozen=True)
class Forecast:
    """The work that remains in a run.

    Attributes:
        networks: networks to burn in, one after another.
        burn_in_steps: optimiser steps of each burn-in.
        burn_in_step: seconds of one such step.
        steps: optimiser steps of the method after that.
        step: seconds of one such step.
        alone: how many of these steps use labelled people only, and so take as long as a burn-in
            step.
        labelling: seconds to label the pool once, offline.
    """

    networks: int
    burn_in_steps: int
    burn_in_step: float
    steps: int
    step: float
    alone: int = 0
    labelling: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of training, without reading data and scoring."""
        supervised = self.networks * self.burn_in_steps + self.alone
        return (
            supervised * self.burn_in_step + (self.steps - self.alone) * self.step + self.labelling
        )

    def line(self, method: str) -> str:
        """Return the forecast as one readable line.

        >>> Forecast(2, 800, 0.25, 300, 1.0).line("sspcm")
        'about 12 minutes of training: 2 x 800 steps of burn-in, 300 of sspcm; scoring comes on top'
        >>> Forecast(0, 0, 0.25, 300, 0.5, alone=100, labelling=60).line("own")
        'about 3 minutes of training: 300 steps of own, labelling the pool; scoring comes on top'
        """
        parts = [f"{self.steps} of {method}"]
        if self.labelling:
            parts.append("labelling the pool")
        if self.networks:
            times = "" if self.networks == 1 else f"{self.networks} x "
            parts = [f"{times}{self.burn_in_steps} steps of burn-in", *parts]
        else:
            parts[0] = f"{self.steps} steps of {method}"
        return (
            f"about {duration(self.seconds)} of training: {', '.join(parts)}; scoring comes on top"
        )


def duration(seconds: float) -> str:
    """Return a duration in words, with the precision of an estimate.

    >>> [duration(n) for n in (1, 40, 700, 9000, 200000)]
    ['1 second', '40 seconds', '12 minutes', '2.5 hours', '2.3 days']
    """
    for unit, size in (("day", 86400), ("hour", 3600)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}s"
    count, unit = (round(seconds / 60), "minute") if seconds >= 90 else (round(seconds), "second")
    count = max(count, 1)
    return f"{count} {unit}" + ("s" if count > 1 else "")


def forecast(
    method: Method,
    batches: BatchMaker,
    sampler: PairSampler,
    config: TrainConfig,
    hardware: Hardware,
    *,
    epoch: int,
    burn_ins: int,
) -> Forecast:
    """Forecast the rest of a run by timing its steps on a copy of its method.

    Neither the networks of the run nor its random streams change.

    Args:
        method: of the run; it is copied.
        batches: makes the batches.
        sampler: chooses the people of each step.
        config: the run's.
        hardware: device and precision.
        epoch: epochs done.
        burn_ins: networks that still need a burn-in.
    """
    burn_in = config.optimisation.burn_in_epochs if epoch == 0 else 0
    trial = copy.deepcopy(method).train()
    begun = max(epoch, config.optimisation.burn_in_epochs)
    pool_from, looks = trial.rehearse(
        int(max(sampler.labelled.max(), sampler.unlabelled.max())) + 1
    )
    alone = max(0, pool_from - begun)
    if epoch > pool_from:
        looks = 0
    labelled, unlabelled = sampler.epoch(epoch)
    devices = [hardware.device] if hardware.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        batch = batches.finish(
            batches.read(
                labelled[0],
                unlabelled[0] if trial.uses_unlabelled else None,
                step_generator(config.seed, epoch, 0, sampler.rank),
            )
        )

        def supervised() -> Tensor:
            maps = trial.get_submodule(next(iter(trial.burn_in_roles())))(batch.labelled)
            loss = heatmap_mse(maps, batch.target, batch.target_weight)
            return total_loss({"supervised": loss}, hardware.device)

        def whole() -> Tensor:
            return total_loss(trial(batch), hardware.device)

        step = _seconds(supervised, hardware) if burn_ins or alone or looks else 0.0
        pool_batches = len(np.unique(sampler.unlabelled)) / len(labelled[0])
        return Forecast(
            networks=burn_ins,
            burn_in_steps=burn_in * sampler.steps,
            burn_in_step=step,
            steps=(config.optimisation.epochs - max(epoch, burn_in)) * sampler.steps,
            step=_seconds(whole, hardware),
            alone=alone * sampler.steps,
            labelling=looks * pool_batches * step / _STEP_PER_FORWARD,
        )


def _seconds(loss: Callable[[], Tensor], hardware: Hardware) -> float:
    """Return the seconds of a step: of the second one if the first, a warm-up, is quick."""
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        with hardware.autocast():
            value = loss()
        value.backward()
        if hardware.device.type == "cuda":
            torch.cuda.synchronize(hardware.device)
        seconds = time.perf_counter() - started
        if seconds > _LONG:
            break
    return seconds
