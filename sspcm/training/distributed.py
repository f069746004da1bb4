"""Training in several processes: torchrun starts them, and one of them writes the run folder.

Each process has its own random stream and its own share of the batches and the test people.
Gradients are averaged over processes; as published, the batch size is that of one process.
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
"""How long a process waits for the others: one may be decoding or labelling a whole data set, and
if one fails, torchrun ends them all."""


@dataclass(frozen=True)
class Processes:
    """This process among all processes of a run."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes the run folder and prints."""
        return self.rank == 0

    def share(self, people: int) -> slice:
        """Return the consecutive slice of `people` that this process handles."""
        edges = [people * rank // self.count for rank in range(self.count + 1)]
        return slice(edges[self.rank], edges[self.rank + 1])

    def gather(self, part: Any) -> list[Any]:
        """Return the parts of all processes, in rank order; every process gets all of them."""
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
        """Run the block in the writing process first, then in the others."""
        if self.count > 1 and not self.writes:
            distributed.barrier()
        yield
        if self.count > 1 and self.writes:
            distributed.barrier()


def is_writer() -> bool:
    """Return whether this is the process, among those of torchrun, that writes and prints."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started for the block; without torchrun there is one.

    Raises:
        InputError: several processes on one named CUDA device, or more processes than GPUs.
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
    # Not if the block fails: with NCCL this waits for the others, which may wait for this process.
    # The error must be printed; torchrun then ends the others.
    distributed.destroy_process_group()


def distribute(method: Method, processes: Processes, *, synchronise_batchnorm: bool) -> nn.Module:
    """Return the method as every process calls it: as it is, or wrapped in DDP.

    Raises:
        InputError: synchronised BatchNorm on a CPU, which torch does not support.
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
    """Copy the buffers (BatchNorm statistics) and averages of the first process to all others.

    Call it before a method's `end_epoch`, so that all processes copy the same networks there.
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
        # NaN is unequal to itself; a run with NaN weights should stop, too.
        if len(found) > 1 or value != value:
            raise RuntimeError(f"{name} differs between processes or is not a number: {found}")
