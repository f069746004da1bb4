"""Time and memory a person as a data set grows."""

from __future__ import annotations

import gc
import shutil
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

CROP = (64, 96)
BATCH = 32
LOADED = 3200
LOADS = 5
BUILDS = 2


def measure_growth(sizes: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """One record a size: time a person to build and to load from a store, and memory.

    Crops are small, as those of the presets for a CPU, so that the largest store fits a disk. The
    sizes are measured in turn, several times: the medians.

    Raises:
        InputError: the disk has no room for the stores.
    """
    side = region_size(CROP, largest_scale=1 + EASY_VIEW.scale)
    needed, free = sum(sizes) * side * side * 3, shutil.disk_usage(folder).free
    if needed * 1.2 > free:
        raise InputError(
            f"{folder}: stores of {sum(sizes)} people need {needed / 2**30:.1f} GiB, but only "
            f"{free / 2**30:.1f} GiB are free: give --folder on another disk, or smaller --growth"
        )
    growing = [_Growing(people, side, folder / f"growth-{people}") for people in sizes]
    taken = [g.memory_taken() for g in growing]
    built = interleaved({str(g.people): g.build for g in growing}, BUILDS)
    loaded = interleaved({str(g.people): g.load for g in growing}, LOADS)
    for g in growing:
        shutil.rmtree(g.folder)
    return [
        {
            "people": g.people,
            "build_ms_per_person": 1000 * median(built[str(g.people)]) / g.people,
            "load_ms_per_person": 1000 * median(loaded[str(g.people)]) / (2 * LOADED),
            "store_bytes": g.people * side * side * 3,
            "resident_growth_bytes": memory,
        }
        for g, memory in zip(growing, taken, strict=True)
    ]


class _Growing:
    """A data set of so many people, whose store is built and read again and again."""

    def __init__(self, people: int, side: int, folder: Path) -> None:
        self.people = people
        self.folder = folder
        self._window = (side, side)
        self._dataset = make_frames(SMALL, people, folder, random=np.random.default_rng(0))

    def memory_taken(self) -> int:
        """Bytes that a first build and a first epoch leave resident."""
        gc.collect()
        before = resident_bytes()
        self.build()
        self.load()
        return resident_bytes() - before

    def build(self) -> None:
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        store = open_crop_store(
            self._dataset, crop_size=CROP, window_size=self._window, folder=self.folder / "store"
        )
        joints = self._dataset.keypoint_set
        self._maker = BatchMaker(
            store,
            strength=EASY_VIEW,
            sigma=2.0,
            flip_permutation=joints.flip_permutation,
            labelled_joints=np.ones(len(joints), bool),
            device=torch.device("cpu"),
            bgr=False,
            memory_format=torch.channels_last,
        )
        everyone = np.arange(self.people)
        self._sampler = PairSampler(everyone, everyone, BATCH, 0, epoch_steps=LOADED // BATCH)

    def load(self) -> None:
        """An epoch of batches to ready tensors and targets: 2 LOADED people."""
        labelled, unlabelled = self._sampler.epoch(0)
        for step, (rows, pool) in enumerate(zip(labelled, unlabelled, strict=True)):
            self._maker.finish(self._maker.read(rows, pool, step_generator(0, 0, step)))
