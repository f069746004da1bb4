"""Time several tasks in turn, so that other load on the machine affects all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

Task = Callable[[], object]


def interleaved(tasks: Mapping[str, Task], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each task's repetitions, after one uncounted round as warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return how many times longer `slow` took: the median over pairs of repetitions."""
    return median(a / b for a, b in zip(slow, fast, strict=True))


def resident_bytes(*, peak: bool = False) -> int:
    """Return the resident memory of this process, now or at its peak; 0 if the system does not say.

    `getrusage` also has a peak, but in a new process it starts from the parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = [line for line in lines if line.startswith("VmHWM:" if peak else "VmRSS:")]
    return int(found[0].split()[1]) * 1024 if found else 0
