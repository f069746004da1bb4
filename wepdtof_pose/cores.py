"""How many CPU cores there are for this process."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may run on; all of the machine's where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
