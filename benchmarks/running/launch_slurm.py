"""Run cells as a job array of a Slurm cluster, through submitit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.running.cell_run import run_cell
from benchmarks.running.launching import Event, Task, first_line
from wepdtof_pose.errors import InputError

TIMEOUT_MINUTES = 24 * 60
"""Default time limit of a task; submitit's own is a few minutes."""


def check(options: Mapping[str, Any]) -> None:
    """Check the options.

    Raises:
        InputError: submitit does not know an option, or there is no Slurm here.
    """
    with tempfile.TemporaryDirectory() as folder:
        _executor(Path(folder), options, jobs=0, device="cpu")


def launch(
    tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
) -> Iterator[Event]:
    """Submit one array with a task per cell; on Slurm, do not wait for it.

    Options are submitit's parameters (`slurm_partition`, `cpus_per_task`, `mem_gb`, ...); `cluster`
    chooses another executor of submitit (`local` runs the array on this machine, and is waited
    for). A task may take TIMEOUT_MINUTES, or the option `timeout_min`, and requests one GPU unless
    the device is the CPU. `jobs` limits how many tasks of the array run at a time. Submitting again
    does no harm: the task of a cell that is finished, or that another task runs, ends within
    seconds and changes nothing.

    Raises:
        InputError: the cluster refuses the array, for example because of an unknown partition.
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
            # A cell that fails writes to its own log; here the process died.
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
        # submitit raises many kinds of errors for wrong parameters.
        raise _refused(error) from None
    return executor


def _refused(error: Exception) -> InputError:
    return InputError(f"--launcher slurm: {first_line(error)}")


def _last_line(error: Exception) -> str:
    """Return the last line of the traceback that submitit passes on: the error itself."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
