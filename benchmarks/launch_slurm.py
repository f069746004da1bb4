"""Cells as a job array of a Slurm cluster, through submitit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cell_run import run_cell
from benchmarks.launching import Event, Task, missing_engine
from wepdtof_pose.errors import InputError


def launch(
    tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
) -> Iterator[Event]:
    """Submit one array with a task a cell, and leave it to the cluster.

    Options are submitit's parameters (`slurm_partition`, `timeout_min`, `mem_gb`, ...); `cluster`
    chooses another executor of submitit (`local` runs the array on this machine, and is waited
    for). A task asks for one GPU unless the device is the CPU. `jobs` limits how many tasks of the
    array run at a time. A task of a cell that another one runs, or that is finished, ends at once,
    so that submitting again does no harm.
    """
    try:
        import submitit
    except ImportError:
        raise missing_engine("submitit", "slurm") from None

    settings = dict(options)
    cluster = settings.pop("cluster", None)
    folder = Path(tasks[0].folder) / "slurm"
    try:
        executor = submitit.AutoExecutor(folder=folder / "%j", cluster=cluster)
        if executor.cluster == "slurm":
            if jobs:
                settings.setdefault("slurm_array_parallelism", jobs)
            if device != "cpu":
                settings.setdefault("gpus_per_node", 1)
        executor.update_parameters(name="sspcm-bench", **settings)
    except (RuntimeError, NameError, TypeError, ValueError) as error:
        # submitit has a class of its own for each way in which a parameter can be wrong.
        raise InputError(f"--launcher slurm: {str(error).splitlines()[0]}") from None
    submitted = executor.map_array(
        run_cell,
        [task.folder for task in tasks],
        [task.name for task in tasks],
        [task.config for task in tasks],
        [task.where for task in tasks],
    )
    for task, job in zip(tasks, submitted, strict=True):
        yield Event(task.name, "submitted", f"job {job.job_id}")
    if executor.cluster == "slurm":
        return
    for task, job in zip(tasks, submitted, strict=True):
        try:
            yield Event(task.name, job.result())
        except Exception as error:
            # A job's own failure is written to the cell's log; this is a process that died.
            yield Event(task.name, "failed", f"job {job.job_id}: {_last_line(error)}")


def _last_line(error: Exception) -> str:
    """The end of a traceback, as submitit hands it over, is what went wrong."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
