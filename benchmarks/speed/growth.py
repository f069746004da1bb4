"""Time per person, and memory, as a data set grows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.speed.frames import SMALL, make_frames
from benchmarks.speed.pipeline import batch_maker
from benchmarks.speed.timing import Task, interleaved, resident_bytes
from sspcm.augment.views import EASY_VIEW
from sspcm.config_io import load_config
from sspcm.data.crop_store import open_crop_stores, region_size
from sspcm.data.pixel_file import PixelFile
from sspcm.data.sampler import PairSampler, step_generator
from sspcm.data.sets import make_sets
from wepdtof_pose import files
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.formats.loading import load_dataset

CROP = (64, 96)
"""Width and height of the crops in pixels."""
BATCH = 32
LOADED = 3200
"""Labelled people in a loaded epoch, with as many unlabelled ones."""
LOADS = 5
BUILDS = 3
BUILT = 10_000
"""Minimum people per timing of a build: a small store is built several times."""

MEMORY_CROP = (8, 12)
"""Crop size if only memory is measured, so that a store of a million people fits a disk."""
FEWEST = 2 * SMALL.people
"""People on two frames, one for each part of a split."""


def measure_growth(
    sizes: Sequence[int], folder: Path, *, memory_people: int = 0
) -> list[dict[str, Any]]:
    """Return one record per size: time per person to build and load from a store, and memory.

    Crops are small, like those of the CPU presets, so that the largest store fits a disk. The time
    to write as many plain bytes shows the limit of the disk. The sizes are timed in turn, several
    times, and the medians are returned. Memory is measured in a separate process for each size. A
    last record, with times None, is for `memory_people` (0: none) with crops of `MEMORY_CROP`.

    Raises:
        InputError: the disk has no room for the stores.
    """
    require_room(sizes, folder, memory_people=memory_people)
    folders = {people: folder / f"growth-{people}" for people in sizes}
    for people, place in folders.items():
        _in_own_process(_make, people, place)
    taken = {n: _in_own_process(memory_taken, place, CROP) for n, place in folders.items()}
    growing = [_Growing(_whole(place), place, CROP) for place in folders.values()]
    turns = {people: max(1, BUILT // people) for people in sizes}
    tasks = {
        f"{task} {len(g)}": _repeated(getattr(g, task), turns[len(g)])
        for g in growing
        for task in ("build", "write")
    }
    built = interleaved(tasks, BUILDS)
    loaded = interleaved({str(len(g)): g.load for g in growing}, LOADS)
    for place in folders.values():
        shutil.rmtree(place)
    records: list[dict[str, Any]] = [
        {
            "people": people,
            "crop_size": list(CROP),
            **{
                f"{task}_ms_per_person": 1000
                * median(built[f"{task} {people}"])
                / (people * turns[people])
                for task in ("build", "write")
            },
            "load_ms_per_person": 1000 * median(loaded[str(people)]) / (2 * LOADED),
            "store_bytes": _store_bytes(people, CROP),
            **taken[people],
        }
        for people in sizes
    ]
    if memory_people:
        place = folder / "memory"
        _in_own_process(_make, memory_people, place)
        of_all = _in_own_process(memory_taken, place, MEMORY_CROP)
        shutil.rmtree(place)
        records.append(
            {"people": memory_people, "crop_size": list(MEMORY_CROP)}
            | {f"{name}_ms_per_person": None for name in ("build", "write", "load")}
            | {"store_bytes": _store_bytes(memory_people, MEMORY_CROP), **of_all}
        )
    return records


def require_room(sizes: Sequence[int], folder: Path, *, memory_people: int = 0) -> None:
    """Check that stores of so many people fit the folder's disk."""
    # All stores stay, and a plain file of the same size is written next to them.
    needed = _store_bytes(sum(sizes) + max(sizes), CROP) + _store_bytes(memory_people, MEMORY_CROP)
    needed += (sum(sizes) + memory_people) * _ANNOTATION_BYTES
    files.require_room(
        folder,
        needed,
        what=f"stores of {sum(sizes) + memory_people} people",
        advice="give --folder on another disk, or a smaller --growth or --memory-people",
        spare=needed // 5,
    )


def memory_taken(folder: Path, crop: tuple[int, int]) -> dict[str, int]:
    """Return the peak memory of this process, in total and above the start, for the work of a run.

    The work is to read a data set and choose labelled people, build the store of its people, and
    load an epoch. Nobody is held out: these frames are links to a few pictures, and training leaves
    out pictures of tested people.
    """
    before = resident_bytes()
    config = load_config(
        overrides={"data.path": str(folder), "data.labels": "10%", "data.test_fraction": 0.0}
    )
    growing = _Growing(make_sets(config.data).train, folder, crop)
    growing.build()
    growing.load()
    peak = resident_bytes(peak=True)
    return {"peak_growth_bytes": peak - before, "peak_bytes": peak}


def _repeated(task: Task, times: int) -> Task:
    return lambda: [task() for _ in range(times)]


def _make(people: int, folder: Path) -> None:
    make_frames(SMALL, people, folder, random=np.random.default_rng(0))


def _whole(folder: Path) -> PoseDataset:
    return next(iter(load_dataset(folder).values()))


def _window_side(crop: tuple[int, int]) -> int:
    return region_size(crop, largest_scale=1 + EASY_VIEW.scale)


def _store_bytes(people: int, crop: tuple[int, int]) -> int:
    return people * _window_side(crop) ** 2 * 3


def _in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    # A process that has measured before would reuse freed memory, which would go unnoticed.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


class _Growing:
    """People whose store is built and read repeatedly."""

    def __init__(self, people: PoseDataset, folder: Path, crop: tuple[int, int]) -> None:
        self._people = people
        self._folder = folder
        self._crop = crop
        self._window = (_window_side(crop),) * 2

    def __len__(self) -> int:
        return len(self._people)

    def build(self) -> None:
        shutil.rmtree(self._folder / "store", ignore_errors=True)
        (store,) = open_crop_stores(
            self._people,
            crop_size=self._crop,
            window_size=self._window,
            folder=self._folder / "store",
        )
        self._maker = batch_maker(store, self._people)
        everyone = np.arange(len(self))
        self._sampler = PairSampler(everyone, everyone, BATCH, 0, epoch_steps=LOADED // BATCH)

    def write(self) -> None:
        """Write a file as large as the store to disk, and delete it."""
        path = self._folder / "plain.npy"
        row = np.zeros((*self._window, 3), np.uint8)
        file = PixelFile.create(path, (len(self), *row.shape))
        for person in range(len(self)):
            file.write(person, row)
        file.flush()
        path.unlink()

    def load(self) -> None:
        """Load an epoch of batches, 2 LOADED people, to finished tensors and targets."""
        labelled, unlabelled = self._sampler.epoch(0)
        for step, (rows, pool) in enumerate(zip(labelled, unlabelled, strict=True)):
            self._maker.finish(self._maker.read(rows, pool, step_generator(0, 0, step)))


_ANNOTATION_BYTES = 512
"""Bytes of a person in the annotation file, rounded up."""
