"""What a grid would take: state, optimiser steps and time of every cell, before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.grid.grid import Cell
from benchmarks.layout import ComparisonFolder
from benchmarks.results.results import read_cell
from sspcm.config import TrainConfig
from sspcm.runs.folder import RunFolder


@dataclass(frozen=True)
class Estimate:
    """What a cell would take.

    Attributes:
        name: of the cell.
        state: `finished`, `4 of 12 epochs` or `missing`.
        steps: optimiser steps in all; None where the data are not there to count.
        seconds: of training that is left; None where no finished cell tells.
    """

    name: str
    state: str
    steps: int | None
    seconds: float | None


def estimate(cells: Sequence[Cell], place: ComparisonFolder) -> list[Estimate]:
    """Estimates of the cells, from the speed of finished ones of the folder.

    A cell's speed is that of finished cells with its method, networks, crops and batch size; where
    there is none, nothing is guessed. The time is that of training alone, on the machine that the
    finished cells ran on.
    """
    speeds: dict[tuple[object, ...], list[float]] = {}
    for path in sorted(place.cells.glob("*")):
        if not RunFolder(path).finished:
            continue
        done = read_cell(path)
        if done.result.steps and done.result.training_seconds:
            speed = done.result.training_seconds / done.result.steps
            speeds.setdefault(_kind(done.config), []).append(speed)
    pools: dict[object, int] = {}
    found = []
    for cell in cells:
        run = RunFolder(place.cell(cell.name))
        epochs = len(run.read_metrics())
        share = 0.0 if run.finished else 1 - epochs / cell.config.optimisation.epochs
        state = f"{epochs} of {cell.config.optimisation.epochs} epochs" if epochs else "missing"
        steps = _steps(cell.config, pools)
        known = speeds.get(_kind(cell.config))
        seconds = 0.0 if run.finished else None
        if not run.finished and known and steps is not None:
            seconds = float(np.mean(known)) * steps * share
        found.append(Estimate(cell.name, "finished" if run.finished else state, steps, seconds))
    return found


def estimate_lines(estimates: Sequence[Estimate], *, jobs: int) -> list[str]:
    """The estimates as lines of text, with totals."""
    width = max(len(item.name) for item in estimates)
    lines = [f"{'cell':{width}}  {'state':>14}  {'steps':>8}  {'minutes left':>12}"]
    for item in estimates:
        steps = "unknown" if item.steps is None else f"{item.steps}"
        minutes = "unknown" if item.seconds is None else f"{item.seconds / 60:.1f}"
        lines.append(f"{item.name:{width}}  {item.state:>14}  {steps:>8}  {minutes:>12}")
    known = [item.seconds for item in estimates if item.seconds is not None]
    unknown = len(estimates) - len(known)
    left = [item for item in estimates if item.state != "finished"]
    lines.append(f"{len(estimates)} cells, {len(left)} to run")
    if not left:
        return lines
    if unknown:
        lines.append(
            f"time of {unknown} cells: unknown, as no finished cell of this folder has their "
            "method, networks, crops and batch size"
        )
    if any(known):
        each = f"; {jobs} at a time" if jobs > 1 else ""
        lines.append(
            f"about {sum(known) / 3600:.2f} hours of training in all{each}, at the speed of the "
            "finished cells; data, crops and evaluation come on top"
        )
    return lines


def _kind(config: TrainConfig) -> tuple[object, ...]:
    """What decides the time of an optimiser step."""
    return (
        config.method.name,
        repr(config.method.options),
        config.network,
        config.student,
        config.data.crop_size,
        config.optimisation.batch_size,
        # A burn-in is faster than the rest.
        config.optimisation.burn_in_epochs / config.optimisation.epochs,
    )


def _steps(config: TrainConfig, pools: dict[object, int]) -> int | None:
    """Optimiser steps of a run; None where they depend on data that are not there."""
    from sspcm.data.sampler import PairSampler
    from sspcm.data.sets import make_sets
    from wepdtof_pose.errors import InputError

    optimisation = config.optimisation
    if optimisation.epoch_steps:
        return optimisation.epochs * optimisation.epoch_steps
    if config.data not in pools:
        try:
            sets = make_sets(config.data, released=config.method.recipe == "released")
        except InputError:
            return None
        sampler = PairSampler(sets.labelled, sets.unlabelled, optimisation.batch_size, config.seed)
        pools[config.data] = sampler.steps
    return optimisation.epochs * pools[config.data]
