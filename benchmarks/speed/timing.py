"""Times of several tasks taken in turn, so that whatever else the machine does meets them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Task = Callable[[], object]


def interleaved(tasks: Mapping[str, Task], repeats: int) -> dict[str, list[float]]:
    """Seconds of every repetition of each task; one round before them warms up, uncounted."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times longer `slow` took: the median over the repetitions taken together."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def median(values: list[float]) -> float:
    """The median in seconds."""
    return statistics.median(values)


def resident_bytes(*, peak: bool = False) -> int:
    """Memory of this process in RAM, now or at its peak; 0 where the system does not say.

    `getrusage` has a peak too, but that of a new process starts from its parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = [line for line in lines if line.startswith("VmHWM:" if peak else "VmRSS:")]
    return int(found[0].split()[1]) * 1024 if found else 0
