"""Estimate a grid before it is run: state, optimiser steps and time of every cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.grid.grid import Cell
from benchmarks.layout import ComparisonFolder
from benchmarks.results.results import read_cell
from sspcm.assembly import method_of
from sspcm.config import TrainConfig
from sspcm.runs.folder import RunFolder
from sspcm.training.burn_in import burn_in_config, burn_in_name
from wepdtof_pose.errors import counted
from wepdtof_pose.keypoints import get_keypoint_set


@dataclass(frozen=True)
class Estimate:
    """The cost of a cell, or of a burn-in that cells share.

    Attributes:
        name: of the cell or burn-in.
        state: `finished`, `4 of 12 epochs` or `missing`.
        steps: total optimiser steps, without those of a burn-in with a line of its own; None if the
            data are missing.
        seconds: remaining time of training; None if nothing comparable is finished.
        burn_in: whether it is a burn-in.
    """

    name: str
    state: str
    steps: int | None
    seconds: float | None
    burn_in: bool = False


def estimate(cells: Sequence[Cell], place: ComparisonFolder) -> list[Estimate]:
    """Return estimates of the cells, each preceded by the burn-ins that it is the first to need.

    Times are for training only, at the speed of finished runs in the folder: cells with the same
    method, networks, crops and batch size, and burn-ins with the same network. Without such runs,
    no time is guessed. A burn-in that several cells share is counted once.
    """
    speeds: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for path in sorted(place.cells.glob("*")):
        if not RunFolder(path).finished:
            continue
        done = read_cell(path)
        steps = (done.result.steps or 0) * (1 - _burn_in_share(done.config))
        if steps and done.result.training_seconds:
            speeds[_kind(done.config)].append(done.result.training_seconds / steps)
    burnt = _burn_in_runs(place)
    for run in burnt.values():
        result = run.read_result() if run.finished else None
        if result and result.steps and result.training_seconds:
            speeds[_kind(run.load_config())].append(result.training_seconds / result.steps)
    pools: dict[object, int] = {}
    found: list[Estimate] = []
    seen: set[str] = set()
    for cell in cells:
        run = RunFolder(place.cell(cell.name))
        burn_in_epochs = cell.config.optimisation.burn_in_epochs
        if burn_in_epochs and not run.finished and not run.read_metrics():
            for config in _burn_ins_of(cell.config):
                name = burn_in_name(config, {})
                if name not in seen:
                    seen.add(name)
                    shown = name.rsplit("-", 1)[0].replace("-", f"-{cell.config.data.labels}-", 1)
                    line = _estimate(f"burn-in-{shown}", config, burnt.get(name), speeds, pools)
                    found.append(replace(line, burn_in=True))
        found.append(_estimate(cell.name, cell.config, run, speeds, pools, skipped=burn_in_epochs))
    return found


def estimate_lines(estimates: Sequence[Estimate], *, jobs: int) -> list[str]:
    """Return the estimates as lines of text, with totals."""
    width = max(len(item.name) for item in estimates)
    lines = [f"{'cell':{width}}  {'state':>14}  {'steps':>8}  {'minutes left':>12}"]
    for item in estimates:
        steps = "unknown" if item.steps is None else f"{item.steps}"
        minutes = "unknown" if item.seconds is None else f"{item.seconds / 60:.1f}"
        lines.append(f"{item.name:{width}}  {item.state:>14}  {steps:>8}  {minutes:>12}")
    cells = [item for item in estimates if not item.burn_in]
    known = [item.seconds for item in estimates if item.seconds is not None]
    unknown = len(estimates) - len(known)
    left = [item for item in cells if item.state != "finished"]
    lines.append(f"{counted(len(cells), 'cell')}, {len(left)} to run")
    if not left:
        return lines
    if unknown:
        lines.append(
            f"time unknown for {unknown} of the lines above, as "
            "nothing finished in this folder has their method, networks, crops and batch size"
        )
    if any(known):
        total = f"about {sum(known) / 3600:.2f} hours of training in all"
        if jobs > 1:
            wall = max(sum(known) / jobs, *known)
            total += f", {wall / 3600:.2f} with {jobs} at a time where each has its own cores"
        lines.append(f"{total}, at the speed of what is finished; data and scoring come on top")
    return lines


def _estimate(
    name: str,
    config: TrainConfig,
    run: RunFolder | None,
    speeds: Mapping[tuple[object, ...], Sequence[float]],
    pools: dict[object, int],
    *,
    skipped: int = 0,
) -> Estimate:
    """Return the estimate of a run without its first `skipped` epochs, done by a burn-in."""
    epochs = config.optimisation.epochs
    done = len(run.read_metrics()) if run is not None else 0
    steps = _steps(config, pools, epochs=epochs - skipped)
    if run is not None and run.finished:
        return Estimate(name, "finished", steps, 0.0)
    state = f"{done} of {epochs} epochs" if done else "missing"
    share = (epochs - max(done, skipped)) / (epochs - skipped)
    known = speeds.get(_kind(config))
    seconds = float(np.mean(known)) * steps * share if known and steps is not None else None
    return Estimate(name, state, steps, seconds)


def _burn_in_runs(place: ComparisonFolder) -> dict[str, RunFolder]:
    """Return the run folders of burn-ins, by the name that follows from their configuration."""
    runs = [RunFolder(path.parent) for path in sorted(place.burn_ins.glob("*/config.yaml"))]
    return {burn_in_name(run.load_config(), {}): run for run in runs}


def _burn_ins_of(config: TrainConfig) -> list[TrainConfig]:
    """Return the configurations of the burn-ins that a run starts from."""
    joints = get_keypoint_set("wepdtof-pose-14")
    method = method_of(config, joints, labelled=np.arange(len(joints)), pretrained=False)
    roles = dict.fromkeys(method.burn_in_roles().values())
    return list(
        {burn_in_name(c, {}): c for c in (burn_in_config(config, r) for r in roles)}.values()
    )


def _burn_in_share(config: TrainConfig) -> float:
    return config.optimisation.burn_in_epochs / config.optimisation.epochs


def _kind(config: TrainConfig) -> tuple[object, ...]:
    """Return the settings that determine the time of an optimiser step."""
    options = {key: value for key, value in config.method.options.items() if key != "role"}
    return (
        config.method.name,
        repr(options),
        config.network,
        config.student,
        config.data.crop_size,
        config.optimisation.batch_size,
    )


def _steps(config: TrainConfig, pools: dict[object, int], *, epochs: int) -> int | None:
    """Return the optimiser steps of so many epochs; None if they depend on missing data."""
    from sspcm.data.sampler import PairSampler
    from sspcm.data.sets import make_sets
    from wepdtof_pose.errors import InputError

    optimisation = config.optimisation
    if optimisation.epoch_steps:
        return epochs * optimisation.epoch_steps
    if config.data not in pools:
        try:
            sets = make_sets(config.data, released=config.released)
        except InputError:
            return None
        sampler = PairSampler(sets.labelled, sets.unlabelled, optimisation.batch_size, config.seed)
        pools[config.data] = sampler.steps
    return epochs * pools[config.data]
