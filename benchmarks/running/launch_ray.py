"""Run cells as tasks of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.running.cell_run import run_cell
from benchmarks.running.launching import Event, Task, first_line
from wepdtof_pose.errors import InputError

RESOURCES = ("num_cpus", "num_gpus", "memory")
"""Options of a task; others, such as `address`, are arguments of `ray.init`."""


def check(options: Mapping[str, Any]) -> None:
    """Accept all options: they cannot be checked before Ray is started."""


def launch(
    tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
) -> Iterator[Event]:
    """Run the tasks on the cluster, which shares this file system, and wait for them.

    The option `address` (or RAY_ADDRESS) names a cluster; without it, Ray is started on this
    machine. A task takes one GPU if the cluster has any and the device is not the CPU. `jobs`
    limits the number of tasks at a time.
    """
    import ray

    resources = {key: options[key] for key in RESOURCES if key in options}
    arguments = {key: value for key, value in options.items() if key not in RESOURCES}
    started = not ray.is_initialized()
    try:
        try:
            if started:
                ray.init(**{"include_dashboard": False, "log_to_driver": False, **arguments})
            if device != "cpu" and ray.cluster_resources().get("GPU"):
                resources.setdefault("num_gpus", 1)
            # A process per cell, so that each measures its own peak memory. As everywhere, a cell
            # that dies is left to the next run of the grid.
            remote = ray.remote(max_calls=1, max_retries=0, **resources)(run_cell)
        except (RuntimeError, ConnectionError, TypeError, ValueError) as error:
            # An unknown option, or an address where nobody answers.
            raise InputError(f"--launcher ray: {first_line(error)}") from None
        yield from _run(ray, remote, tasks, jobs or len(tasks))
    finally:
        if started:
            ray.shutdown()


def _run(ray: Any, remote: Any, tasks: Sequence[Task], jobs: int) -> Iterator[Event]:
    waiting = list(tasks)
    running: dict[Any, Task] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop(0)
            handle = remote.remote(task.folder, task.name, task.config, task.where)
            running[handle] = task
            yield Event(task.name, "submitted")
        finished, _ = ray.wait(list(running), num_returns=1)
        for handle in finished:
            task = running.pop(handle)
            try:
                yield Event(task.name, ray.get(handle))
            except ray.exceptions.RayError as error:
                yield Event(task.name, "failed", first_line(error))
