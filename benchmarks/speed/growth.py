"""Time and memory a person as a data set grows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
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
from sspcm.pixel_file import PixelFile
from wepdtof_pose.errors import InputError
from wepdtof_pose.loading import load_dataset

CROP = (64, 96)
"""Width and height of the crops in pixels."""
BATCH = 32
LOADED = 3200
"""Labelled people, and as many unlabelled ones, in an epoch that is loaded."""
LOADS = 5
BUILDS = 2


def measure_growth(sizes: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """One record a size: time a person to build and to load from a store, and memory.

    Crops are small, as those of the presets for a CPU, so that the largest store fits a disk. The
    time to write as many bytes and nothing else is what the disk alone sets. The sizes are timed in
    turn, several times: the medians. Memory is that of a process of its own for each size.

    Raises:
        InputError: the disk has no room for the stores.
    """
    require_room(sizes, folder)
    side = _window_side()
    folders = {people: folder / f"growth-{people}" for people in sizes}
    for people, place in folders.items():
        make_frames(SMALL, people, place, random=np.random.default_rng(0))
    taken = {people: _in_own_process(people, side, place) for people, place in folders.items()}
    growing = [_Growing(people, side, place) for people, place in folders.items()]
    tasks = {f"{task} {g.people}": getattr(g, task) for g in growing for task in ("build", "write")}
    built = interleaved(tasks, BUILDS)
    loaded = interleaved({str(g.people): g.load for g in growing}, LOADS)
    for place in folders.values():
        shutil.rmtree(place)
    return [
        {
            "people": people,
            "build_ms_per_person": 1000 * median(built[f"build {people}"]) / people,
            "write_ms_per_person": 1000 * median(built[f"write {people}"]) / people,
            "load_ms_per_person": 1000 * median(loaded[str(people)]) / (2 * LOADED),
            "store_bytes": people * side * side * 3,
            "peak_growth_bytes": taken[people],
        }
        for people in sizes
    ]


def require_room(sizes: Sequence[int], folder: Path) -> None:
    """Check that stores of so many people fit the folder's disk.

    Raises:
        InputError: they do not.
    """
    # All stores stay there, and a plain file as large is written beside them.
    needed = (sum(sizes) + max(sizes)) * _window_side() ** 2 * 3
    free = shutil.disk_usage(folder).free
    if needed * 1.2 > free:
        raise InputError(
            f"{folder}: stores of {sum(sizes)} people need {needed / 2**30:.1f} GiB, but only "
            f"{free / 2**30:.1f} GiB are free: give --folder on another disk, or smaller --growth"
        )


def _window_side() -> int:
    return region_size(CROP, largest_scale=1 + EASY_VIEW.scale)


def memory_taken(people: int, side: int, folder: Path) -> int:
    """Bytes that this process takes at its peak, more than before, to read a data set, build its
    store and load an epoch; pages of the store that the system keeps in RAM are among them."""
    before = resident_bytes()
    growing = _Growing(people, side, folder)
    growing.build()
    growing.load()
    return resident_bytes(peak=True) - before


def _in_own_process(people: int, side: int, folder: Path) -> int:
    # In a process that has measured before, what is freed is taken again unseen.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(memory_taken, people, side, folder).result()


class _Growing:
    """A data set of so many people, whose store is built and read again and again."""

    def __init__(self, people: int, side: int, folder: Path) -> None:
        self.people = people
        self.folder = folder
        self._window = (side, side)
        self._dataset = next(iter(load_dataset(folder).values()))

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

    def write(self) -> None:
        """A file as large as the store, to the disk and deleted."""
        path = self.folder / "plain.npy"
        row = np.zeros((*self._window, 3), np.uint8)
        file = PixelFile.create(path, (self.people, *row.shape))
        for person in range(self.people):
            file.write(person, row)
        file.flush()
        path.unlink()

    def load(self) -> None:
        """An epoch of batches to ready tensors and targets: 2 LOADED people."""
        labelled, unlabelled = self._sampler.epoch(0)
        for step, (rows, pool) in enumerate(zip(labelled, unlabelled, strict=True)):
            self._maker.finish(self._maker.read(rows, pool, step_generator(0, 0, step)))
