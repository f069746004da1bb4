"""Speed of training steps against plain and bare ones, and the share of time spent waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.speed.frames import PHOTOGRAPHS, make_frames
from benchmarks.speed.timing import interleaved, ratio
from sspcm.assembly import make_batch_maker, make_method, open_stores
from sspcm.config import TrainConfig
from sspcm.config_io import load_config
from sspcm.data.batches import Pool, RawBatch, read_ahead
from sspcm.data.sampler import PairSampler, step_generator
from sspcm.data.sets import make_sets
from sspcm.hardware import choose_hardware
from sspcm.methods.method import Method
from sspcm.networks.roles import role_networks
from sspcm.training.optimiser import make_optimiser

_GLIBCS_OWN = 2**26
"""Bytes of freed memory that glibc keeps by itself, at most."""


@dataclass(frozen=True)
class Pass:
    """One pass of a network in a training step: of these images, in this mode of BatchNorm."""

    network: nn.Module
    images: Tensor
    gradient: bool
    training: bool


def step_data(folder: Path, *, people: int) -> Path:
    """Make a small data set for training steps and return its path."""
    make_frames(PHOTOGRAPHS, people, folder, random=np.random.default_rng(0), distinct=True)
    return folder


def measure_steps(
    methods: Sequence[str], overrides: Mapping[str, Any], *, repeats: int
) -> list[dict[str, Any]]:
    """Return one record per method: seconds per step, and ratios of other steps to it.

    A step is all work of the device for a batch that the host has read: images, targets, hard
    views, losses, gradients and Adam. The bare passes are the same forward and backward passes of
    the same networks on finished tensors, and Adam, at the same precision and layout. On a CPU a
    step that hands its memory back to the system, as glibc would have it, is measured as well.

    Args:
        methods: their names.
        overrides: configuration of the runs, data included.
        repeats: repetitions.
    """
    return [
        _measure(load_config(overrides=dict(overrides) | {"method.name": name}), repeats)
        for name in methods
    ]


def measure_waiting(overrides: Mapping[str, Any], *, steps: int) -> dict[str, Any]:
    """Return the seconds of consecutive SSPCM steps, and those spent waiting for raw batches.

    Batches are read as in a training run, by two threads while the previous step computes.

    Args:
        overrides: configuration of the run, data included.
        steps: number of steps in the epoch.
    """
    config = load_config(overrides=dict(overrides) | {"method.name": "sspcm"})
    trainer = Trainer(config)
    size = config.optimisation.batch_size
    sampler = PairSampler(
        trainer.sets.labelled, trainer.sets.unlabelled, size, config.seed, epoch_steps=steps
    )
    labelled, unlabelled = sampler.epoch(1)
    readers: list[Callable[[], RawBatch]] = [
        partial(
            trainer.batches.read,
            labelled[step],
            unlabelled[step],
            step_generator(config.seed, 1, step),
        )
        for step in range(steps)
    ]
    trainer.step()
    waited, started = 0.0, time.perf_counter()
    batches = read_ahead(readers)
    while True:
        asked = time.perf_counter()
        raw = next(batches, None)
        waited += time.perf_counter() - asked
        if raw is None:
            break
        trainer.raw = raw
        trainer.step()
    seconds = time.perf_counter() - started
    return {
        "method": "sspcm",
        "batch_size": size,
        "crop_size": list(config.data.crop_size),
        "steps": steps,
        "seconds": seconds,
        "waiting_seconds": waited,
        "waiting_share": waited / seconds,
    }


def _measure(config: TrainConfig, repeats: int) -> dict[str, Any]:
    ours, plain = Trainer(config), Trainer(config, plain=True)
    passes = ours.passes()
    tasks = {"plain": plain.step, "ours": ours.step, "bare": lambda: ours.bare_step(passes)}
    on_cpu = ours.hardware.device.type == "cpu"
    if on_cpu:
        tasks["handing back"] = ours.step_that_hands_back
    seconds = interleaved(tasks, repeats)
    size = config.optimisation.batch_size
    return {
        "method": config.method.name,
        "network": config.network.name,
        "crop_size": list(config.data.crop_size),
        "batch_size": size,
        "precision": str(ours.hardware.precision).removeprefix("torch."),
        "passes": len(passes),
        "passes_with_gradient": sum(one.gradient for one in passes),
        "step_seconds": {task: median(values) for task, values in seconds.items()},
        "people_per_second": size / median(seconds["ours"]),
        "plain_over_ours": ratio(seconds["plain"], seconds["ours"]),
        "ours_over_bare": ratio(seconds["ours"], seconds["bare"]),
        "handing_back_over_ours": (
            ratio(seconds["handing back"], seconds["ours"]) if on_cpu else None
        ),
    }


class Trainer:
    """A method in the middle of a run, ready for steps on one batch."""

    def __init__(self, config: TrainConfig, *, plain: bool = False) -> None:
        # On a GPU, exact fp32 for the plain steps switches TF32 off; bfloat16 does not use it.
        self.hardware = choose_hardware(config.device, "float32" if plain else config.precision)
        self.hardware.keep_freed_memory()
        if plain:
            self.hardware = replace(self.hardware, memory_format=torch.contiguous_format)
        self.sets = sets = make_sets(config.data)
        self.method: Method = self.hardware.place(make_method(config, sets))
        store, _ = open_stores(config, sets)
        self.batches = make_batch_maker(config, sets, store, self.hardware)
        pool = Pool(
            np.unique(sets.unlabelled), len(store), config.evaluation.batch_size, self.batches.views
        )
        if config.compile and not plain:
            for network in role_networks(self.method):
                network.compile()
        # After the first epoch, when lagged teachers and offline labels exist.
        with self.hardware.autocast():
            self.method.begin_epoch(pool)
            self.method.end_epoch()
            self.method.begin_epoch(pool)
        self.method.train()
        self.optimiser = make_optimiser(self.method, config.optimisation, fused=not plain)
        size = config.optimisation.batch_size
        rows = np.random.default_rng(0).choice(sets.unlabelled, size)
        partners = np.random.default_rng(1).choice(sets.labelled, size)
        self.raw = self.batches.read(
            partners,
            rows if self.method.uses_unlabelled else None,
            step_generator(config.seed, 1, 0),
        )

    def step(self) -> None:
        """Take a whole training step."""
        batch = self.batches.finish(self.raw)
        zero = torch.zeros((), device=self.hardware.device)
        self._descend(lambda: sum(self.method(batch).values(), start=zero))

    def step_that_hands_back(self) -> None:
        """Take a step whose memory goes back to the system, which is kept otherwise."""
        self.hardware.keep_freed_memory(_GLIBCS_OWN)
        self.step()
        self.hardware.keep_freed_memory()

    def passes(self) -> list[Pass]:
        """Return the network passes of a step, in order."""
        found: list[Pass] = []

        def record(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            found.append(Pass(module, inputs[0].detach(), torch.is_grad_enabled(), module.training))

        handles = [
            network.register_forward_pre_hook(record) for network in role_networks(self.method)
        ]
        try:
            self.step()
        finally:
            for handle in handles:
                handle.remove()
        return found

    def bare_step(self, passes: Sequence[Pass]) -> None:
        """Do these passes on finished tensors, backward passes, and Adam."""

        def loss() -> Tensor:
            total = torch.zeros((), device=self.hardware.device)
            for one in passes:
                if one.network.training != one.training:
                    one.network.train(one.training)
                with torch.set_grad_enabled(one.gradient):
                    maps = one.network(one.images)
                if one.gradient:
                    total = total + maps.float().mean()
                if not one.training:
                    one.network.train(True)
            return total

        self._descend(loss)

    def _descend(self, loss: Callable[[], Tensor]) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with self.hardware.autocast():
            value = loss()
        value.backward()
        self.optimiser.step()
        if self.hardware.device.type == "cuda":
            torch.cuda.synchronize(self.hardware.device)
