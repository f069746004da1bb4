"""Cells as a job array of a Slurm cluster, through submitit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.running.cell_run import run_cell
from benchmarks.running.launching import Event, Task, first_line
from wepdtof_pose.errors import InputError

TIMEOUT_MINUTES = 24 * 60
"""Time limit of a task where none is given; submitit's own is a few minutes."""


def check(options: Mapping[str, Any]) -> None:
    """Check the options.

    Raises:
        InputError: submitit does not know one, or there is no Slurm here.
    """
    with tempfile.TemporaryDirectory() as folder:
        _executor(Path(folder), options, jobs=0, device="cpu")


def launch(
    tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
) -> Iterator[Event]:
    """Submit one array with a task a cell, and leave it to the cluster where it is Slurm.

    Options are submitit's parameters (`slurm_partition`, `cpus_per_task`, `mem_gb`, ...); `cluster`
    chooses another executor of submitit (`local` runs the array on this machine, and is waited
    for). A task may take TIMEOUT_MINUTES, or `timeout_min` of the options, and asks for one GPU
    unless the device is the CPU. `jobs` limits how many tasks of the array run at a time. A task of
    a cell that another one runs, or that is finished, ends within seconds and changes nothing, so
    that submitting again does no harm.

    Raises:
        InputError: the cluster does not take the array, an unknown partition for example.
    """
    executor = _executor(Path(tasks[0].folder) / "slurm" / "%j", options, jobs=jobs, device=device)
    try:
        submitted = executor.map_array(
            run_cell,
            [task.folder for task in tasks],
            [task.name for task in tasks],
            [task.config for task in tasks],
            [task.where for task in tasks],
        )
    except (RuntimeError, OSError) as error:
        raise _refused(error) from None
    # Slurm's name of the limit, then that of submitit's other executors.
    limit = executor.parameters.get("time", executor.parameters.get("timeout_min"))
    for task, job in zip(tasks, submitted, strict=True):
        yield Event(task.name, "submitted", f"job {job.job_id}, at most {limit} minutes")
    if executor.cluster == "slurm":
        return
    for task, job in zip(tasks, submitted, strict=True):
        try:
            yield Event(task.name, job.result())
        except Exception as error:
            # A job's own failure is written to the cell's log; this is a process that died.
            yield Event(task.name, "failed", f"job {job.job_id}: {_last_line(error)}")


def _executor(folder: Path, options: Mapping[str, Any], *, jobs: int, device: str) -> Any:
    import submitit

    settings = dict(options)
    cluster = settings.pop("cluster", None)
    settings.setdefault("timeout_min", TIMEOUT_MINUTES)
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        if executor.cluster == "slurm":
            if jobs:
                settings.setdefault("slurm_array_parallelism", jobs)
            if device != "cpu":
                settings.setdefault("gpus_per_node", 1)
        executor.update_parameters(name="sspcm-bench", **settings)
    except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as error:
        # submitit has a class of its own for each way in which a parameter can be wrong.
        raise _refused(error) from None
    return executor


def _refused(error: Exception) -> InputError:
    return InputError(f"--launcher slurm: {first_line(error)}")


def _last_line(error: Exception) -> str:
    """The end of a traceback, as submitit hands it over, is what went wrong."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
