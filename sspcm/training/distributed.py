"""Several processes: torchrun starts them, torch.distributed joins them, one writes the run folder.

Every process has its own random stream and its own share of each batch and of the test people.
Gradients are averaged over processes; the batch size is that of one process, as published.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sspcm.methods.method import Method
from sspcm.networks.averages import AveragedWeights
from wepdtof_pose.errors import InputError

_PATIENCE = timedelta(days=1)
"""How long a process waits for the others: one of them may decode or label a whole data set, and
torchrun ends them all where one fails."""


@dataclass(frozen=True)
class Processes:
    """This process among all of a run."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes the run folder and prints."""
        return self.rank == 0

    def share(self, people: int) -> slice:
        """The consecutive part of so many people that this process handles."""
        edges = [people * rank // self.count for rank in range(self.count + 1)]
        return slice(edges[self.rank], edges[self.rank + 1])

    def gather(self, part: Any) -> list[Any]:
        """The parts of all processes, in rank order, on every process."""
        if self.count == 1:
            return [part]
        parts: list[Any] = [None] * self.count
        distributed.all_gather_object(parts, part)
        return parts

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()

    @contextmanager
    def writer_first(self) -> Iterator[None]:
        """The writing process runs the block before all others."""
        if self.count > 1 and not self.writes:
            distributed.barrier()
        yield
        if self.count > 1 and self.writes:
            distributed.barrier()


def is_writer() -> bool:
    """Whether this process, of those that torchrun started, is the one that writes and prints."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """The processes that torchrun started, joined for the time of the block; one without it.

    Raises:
        InputError: several processes on one named CUDA device, or more of them than GPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    if device.startswith("cuda:"):
        raise InputError(f"device {device!r} with {count} processes: use cuda, one GPU a process")
    on_gpu = device != "cpu" and torch.cuda.is_available()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if on_gpu:
        gpus = torch.cuda.device_count()
        if local_rank >= gpus:
            raise InputError(f"process {local_rank + 1} on a machine with {gpus} GPUs: one each")
        torch.cuda.set_device(local_rank)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        timeout=_PATIENCE,
        device_id=torch.device("cuda", local_rank) if on_gpu else None,
    )
    yield Processes(distributed.get_rank(), distributed.get_world_size(), local_rank)
    # Not where the block fails: with NCCL it waits for the others, which may wait for this process.
    # Its error is to be printed, and torchrun then ends them.
    distributed.destroy_process_group()


def distribute(method: Method, processes: Processes, *, synchronise_batchnorm: bool) -> nn.Module:
    """The method as every process calls it: itself, or wrapped whole in DDP.

    Raises:
        InputError: synchronised BatchNorm on a CPU, where torch has none.
    """
    device = next(method.parameters()).device
    if synchronise_batchnorm and processes.count > 1 and device.type != "cuda":
        raise InputError("synchronise_batchnorm needs CUDA devices: torch has none for the CPU")
    if processes.count == 1:
        return method
    return DistributedDataParallel(
        method,
        device_ids=[device.index] if device.type == "cuda" else None,
        find_unused_parameters=method.idle_parameters,
    )


def synchronise_buffers(
    method: Method, processes: Processes, averaged: AveragedWeights | None = None
) -> None:
    """Give every process the buffers (BatchNorm statistics) of the first, and its averages.

    Called before a method's `end_epoch`, so that what is copied there is the same everywhere.
    """
    if processes.count > 1:
        averages = [] if averaged is None else averaged.averages
        for buffer in (*method.buffers(), *averages):
            distributed.broadcast(buffer, src=0)


def require_identical(method: Method, processes: Processes) -> None:
    """Check that all processes hold the same networks, lagged copies included.

    Raises:
        RuntimeError: they differ; the message names the first entry.
    """
    if processes.count == 1:
        return
    sums = {
        name: float(value.double().sum())
        for name, value in method.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
    everywhere = processes.gather(sums)
    for name, value in sums.items():
        found = {part[name] for part in everywhere}
        # NaN is unequal to itself, and a run with NaN weights should stop as well.
        if len(found) > 1 or value != value:
            raise RuntimeError(f"{name} differs between processes or is not a number: {found}")
