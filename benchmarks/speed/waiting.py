"""The share of an epoch in which the networks wait for data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.speed.steps import Trainer
from sspcm.config_io import load_config
from sspcm.data.batches import RawBatch, read_ahead
from sspcm.data.sampler import PairSampler, step_generator


def measure_waiting(overrides: Mapping[str, Any], *, steps: int) -> dict[str, Any]:
    """Return the seconds of consecutive SSPCM steps, and those spent waiting for raw batches.

    Batches are read as in a training run, by two threads while the previous step computes.
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
