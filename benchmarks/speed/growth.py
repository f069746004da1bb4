"""Time and memory a person as a data set grows."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.speed.frames import SMALL, make_frames
from benchmarks.speed.timing import interleaved, median, resident_bytes
from sspcm.augment.views import EASY_VIEW
from sspcm.batches import BatchMaker
from sspcm.crop_store import open_crop_store, region_size
from sspcm.pairs import PairSampler, step_generator
from wepdtof_pose.errors import InputError

CROP = (32, 64)
BATCH = 32
LOADED = 3200
LOADS = 3


def measure_growth(sizes: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """One record a size: time a person to build and to load from a store, and memory.

    Crops are small, so that the largest store fits a disk; what grows with the number of people
    does not depend on the crop.

    Raises:
        InputError: the disk has no room for the largest store.
    """
    side = region_size(CROP, largest_scale=1 + EASY_VIEW.scale)
    needed, free = max(sizes) * side * side * 3, shutil.disk_usage(folder).free
    if needed * 1.2 > free:
        raise InputError(
            f"{folder}: a store of {max(sizes)} people needs {needed / 2**30:.1f} GiB, but only "
            f"{free / 2**30:.1f} GiB are free: give --folder on another disk, or smaller --growth"
        )
    return [_measure(size, side, folder / f"growth-{size}") for size in sizes]


def _measure(people: int, side: int, folder: Path) -> dict[str, Any]:
    dataset = make_frames(SMALL, people, folder, random=np.random.default_rng(0))
    gc.collect()
    before = resident_bytes()
    started = time.perf_counter()
    store = open_crop_store(
        dataset, crop_size=CROP, window_size=(side, side), folder=folder / "store"
    )
    built = time.perf_counter() - started
    maker = BatchMaker(
        store,
        strength=EASY_VIEW,
        sigma=2.0,
        flip_permutation=dataset.keypoint_set.flip_permutation,
        labelled_joints=np.ones(len(dataset.keypoint_set), bool),
        device=torch.device("cpu"),
        bgr=False,
        memory_format=torch.channels_last,
    )
    everyone = np.arange(people)
    sampler = PairSampler(everyone, everyone, BATCH, 0, epoch_steps=LOADED // BATCH)
    labelled, unlabelled = sampler.epoch(0)

    def load() -> None:
        for step, (rows, pool) in enumerate(zip(labelled, unlabelled, strict=True)):
            maker.finish(maker.read(rows, pool, step_generator(0, 0, step)))

    loaded = median(interleaved({"load": load}, LOADS)["load"])
    resident = resident_bytes() - before
    shutil.rmtree(folder)
    return {
        "people": people,
        "build_ms_per_person": 1000 * built / people,
        "load_ms_per_person": 1000 * loaded / (2 * LOADED),
        "store_bytes": people * side * side * 3,
        "resident_growth_bytes": resident,
    }
