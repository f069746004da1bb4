"""Run cells on this machine, each in a process of its own that ends with this process."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Any

from benchmarks.running.cell_run import run_cell
from benchmarks.running.launching import Event, Task
from wepdtof_pose.cores import (
    Terminated,
    end_with_parent,
    orderly_end,
    unheard_interrupts,
    usable_cores,
)
from wepdtof_pose.errors import InputError

_EXIT_CODES = {"done": 0, "failed": 1, "busy": 75}
_STATES = {code: state for state, code in _EXIT_CODES.items()}


def check(options: Mapping[str, Any]) -> None:
    """Check that there are no options."""
    if options:
        raise InputError("--launcher-set is for --launcher slurm and ray")


def launch(
    tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
) -> Iterator[Event]:
    """Run the tasks, `jobs` at a time (one by default).

    With GPUs, each job sees one of them. On a CPU, the cores are divided among the jobs, unless
    OMP_NUM_THREADS sets the threads of a process. Results depend on the number of threads, so it
    stays the same however few tasks are left.
    """
    jobs = max(1, jobs)
    # A fork server that has loaded torch starts a clean process per cell within milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sspcm.training.train"])
    gpus = visible_gpus() if device in ("auto", "cuda") else []
    threads = threads_of_a_job(jobs)
    waiting, free = list(tasks), list(range(jobs))
    running: dict[int, tuple[Any, int, Task]] = {}
    try:
        while waiting or running:
            while waiting and free:
                task, slot = waiting.pop(0), free.pop(0)
                gpu = gpus[slot % len(gpus)] if gpus else None
                process = context.Process(target=_work, args=(task, gpu, threads))
                with unheard_interrupts():
                    process.start()
                running[process.sentinel] = process, slot, task
                yield Event(task.name, "started")
            for sentinel in wait(list(running)):
                process, slot, task = running.pop(sentinel)  # type: ignore[arg-type]
                process.join()
                free.append(slot)
                yield _event(task.name, process.exitcode)
    finally:
        for process, _, _ in running.values():
            process.terminate()


def visible_gpus() -> list[str]:
    """Return the values of CUDA_VISIBLE_DEVICES that show one GPU each."""
    import torch

    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or [str(number) for number in range(count)])[:count]


def threads_of_a_job(jobs: int) -> int | None:
    """Return the CPU threads for each job; None leaves the choice to torch."""
    if jobs == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, usable_cores() // jobs)


def _work(task: Task, gpu: str | None, threads: int | None) -> None:
    end_with_parent()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    try:
        with orderly_end():
            state = run_cell(task.folder, task.name, task.config, task.where)
    except Terminated:
        sys.exit(143)
    sys.exit(_EXIT_CODES[state])


def _event(name: str, code: int) -> Event:
    if code in _STATES:
        return Event(name, _STATES[code])
    return Event(name, "failed", f"its process ended with {code}")
