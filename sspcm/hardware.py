"""What the machine gives: device, precision and memory layout, and a record of it all."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import resource
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, get_args

import torch
from torch import nn

from sspcm.choices import ComputePrecision
from wepdtof_pose.cores import usable_cores
from wepdtof_pose.errors import InputError

Module = TypeVar("Module", bound=nn.Module)

_PACKAGES = ("wepdtof-pose", "torch", "numpy", "pandas", "opencv-python-headless", "pycocotools")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt, in bytes: how much freed memory is kept, and from which size on an
allocation is not taken from the heap."""
_KEPT, _LARGEST_OF_HEAP = 2**30, 2**25
"""Their values; glibc takes no more than 32 MiB for the second."""


@dataclass(frozen=True)
class Hardware:
    """Where and how a run computes.

    Attributes:
        device: where the networks live.
        precision: dtype of the networks' passes under autocast; float32 is without autocast.
        memory_format: layout of images and convolution weights.
    """

    device: torch.device
    precision: torch.dtype
    memory_format: torch.memory_format = torch.channels_last

    def autocast(self) -> torch.autocast:
        """Return the autocast context of the networks' passes; it does nothing in float32."""
        enabled = self.precision is not torch.float32
        return torch.autocast(self.device.type, dtype=self.precision, enabled=enabled)

    def place(self, module: Module) -> Module:
        """Return the module, moved to the device and this memory layout."""
        return in_memory_format(module.to(self.device), self.memory_format)

    def keep_freed_memory(self, most: int = _KEPT) -> None:
        """Let the process keep freed memory, up to `most` bytes, for what is allocated next.

        The tensors of a step on a CPU are freed at its end. By default glibc hands most of that
        memory back to the system, and fetches it anew, page by page, in the next step;
        `sspcm-bench speed` measures what that costs. Nothing is changed on a GPU, where malloc is
        not glibc's, and where the environment says what malloc is to do.
        """
        told = any(name.startswith("MALLOC_") for name in os.environ)
        told |= "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
        if told or self.device.type != "cpu" or sys.platform != "linux":
            return
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGEST_OF_HEAP)
            mallopt(_M_TRIM_THRESHOLD, most)


def in_memory_format(module: Module, layout: torch.memory_format) -> Module:
    """Return the module, the weights of its convolutions moved to this memory layout."""
    # The types of torch do not have this keyword.
    return module.to(memory_format=layout)  # type: ignore[call-overload]


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which pixels and positions are computed in their own precision.

    Under autocast a convolution of pixels or maps would run in bfloat16, of which 8 bits are exact.
    """
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def choose_hardware(
    device: str, precision: str, *, local_rank: int = 0, by: str = "--device"
) -> Hardware:
    """Return the device and precision that a configuration asks for.

    `auto` takes CUDA where there is one, and bfloat16 where the hardware is fast at it: CUDA from
    compute capability 8.0 on, CPUs with bfloat16 instructions. A CUDA device without a number is
    that of the process's local rank. Float32 on CUDA is exact: TF32 is switched off.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `auto`, `float32` or `bfloat16`.
        local_rank: number of the process on this machine.
        by: what names the device, for errors.

    Raises:
        InputError: a CUDA device is asked for and not there, or a name is unknown.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise InputError(
            f"unknown device {device!r} ({by}): choose --device auto, cpu, cuda or cuda:N"
        )
    if chosen.type == "cuda" and not torch.cuda.is_available():
        built = "" if torch.version.cuda else ", and this torch is one for the CPU alone"
        raise InputError(
            f"device {device!r} asked for ({by}), but torch sees no CUDA device here{built}: "
            "choose --device cpu or auto, or install the GPU's driver and a torch with CUDA"
        )
    if chosen.type == "cuda":
        chosen = torch.device("cuda", local_rank if chosen.index is None else chosen.index)
        count = torch.cuda.device_count()
        if chosen.index >= count:
            raise InputError(
                f"device {str(chosen)!r} asked for, but torch sees {count} CUDA devices here, "
                "numbered from 0: choose another --device"
            )
    if precision not in get_args(ComputePrecision):
        known = ", ".join(get_args(ComputePrecision))
        raise InputError(f"unknown precision {precision!r}: choose one of {known}")
    if precision == "auto":
        precision = "bfloat16" if _fast_bfloat16(chosen) else "float32"
    if precision == "float32" and chosen.type == "cuda":
        # Torch multiplies in TF32 otherwise, with 10 bits of mantissa.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return Hardware(device=chosen, precision=getattr(torch, precision))


def environment(hardware: Hardware) -> dict[str, Any]:
    """Return the versions and hardware of a run, for its env.json."""
    device = _cpu_name()
    if hardware.device.type == "cuda":
        device = torch.cuda.get_device_name(hardware.device)
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "sources": _source_hash(),
        "device": device,
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "precision": str(hardware.precision).removeprefix("torch."),
    }


def peak_memory(hardware: Hardware) -> int:
    """Return the peak memory of this process in bytes: of the GPU in use, else resident."""
    if hardware.device.type == "cuda":
        return torch.cuda.max_memory_allocated(hardware.device)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if sys.platform == "darwin" else 1024)


def _fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Emulated bfloat16 is slower than float32, so ask for the instructions themselves.
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512") and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _source_hash() -> str:
    """Return the hash of the code that makes the numbers: in development a version has several."""
    digest = hashlib.sha256()
    for package in ("sspcm", "wepdtof_pose"):
        root = Path(__file__).resolve().parents[1] / package
        for file in sorted(root.rglob("*.py")):
            digest.update(f"{file.relative_to(root.parent).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed as a package"
